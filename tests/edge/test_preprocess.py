"""The way from stored values to the graph's image, against pydicom and closed forms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut
from pydicom.sequence import Sequence

from fisherlens.edge.bundle.manifest import Input
from fisherlens.edge.errors import ImageRefused
from fisherlens.edge.preprocess import preprocess, vouched
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
    way = {"photometric_interpretation": "MONOCHROME1", **expected}
    return preprocess(open_image(path).frame(0), Input(**way))  # type: ignore[arg-type]


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


LIMIT = {"pixel_spacing": (0.05, 0.1)}


def test_a_detector_with_other_pixels_is_refused(tmp_path: Path) -> None:
    """ImagerPixelSpacing of the detector, or PixelSpacing where there is none."""
    image(written(tmp_path, ImagerPixelSpacing=[0.07, 0.07], PixelSpacing=[0.2, 0.2]), **LIMIT)
    with pytest.raises(ImageRefused, match=r"pixel spacing 0\.14 mm, expected 0\.05 to 0\.1 mm"):
        image(written(tmp_path, ImagerPixelSpacing=[0.14, 0.14]), **LIMIT)
    with pytest.raises(ImageRefused, match=r"pixel spacing 0\.2 mm"):
        image(written(tmp_path, ImagerPixelSpacing=None, PixelSpacing=[0.2, 0.2]), **LIMIT)


@pytest.mark.parametrize("spacing", [None, [0.07], [0.0, 0.0], [-0.07, -0.07], [0.05, 0.1], [0.07, 0.07, 0.07]])
def test_a_limit_that_cannot_be_checked_is_a_refusal(tmp_path: Path, spacing: list[float] | None) -> None:
    """A spacing that makes no sense counts as not told: PixelSpacing stands in for it, or nothing does."""
    path = written(tmp_path, ImagerPixelSpacing=spacing)
    image(path)
    with pytest.raises(ImageRefused, match=r"ImagerPixelSpacing.*no PixelSpacing"):
        image(path, **LIMIT)
    image(written(tmp_path, ImagerPixelSpacing=spacing, PixelSpacing=[0.07, 0.07]), **LIMIT)
    with pytest.raises(ImageRefused, match=r"pixel spacing 0\.2 mm"):
        image(written(tmp_path, ImagerPixelSpacing=spacing, PixelSpacing=[0.2, 0.2]), **LIMIT)


def test_a_format_that_states_no_spacing_does_not_pass_a_limit_and_an_array_is_vouched_for() -> None:
    with pytest.raises(ImageRefused, match="pixel spacing unknown"):
        preprocess(Frame.of(PIXELS), Input(pixel_spacing=(0.05, 0.1)))
    expected = Input(pixel_spacing=(0.05, 0.1), modality="MG", photometric_interpretation="MONOCHROME1", bits_stored=14)
    np.testing.assert_array_equal(preprocess(vouched(PIXELS, expected), expected)[0, 0], PIXELS)


def test_what_the_numbers_mean_must_be_what_the_bundle_expects(tmp_path: Path) -> None:
    demanded = {"presentation_intent_type": "FOR PROCESSING", "pixel_intensity_relationship": "LIN"}
    image(written(tmp_path), **demanded)
    for keyword, value in (("PresentationIntentType", "FOR PRESENTATION"), ("PixelIntensityRelationship", "LOG")):
        with pytest.raises(ImageRefused, match=f"{value}, expected"):
            image(written(tmp_path, **{keyword: value}), **demanded)
    with pytest.raises(ImageRefused, match="pixel intensity relationship not stated, expected LIN"):
        image(written(tmp_path, PixelIntensityRelationship=None), **demanded)
    image(written(tmp_path, PresentationIntentType=None), **demanded)  # its SOP class says it
    preprocess(Frame.of(PIXELS), Input(**demanded))  # type: ignore[arg-type]  # an array cannot say it


def test_a_bundle_that_does_not_say_what_its_numbers_mean_refuses_negatives(tmp_path: Path) -> None:
    with pytest.raises(ImageRefused, match="MONOCHROME1, and the bundle does not say"):
        image(written(tmp_path), photometric_interpretation=None)
    image(written(tmp_path, PhotometricInterpretation="MONOCHROME2"), photometric_interpretation=None)


def test_colour_and_grey_are_not_taken_for_one_another(tmp_path: Path) -> None:
    with pytest.raises(ImageRefused, match="photometric interpretation MONOCHROME1, expected RGB"):
        image(written(tmp_path), photometric_interpretation="RGB", samples_per_pixel=3)


@pytest.mark.parametrize("expected", [None, 12, 16])
def test_a_container_is_turned_round_within_the_bits_that_the_bundle_states(expected: int | None) -> None:
    pixels = PIXELS >> 2
    frame = Frame(replace(Frame.of(pixels).header, photometric_interpretation="MONOCHROME1"), pixels)
    turned = preprocess(frame, Input(photometric_interpretation="MONOCHROME2", bits_stored=expected))
    np.testing.assert_array_equal(turned[0, 0], (4095.0 if expected == 12 else 65535.0) - pixels)


def test_floating_pixels_have_no_range_to_turn() -> None:
    pixels = PIXELS.astype(np.float32)
    frame = Frame(replace(Frame.of(pixels).header, photometric_interpretation="MONOCHROME1"), pixels)
    with pytest.raises(ImageRefused, match="no range to turn"):
        preprocess(frame, Input(photometric_interpretation="MONOCHROME2"))
