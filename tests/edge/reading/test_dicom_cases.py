"""Small files like those that people reported to other projects: right, or refused in words that name the attribute."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from fisherlens.edge.bundle.manifest import Input
from fisherlens.edge.errors import ImageRefused
from fisherlens.edge.preprocess import preprocess
from fisherlens.edge.reading import Frame, open_image

CASES = Path(__file__).parent / "cases"
RIGHT = sorted(path for path in CASES.rglob("*.truth.npy") if path.parent.name != "raster")
REFUSED = {
    "dicom/alloc12_packed": "BitsAllocated 12",
    "dicom/decimal_comma": "RescaleSlope 1,5",
    "dicom/multi_slope": "RescaleSlope has 2 values",
    "dicom/no_tsuid": "TransferSyntaxUID",
    "headers/frames_1.5": "NumberOfFrames 1.5",
    "headers/rows_two": "Rows has 2 values",
    "headers/slope_comma": "RescaleSlope 1,0",
}
"""Those that contradict their headers, or that no value is certain of, and what the refusal says."""
ROUNDED = {"dicom/ybr_full": 1}
"""Largest difference that rounding of colours makes."""


def image(name: str) -> Path:
    return CASES / f"{name}.dcm"


def frames(path: Path) -> list[Frame]:
    file = open_image(path)
    return [file.frame(index) for index in range(file.header.frames)]


def turned(frame: Frame) -> np.ndarray:
    """What the graph gets of it: after the modality LUT, lowest values black."""
    photometric: Literal["RGB", "MONOCHROME2"] = "RGB" if frame.header.samples_per_pixel == 3 else "MONOCHROME2"
    expected = Input(
        rows=None, columns=None, samples_per_pixel=frame.header.samples_per_pixel, modality=None, bits_stored=None,
        photometric_interpretation=photometric,
    )  # fmt: skip
    made = preprocess(frame, expected)[0]
    return made.transpose(1, 2, 0) if made.shape[0] == 3 else made[0]


@pytest.mark.parametrize("truth", RIGHT, ids=lambda path: path.parent.name + "/" + path.name.split(".")[0])
def test_a_case_with_its_truth_is_right_or_refused_by_name(truth: Path) -> None:
    name = f"{truth.parent.name}/{truth.name.removesuffix('.truth.npy')}"
    if name in REFUSED:
        with pytest.raises(ImageRefused, match=REFUSED[name]):
            frames(image(name))
        return
    made = np.stack([turned(frame) for frame in frames(image(name))]).squeeze()
    np.testing.assert_allclose(made, np.load(truth), rtol=1e-6, atol=ROUNDED.get(name, 0))


@pytest.mark.parametrize("name", [name for name in REFUSED if name.startswith("headers")])
def test_a_malformed_header_is_refused_by_name(name: str) -> None:
    with pytest.raises(ImageRefused, match=REFUSED[name]):
        frames(image(name))


@pytest.mark.parametrize(("name", "spacing"), [("plain", 0.16), ("imager_zero", 0.15), ("modality_space", 0.16)])
def test_a_usable_header_is_understood(name: str, spacing: float) -> None:
    header = open_image(image(f"headers/{name}")).header
    assert header.modality == open_image(image("headers/plain")).header.modality
    assert header.pixel_spacing == pytest.approx(spacing)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("enhanced/enhanced_same_HU", "enhanced/classic"),
        ("jls/signed_2001.jls", "jls/signed_2001"),
        ("mono1/7000_m1", "mono1/7000_m2"),
        ("mono1/7001_m1", "mono1/7001_m2"),
        ("colour/ybr_full", "colour/rgb"),
    ],
)
def test_the_same_image_written_in_two_ways_is_the_same(one: str, other: str) -> None:
    a, b = (turned(frames(image(name))[0]) for name in (one, other))
    np.testing.assert_allclose(a, b, rtol=1e-6, atol=2 if one.startswith("colour") else 0)


@pytest.mark.parametrize(("picture", "name"), [("mono1/7000", "mono1/7000_m2"), ("colour/rgb", "colour/rgb")])
def test_a_picture_and_its_dicom_are_the_same(picture: str, name: str) -> None:
    np.testing.assert_array_equal(frames(CASES / f"{picture}.png")[0].pixels, frames(image(name))[0].pixels)


def test_an_overlay_in_the_bits_above_is_not_in_the_image() -> None:
    pixels = frames(image("jls/overlay_in_highbits.jls"))[0].pixels
    assert pixels.max() < 2**12


def test_three_frames_are_three() -> None:
    assert len(frames(image("multiframe/three_frames"))) == 3
