"""DICOM files through pydicom: the header first, then one frame at a time."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.encaps import get_frame
from pydicom.filereader import read_file_meta_info
from pydicom.pixels import apply_modality_lut, pixel_array
from pydicom.uid import (
    HTJ2K,
    DeflatedExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
)

from ..errors import ImageRefused
from .frame import MAX_PIXELS, Frame, Header, ImageFile, Pixels

_ENCAPSULATED_ELEMENT = 12
"""Bytes of tag, VR and length in front of encapsulated pixel data (PS3.5 table 7.1-1)."""
_END_OF_IMAGE = b"\xff\xd9"
"""The marker that ends every JPEG, JPEG-LS and JPEG 2000 stream (ITU-T T.81 B.1.1.3, T.800 A.4.4)."""
_WITH_END = (
    *JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes, *JPEG2000TransferSyntaxes, HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL
)  # fmt: skip
_REQUIRED = ("Rows", "Columns", "BitsAllocated", "BitsStored", "PhotometricInterpretation")


def open_dicom(path: Path) -> ImageFile:
    """Open a DICOM image.

    Raises ImageRefused for a file without an image, with an impossible header, or with pixels that
    cannot be decoded.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd values are judged below, by what they are needed for
            _refuse_deflated(path)
            dataset = pydicom.dcmread(path, stop_before_pixels=True)
            header = _header(dataset)
            modality_lut = _modality_lut(dataset)
            identifier = str(dataset.get("SOPInstanceUID") or "") or None
    except ImageRefused:
        raise
    except Exception as error:  # pydicom raises many kinds on damaged files
        # Not what pydicom says: it may quote a value, which may be a patient's.
        raise ImageRefused(f"DICOM header cannot be read ({type(error).__name__})") from error
    if header.rows * header.columns > MAX_PIXELS:
        raise ImageRefused(
            f"{header.rows} x {header.columns} pixels are more than the {MAX_PIXELS} that a frame may have"
        )
    return ImageFile(header, lambda index: Frame(header, _decoded(path, header, index), modality_lut), identifier)


def _refuse_deflated(path: Path) -> None:
    """A deflated data set (PS3.5 A.5) may grow a thousandfold while its header is read."""
    if read_file_meta_info(path).get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        raise ImageRefused("transfer syntax Deflated Explicit VR Little Endian, expected one that is not deflated")


def _header(dataset: pydicom.Dataset) -> Header:
    missing = [keyword for keyword in _REQUIRED if dataset.get(keyword) in (None, "")]
    if missing:
        raise ImageRefused(f"DICOM file without {', '.join(missing)}, expected an image")
    header = Header(
        rows=int(dataset.Rows),
        columns=int(dataset.Columns),
        samples_per_pixel=int(dataset.get("SamplesPerPixel") or 1),
        frames=int(dataset.get("NumberOfFrames") or 1),
        bits_allocated=int(dataset.BitsAllocated),
        bits_stored=int(dataset.BitsStored),
        signed=bool(dataset.get("PixelRepresentation") or 0),
        modality=str(dataset.get("Modality") or "none"),
        photometric_interpretation=str(dataset.PhotometricInterpretation),
        pixel_spacing=_pixel_spacing(dataset),
    )
    if header.rows < 1 or header.columns < 1 or header.frames < 1:
        raise ImageRefused(f"{header.frames} frames of {header.rows} x {header.columns} pixels, expected some")
    if not 1 <= int(dataset.BitsStored) <= int(dataset.BitsAllocated):
        raise ImageRefused(f"BitsStored {dataset.BitsStored} with BitsAllocated {dataset.BitsAllocated}")
    return header


def _pixel_spacing(dataset: pydicom.Dataset) -> float | None:
    """The spacing on the detector where it is told (ImagerPixelSpacing, PS3.3 10.7.1.3), else PixelSpacing; where
    pixels are not square, the side of the square of their area."""
    spacing = dataset.get("ImagerPixelSpacing") or dataset.get("PixelSpacing")
    try:
        rows, columns = (float(side) for side in spacing)
    except (TypeError, ValueError):
        return None
    return math.sqrt(rows * columns) if rows > 0 and columns > 0 else None


def _decoded(path: Path, header: Header, index: int) -> Pixels:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _require_whole_stream(path, header, index)
            pixels = pixel_array(path, index=index, raw=True)
    except MemoryError as error:
        raise ImageRefused(f"frame {index + 1} does not fit into memory") from error
    except ImageRefused:
        raise
    except Exception as error:  # each decoder raises kinds of its own
        raise ImageRefused(f"pixel data of frame {index + 1} cannot be decoded: {_first_line(error)}") from error
    if pixels.shape[:2] != (header.rows, header.columns):
        raise ImageRefused(
            f"pixel data of frame {index + 1} is {list(pixels.shape)}, the header says {[header.rows, header.columns]}"
        )
    return pixels


def _require_whole_stream(path: Path, header: Header, index: int) -> None:
    """Refuse a stream of the JPEG family that lacks its end marker: libjpeg and OpenJPEG decode one that was
    cut off without a word, and fill the rest."""
    with path.open("rb") as file:
        dataset = pydicom.dcmread(file, stop_before_pixels=True)
        if dataset.file_meta.TransferSyntaxUID not in _WITH_END:
            return
        file.seek(_ENCAPSULATED_ELEMENT, 1)
        stream = get_frame(file, index, number_of_frames=header.frames)
    if not stream.rstrip(b"\0\xff").endswith(_END_OF_IMAGE):  # padded to even length by either
        raise ImageRefused(f"pixel data of frame {index + 1} cannot be decoded: the JPEG stream is truncated")


def _first_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


def _modality_lut(dataset: pydicom.Dataset) -> Any:
    """Rescale slope and intercept, or the modality LUT sequence; None where they change nothing."""
    if "ModalityLUTSequence" in dataset:
        return lambda pixels: _looked_up(pixels, dataset)
    slope, intercept = _number(dataset, "RescaleSlope", 1.0), _number(dataset, "RescaleIntercept", 0.0)
    if slope == 0:
        raise ImageRefused("RescaleSlope 0, expected another number")
    if (slope, intercept) == (1.0, 0.0):
        return None
    with np.errstate(over="ignore"):
        factor, summand = np.float32(slope), np.float32(intercept)
    return lambda pixels: pixels * factor + summand


def _looked_up(pixels: Pixels, dataset: pydicom.Dataset) -> Pixels:
    try:
        return apply_modality_lut(pixels, dataset)
    except Exception as error:  # a table may lack anything
        raise ImageRefused(f"modality LUT sequence cannot be used ({type(error).__name__})") from error


def _number(dataset: pydicom.Dataset, keyword: str, default: float) -> float:
    value = dataset.get(keyword)
    return default if value in (None, "") else float(value)
