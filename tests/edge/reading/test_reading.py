"""Every format gives the detector's stored values; encoders that are not ours made the files."""

from __future__ import annotations

from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import (
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from fisherlens.edge.errors import ImageRefused
from fisherlens.edge.reading import open_image
from fisherlens.models.mammography.acquisition import Exposure
from fisherlens.models.mammography.dicom import write_dicom

ENCODERS = {
    JPEGLossless: lambda pixels: imagecodecs.ljpeg_encode(pixels, bitspersample=14),
    JPEGLosslessSV1: lambda pixels: imagecodecs.ljpeg_encode(pixels, bitspersample=14),
    JPEGLSLossless: imagecodecs.jpegls_encode,
    JPEG2000Lossless: lambda pixels: imagecodecs.jpeg2k_encode(pixels, codecformat="J2K", level=0, bitspersample=14),
    HTJ2KLossless: lambda pixels: imagecodecs.htj2k_encode(pixels, reversible=True),
}


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 2**14, (40, 56)).astype(np.uint16)


@pytest.fixture
def plain(tmp_path: Path, pixels: np.ndarray) -> Path:
    path = tmp_path / "plain.dcm"
    write_dicom(path, pixels, Exposure(), "test")
    return path


def stored(path: Path, index: int = 0) -> np.ndarray:
    return open_image(path).frame(index).pixels


def test_uncompressed_dicom_gives_the_stored_values(plain: Path, pixels: np.ndarray) -> None:
    header = open_image(plain).header
    assert (header.modality, header.rows, header.columns, header.bits_stored) == ("MG", 40, 56, 14)
    assert header.photometric_interpretation == "MONOCHROME1"
    np.testing.assert_array_equal(stored(plain), pixels)


@pytest.mark.parametrize("syntax", ENCODERS, ids=lambda uid: uid.keyword)
def test_compressed_dicom_gives_the_stored_values(plain: Path, pixels: np.ndarray, syntax: pydicom.uid.UID) -> None:
    dataset = pydicom.dcmread(plain)
    dataset.PixelData = encapsulate([bytes(ENCODERS[syntax](pixels))])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(plain)
    np.testing.assert_array_equal(stored(plain), pixels)


@pytest.mark.parametrize("syntax", ENCODERS, ids=lambda uid: uid.keyword)
@pytest.mark.parametrize("lost", [20, 1000])
def test_truncated_compressed_dicom_is_never_decoded_to_other_values(
    plain: Path, pixels: np.ndarray, syntax: pydicom.uid.UID, lost: int
) -> None:
    dataset = pydicom.dcmread(plain)
    dataset.PixelData = encapsulate([bytes(ENCODERS[syntax](pixels))[:-lost]])
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(plain)
    with pytest.raises(ImageRefused, match="is cut off"):
        stored(plain)


def test_run_length_dicom_gives_the_stored_values(plain: Path, pixels: np.ndarray) -> None:
    dataset = pydicom.dcmread(plain)
    dataset.compress(RLELossless)
    dataset.save_as(plain)
    np.testing.assert_array_equal(stored(plain), pixels)


def test_multi_frame_dicom_gives_each_frame(plain: Path, pixels: np.ndarray) -> None:
    dataset = pydicom.dcmread(plain)
    frames = np.stack([pixels, pixels // 2, pixels // 3])
    dataset.NumberOfFrames, dataset.PixelData = 3, frames.tobytes()
    dataset.save_as(plain)
    assert open_image(plain).header.frames == 3
    for index, frame in enumerate(frames):
        np.testing.assert_array_equal(stored(plain, index), frame)


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_raster_files_give_the_stored_values(tmp_path: Path, pixels: np.ndarray, suffix: str, dtype: type) -> None:
    path = tmp_path / f"image.{suffix}"
    cv2.imwrite(str(path), pixels.astype(dtype))
    np.testing.assert_array_equal(stored(path), pixels.astype(dtype))


def test_colour_is_in_the_order_red_green_blue(tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    red = np.zeros((4, 5, 3), np.uint8)
    red[..., 0] = 200
    path.write_bytes(imagecodecs.png_encode(red))
    np.testing.assert_array_equal(stored(path), red)


def test_multi_page_tiff_gives_each_page(tmp_path: Path, pixels: np.ndarray) -> None:
    path = tmp_path / "pages.tif"
    cv2.imwritemulti(str(path), [pixels, pixels // 2])
    assert open_image(path).header.frames == 2
    np.testing.assert_array_equal(stored(path, 1), pixels // 2)


def test_arrays_give_frames_of_their_first_axis(tmp_path: Path, pixels: np.ndarray) -> None:
    path = tmp_path / "frames.npy"
    np.save(path, np.stack([pixels, pixels // 2]))
    assert open_image(path).header.frames == 2
    np.testing.assert_array_equal(stored(path, 1), pixels // 2)


def test_a_file_is_read_by_what_it_begins_with_and_not_by_its_name(plain: Path, pixels: np.ndarray) -> None:
    renamed = plain.rename(plain.with_suffix(".png"))
    np.testing.assert_array_equal(stored(renamed), pixels)
