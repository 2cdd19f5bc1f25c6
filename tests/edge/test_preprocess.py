"""The way from stored values to the graph's image, against pydicom and closed forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut
from pydicom.sequence import Sequence

from fisherlens.edge.bundle.manifest import Input
from fisherlens.edge.errors import ImageRefused
from fisherlens.edge.preprocess import preprocess
from fisherlens.edge.reading import Frame, open_image
from fisherlens.models.mammography.acquisition import Exposure
from fisherlens.models.mammography.dicom import write_dicom

PIXELS = np.random.default_rng(5).integers(0, 2**14, (24, 32)).astype(np.uint16)


def written(tmp_path: Path, **changes: object) -> Path:
    path = tmp_path / "image.dcm"
    write_dicom(path, PIXELS, Exposure(), "test")
    dataset = pydicom.dcmread(path)
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    dataset.save_as(path)
    return path


def image(path: Path, **expected: object) -> np.ndarray:
    return preprocess(open_image(path).frame(0), Input(**expected))  # type: ignore[arg-type]


def test_rescale_slope_and_intercept_are_applied(tmp_path: Path) -> None:
    path = written(tmp_path, RescaleSlope=0.5, RescaleIntercept=-100)
    theirs = apply_modality_lut(PIXELS, pydicom.dcmread(path))
    np.testing.assert_allclose(image(path)[0, 0], theirs, rtol=1e-6)


def test_a_modality_lut_is_applied(tmp_path: Path) -> None:
    table = Dataset()
    values = (np.arange(2**14, dtype=np.uint32) ** 2 >> 14).astype(np.uint16)
    table.LUTDescriptor, table.ModalityLUTType, table.LUTData = [2**14, 0, 16], "US", values.tobytes()
    table["LUTData"].VR = "OW"
    path = written(tmp_path, ModalityLUTSequence=Sequence([table]))
    np.testing.assert_array_equal(image(path)[0, 0], values[PIXELS])


def test_presentation_windows_are_not_applied(tmp_path: Path) -> None:
    path = written(tmp_path, WindowCenter=100, WindowWidth=10, PresentationLUTShape="IDENTITY")
    np.testing.assert_array_equal(image(path)[0, 0], PIXELS)


def test_the_other_monochrome_is_turned_round_within_the_stored_range(tmp_path: Path) -> None:
    path = written(tmp_path)
    np.testing.assert_array_equal(image(path, photometric_interpretation="MONOCHROME1")[0, 0], PIXELS)
    np.testing.assert_array_equal(image(path, photometric_interpretation="MONOCHROME2")[0, 0], 16383.0 - PIXELS)


def test_turning_round_comes_after_the_modality_lut(tmp_path: Path) -> None:
    path = written(tmp_path, RescaleSlope=2, RescaleIntercept=10)
    turned = image(path, photometric_interpretation="MONOCHROME2")[0, 0]
    np.testing.assert_array_equal(turned, (10.0 + 2 * 16383 + 10.0) - (2.0 * PIXELS + 10.0))


def test_crop_is_the_middle_and_resize_averages_areas() -> None:
    frame = Frame.of(PIXELS)
    cropped = preprocess(frame, Input(crop=(8, 16)))[0, 0]
    np.testing.assert_array_equal(cropped, PIXELS[8:16, 8:24])
    halved = preprocess(frame, Input(crop=(8, 16), resize=(4, 8), offset=1.0, scale=0.5))[0, 0]
    blocks = PIXELS[8:16, 8:24].astype(float).reshape(4, 2, 8, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(halved, (blocks - 1.0) * 0.5, rtol=1e-6)


def test_colour_becomes_channels() -> None:
    colour = np.random.default_rng(0).integers(0, 255, (6, 7, 3)).astype(np.uint8)
    np.testing.assert_array_equal(
        preprocess(Frame.of(colour), Input(samples_per_pixel=3))[0], colour.transpose(2, 0, 1)
    )


def test_a_constant_outside_the_field_in_use_does_not_matter_and_inside_is_refused() -> None:
    pixels = np.zeros((32, 32), np.uint16)
    pixels[0, 0] = 5
    with pytest.raises(ImageRefused, match="all pixels have the same value 0"):
        preprocess(Frame.of(pixels), Input(crop=(8, 8)))


def test_a_detector_with_other_pixels_is_refused(tmp_path: Path) -> None:
    """ImagerPixelSpacing of the detector, or PixelSpacing where there is none; a file that says neither is
    not refused for it."""
    accepted = {"pixel_spacing": (0.05, 0.1)}
    image(written(tmp_path, ImagerPixelSpacing=[0.07, 0.07], PixelSpacing=[0.2, 0.2]), **accepted)
    with pytest.raises(ImageRefused, match=r"pixel spacing 0\.14 mm, expected 0\.05 to 0\.1 mm"):
        image(written(tmp_path, ImagerPixelSpacing=[0.14, 0.14]), **accepted)
    with pytest.raises(ImageRefused, match="pixel spacing"):
        image(written(tmp_path, ImagerPixelSpacing=None, PixelSpacing=[0.2, 0.2]), **accepted)
    image(written(tmp_path, ImagerPixelSpacing=None), **accepted)


def test_a_pixel_spacing_that_makes_no_sense_counts_as_not_told(tmp_path: Path) -> None:
    for spacing in ([0.1], [0.0, 0.1], [-1, -1]):
        assert open_image(written(tmp_path, ImagerPixelSpacing=spacing)).header.pixel_spacing is None
