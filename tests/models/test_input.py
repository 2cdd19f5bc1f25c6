"""What the models are trained, calibrated and attacked with, beside what the device makes of a file: bit for bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fisherlens.edge.bundle import open_bundle
from fisherlens.edge.bundle.manifest import Input
from fisherlens.edge.preprocess import preprocess
from fisherlens.edge.reading import open_image
from fisherlens.edge.reading.arrays import as_npy
from fisherlens.models import form, mammography
from fisherlens.models.form import input as form_input
from fisherlens.models.form import population as form_population
from fisherlens.models.mammography import evaluate, unusual
from fisherlens.models.mammography import input as mammography_input
from fisherlens.models.mammography.acquisition import Exposure
from fisherlens.models.mammography.detector import BITS_STORED, Detector
from fisherlens.models.mammography.dicom import write_dicom
from fisherlens.models.mammography.population import FIELD
from fisherlens.models.mammography.train import images_of


def device_image(path: Path, bundle: Path) -> np.ndarray:
    """The graph's image of a file, by the manifest of a shipped bundle."""
    return preprocess(open_image(path).frame(0), open_bundle(bundle).manifest.input)


@pytest.fixture(scope="module")
def stored() -> np.ndarray:
    """A detector's image with all values of its bits, the ends among them."""
    pixels = np.random.default_rng(0).integers(0, 2**BITS_STORED, Detector().shape, np.uint16)
    pixels[pixels.shape[0] // 2, pixels.shape[1] // 2 - 1 :][:2] = 0, 2**BITS_STORED - 1
    return pixels


@pytest.fixture(scope="module")
def on_device(stored: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    path = tmp_path_factory.mktemp("image") / "image.dcm"
    write_dicom(path, stored, Exposure(), "test")
    return device_image(path, mammography.BUNDLE)


def field_of(pixels: np.ndarray) -> np.ndarray:
    top, left = ((size - FIELD) // 2 for size in pixels.shape)
    return pixels[top : top + FIELD, left : left + FIELD]


@pytest.mark.parametrize(
    ("bundle", "expected"),
    [(mammography.BUNDLE, mammography_input.INPUT), (form.BUNDLE, form_input.INPUT)],
    ids=["mammography", "form"],
)
def test_a_shipped_bundle_takes_what_its_model_was_made_for(bundle: Path, expected: Input) -> None:
    assert open_bundle(bundle).manifest.input == expected


def test_calibration_reads_a_mammogram_as_the_device_does(stored: np.ndarray, on_device: np.ndarray) -> None:
    assert on_device.shape == (1, 1, FIELD, FIELD)
    for pixels in (stored, field_of(stored)):
        np.testing.assert_array_equal(mammography_input.image_reader(pixels)(), on_device, strict=True)


def test_training_reads_a_mammogram_as_the_device_does(stored: np.ndarray, on_device: np.ndarray) -> None:
    fields = np.stack([field_of(stored), field_of(stored)[::-1]])
    images = images_of(fields).numpy()
    np.testing.assert_array_equal(images[:1], on_device, strict=True)
    np.testing.assert_array_equal(images[1:], on_device[:, :, ::-1], strict=True)


def test_an_attack_reads_a_mammogram_as_the_device_does(stored: np.ndarray, on_device: np.ndarray) -> None:
    field = field_of(stored).astype(np.float32)
    np.testing.assert_array_equal(unusual._image(field), on_device, strict=True)


def test_an_attack_goes_on_from_values_that_no_file_can_store(stored: np.ndarray, on_device: np.ndarray) -> None:
    """A dead pixel is made darker than zero on the way, and is rounded to what is stored at the end."""
    changed = field_of(stored).astype(np.float32) - unusual.BUDGET
    assert changed.min() < 0
    expected = on_device - np.float32(unusual.BUDGET * 2.0**-BITS_STORED)
    np.testing.assert_array_equal(unusual._image(changed), expected, strict=True)


def test_calibration_reads_a_form_measurement_as_the_device_does(tmp_path: Path) -> None:
    data = form_population.usual(0, "input").data()
    path = tmp_path / "measurement.npy"
    path.write_bytes(as_npy(data[None]))
    image = form_input.image_reader(data)()
    np.testing.assert_array_equal(image, device_image(path, form.BUNDLE), strict=True)
    np.testing.assert_array_equal(image[0], data.transpose(2, 0, 1))


def test_a_foreign_radiograph_is_disguised_as_what_this_detector_stores(stored: np.ndarray, tmp_path: Path) -> None:
    write_dicom(tmp_path / "foreign.dcm", stored[:700, :500], Exposure(), "test")
    frame = evaluate.disguised(tmp_path / "foreign.dcm")
    assert frame.pixels.shape == Detector().shape
    assert (frame.pixels.min(), frame.pixels.max()) == (0, 2**BITS_STORED - 1)
    assert preprocess(frame, mammography_input.INPUT).shape == (1, 1, FIELD, FIELD)
