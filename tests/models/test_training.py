"""The network and its training, in small."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from fisherlens.models.mammography.network import PHASES, PhaseStack, ThresholdNetwork
from fisherlens.models.mammography.population import fields
from fisherlens.models.mammography.train import images_of, simulate, train
from fisherlens.models.weights import load, save


def test_the_phase_stack_loses_no_pixel() -> None:
    image = torch.rand(1, 1, 64, 48) * 0.9 + 0.05
    stack = PhaseStack()
    stacked = stack(image)
    assert stacked.shape == (1, PHASES**2 + 1, 8, 6)
    level = stacked[:, -1:] + stack.level_offset
    restored = torch.nn.functional.pixel_shuffle(stacked[:, :-1] / stack.contrast_scale + level, PHASES).exp()
    torch.testing.assert_close(restored, image, rtol=1e-5, atol=1e-6)


def test_streams_of_acquisitions_are_reproducible_and_differ() -> None:
    first, again, other = (next(iter(fields(stream, 1))) for stream in ("a", "a", "b"))
    np.testing.assert_array_equal(first[0], again[0])
    assert not np.array_equal(first[0], other[0])


def test_training_is_reproducible_and_survives_the_file(tmp_path: Path) -> None:
    count = 8
    data = simulate("tiny", count)
    first, second = (train(data, epochs=2, seed=3) for _ in range(2))
    image = images_of(data.fields[:1])
    torch.testing.assert_close(first(image), second(image))
    save([first], tmp_path / "members.pt")
    (loaded,) = load(tmp_path / "members.pt", ThresholdNetwork)
    assert isinstance(loaded, ThresholdNetwork)
    torch.testing.assert_close(loaded(image), first(image))
    assert [path.name for path in tmp_path.iterdir()] == ["members.pt"]
