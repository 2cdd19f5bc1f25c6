"""The shipped radiograph bundle: its claims in small. All figures: `python -m fisherlens.models.radiograph.evaluate`.

The published images lie beside the repository, or where the environment variable CHEST_RADIOGRAPHS says.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from fisherlens.edge import Runtime
from fisherlens.edge.bundle import open_bundle, open_session
from fisherlens.edge.bundle.golden import read_golden, worst_difference
from fisherlens.edge.preprocess import preprocess
from fisherlens.edge.reading import open_image
from fisherlens.models.radiograph import BUNDLE, cohorts, dataset, performance
from fisherlens.models.radiograph.input import INPUT, read

from ..conftest import NO_IMAGES
from .test_radiograph import smooth

CHEST = Path(os.environ.get("CHEST_RADIOGRAPHS", Path(__file__).parents[3] / "shared" / "data" / "chest"))
CARD = Path(__file__).parents[2] / "models" / "radiograph" / "MODEL_CARD.md"
needs_radiographs = pytest.mark.skipif(
    not CHEST.is_dir(), reason=f"{NO_IMAGES} of chests, neither beside the repository nor where CHEST_RADIOGRAPHS says"
)


def test_the_shipped_bundle_is_small_and_agrees_with_its_golden_vectors() -> None:
    bundle = open_bundle(BUNDLE)
    assert BUNDLE.stat().st_size < 8e6
    assert bundle.manifest.members == 3
    assert worst_difference(bundle, read_golden(bundle)) < bundle.manifest.parity.tolerance


def test_the_device_reads_a_grey_file_as_training_does_and_refuses_three_components(tmp_path: Path) -> None:
    grey, three = tmp_path / "grey.jpeg", tmp_path / "three.jpeg"
    Image.fromarray(smooth(320, 300)).save(grey)
    Image.fromarray(smooth(320, 300)).convert("RGB").save(three)
    runtime = Runtime.open(BUNDLE)
    assert runtime.bundle.manifest.input == INPUT
    np.testing.assert_array_equal(preprocess(open_image(grey).frame(0), runtime.bundle.manifest.input), read(grey))
    (refused,) = runtime.score_file(three)
    assert refused.outcome == "refused"
    assert "samples per pixel 3, expected 1" in " ".join(refused.reasons)


@needs_radiographs
@pytest.mark.parametrize("name", ["kermany/normal/IM-0001-0001.jpeg", "kermany/pneumonia/person1_virus_11.jpeg"])
def test_a_published_file_is_read_as_its_luma(name: str) -> None:
    image = Image.open(CHEST / name)
    assert image.mode == "RGB"
    np.testing.assert_allclose(255 * read(CHEST / name)[0, 0], np.asarray(image.convert("L"), float), atol=1.0)


def probabilities(images: torch.Tensor) -> NDArray[np.float64]:
    """Probability of pneumonia by the shipped bundle without its checks, which take most of the time."""
    model = onnx.load(BUNDLE)
    (wanted,) = (output for output in model.graph.output if output.name == "probability")
    del model.graph.output[:]
    model.graph.output.append(wanted)
    forward = open_session(model.SerializeToString(), threads=1)
    explain = {"explain": np.array(False)}
    return np.array([forward.run(None, {"image": image[None].numpy(), **explain})[0][1] for image in images], float)


def figure(row: str, text: str) -> float:
    """The percentage that stands first in a row of the model card's tables."""
    found = re.search(rf"^\| {re.escape(row)} \|.*?([\d.]+) %", text, re.MULTILINE)
    assert found, row
    return float(found[1])


@needs_radiographs
def test_the_shipped_bundle_recognises_what_the_model_card_says() -> None:
    part = dataset.part(CHEST, "evaluation")
    found = probabilities(part.images)
    whole = open_bundle(BUNDLE).run(part.images[:1].numpy(), explain=False)
    assert found[0] == pytest.approx(whole["probability"][1], abs=1e-5)
    _, first = np.unique(part.patients, return_index=True)
    right = (performance.patient_means(found, part.patients) > 0.5) == part.classes.numpy()[first]
    assert 100 * right.mean() == pytest.approx(figure("patients right", CARD.read_text()), abs=0.06)
    (adults,) = (one for one in cohorts.others(CHEST) if one.name == "adults, no finding")
    ill = 100 * (probabilities(adults.images) > 0.5).mean()
    assert ill == pytest.approx(figure("adults, no finding", CARD.read_text()), abs=0.25)  # an image at one half
