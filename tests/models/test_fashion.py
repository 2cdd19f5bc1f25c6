"""The Fashion-MNIST networks' data."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fisherlens.models.fashion import dataset
from fisherlens.models.fashion.poses import PLACED, TURNED, Poses


def test_a_missing_data_set_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(dataset, "FOLDER", tmp_path)
    with pytest.raises(dataset.DatasetMissing, match="apt-get install dataset-fashion-mnist"):
        dataset.evaluation()


@pytest.mark.parametrize(("poses", "count"), [(TURNED, 200), (PLACED, 1000)])
def test_every_kind_in_every_pose_is_a_class(poses: Poses, count: int) -> None:
    kinds = torch.arange(10).repeat(2000)
    shown, classes = poses.shown_once(torch.zeros(len(kinds), 1, 4, 4), kinds)
    assert len(set(poses.classes)) == count
    assert classes.unique().tolist() == list(range(count))
    for kind, of_class in zip(kinds[:50].tolist(), classes[:50].tolist(), strict=True):
        assert poses.classes[of_class].startswith(dataset.CLASSES[kind])
    assert shown.shape == (len(kinds), 1, 4, 4)


def test_a_class_is_named_after_how_its_images_are_turned_and_placed() -> None:
    """Quarter turns and moves by whole pixels, which interpolation leaves as they are, against torch's own."""
    poses = Poses(4, ((0.0, 0.0), (0.5, -0.25)))
    image = torch.zeros(1, 1, 16, 16)
    image[..., 5:11, 5:11] = torch.rand(6, 6, generator=torch.Generator().manual_seed(0))
    shown, classes = poses.shown_once(image.expand(64, -1, -1, -1), torch.zeros(64, dtype=torch.int64))
    assert len(classes.unique()) == len(poses)
    for seen, of_class in zip(shown, classes.tolist(), strict=True):
        turned = torch.rot90(image[0], of_class // 2, (1, 2))
        expected = turned.roll((-2, 4), (1, 2)) if of_class % 2 else turned
        torch.testing.assert_close(seen, expected, atol=1e-5, rtol=0)
