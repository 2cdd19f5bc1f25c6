"""Small files of the kinds that people reported to other projects, each with the right values beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fisherlens.edge.bundle.manifest import Input
from fisherlens.edge.preprocess import preprocess
from fisherlens.edge.reading import Frame, open_image

CASES = Path(__file__).parent / "cases"
WITH_TRUTH = sorted(
    path.with_name(path.name.removesuffix(".truth.npy")) for path in (CASES / "raster").glob("*.truth.npy")
)


def images(path: Path) -> np.ndarray:
    """What a network gets that takes grey with white high, or colour: [frames, rows, columns(, samples)]."""
    file = open_image(path)
    return np.stack([image(file.frame(index)) for index in range(file.header.frames)])


def image(frame: Frame, bits_stored: int | None = None) -> np.ndarray:
    samples = frame.header.samples_per_pixel
    meaning = "RGB" if samples == 3 else "MONOCHROME2"
    asked = Input(samples_per_pixel=samples, photometric_interpretation=meaning, bits_stored=bits_stored)  # type: ignore[arg-type]
    return preprocess(frame, asked)[0].transpose(1, 2, 0).squeeze()


def test_there_are_cases() -> None:
    assert len(WITH_TRUTH) >= 13


@pytest.mark.parametrize("path", WITH_TRUTH, ids=lambda path: path.name)
def test_every_case_gives_the_right_values(path: Path) -> None:
    truth = np.load(path.with_name(path.name + ".truth.npy"))
    if path.name == "la16.png":  # the truth has the opacity beside the grey, which is dropped where it is complete
        assert (truth[..., 1] == 65535).all()
        truth = truth[..., 0]
    given = images(path)
    np.testing.assert_array_equal(given[0] if len(given) == 1 else given, truth)


def test_packed_bits_are_the_same_values_as_in_a_container() -> None:
    packed, contained, white = (
        open_image(CASES / "tiff12" / name).frame(0) for name in ("packed12.tif", "in16.tif", "miniswhite_in16.tif")
    )
    assert (packed.header.bits_allocated, packed.header.bits_stored) == (16, 12)
    assert (contained.header.bits_allocated, contained.header.bits_stored) == (16, None)
    np.testing.assert_array_equal(packed.pixels, contained.pixels)
    np.testing.assert_array_equal(image(white, bits_stored=12), image(contained, bits_stored=12))


def test_a_picture_gives_what_the_dicom_file_gives() -> None:
    """Red, green, blue in order; and no turning of grey but for MONOCHROME1."""
    np.testing.assert_array_equal(images(CASES / "colour" / "rgb.png"), images(CASES / "colour" / "rgb.dcm"))
    for name in ("7000", "7001"):
        picture = images(CASES / "mono1" / f"{name}.png")
        np.testing.assert_array_equal(picture, images(CASES / "mono1" / f"{name}_m1.dcm"))
        np.testing.assert_array_equal(picture, images(CASES / "mono1" / f"{name}_m2.dcm"))
