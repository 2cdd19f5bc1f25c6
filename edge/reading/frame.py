"""The frames that a reader gives: a header that is known before decoding, and frames of stored values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageRefused

Pixels = NDArray[Any]

MAX_PIXELS = 2**27
"""Largest frame that is decoded, in pixels: 134 million, several times the largest detectors."""

MAX_FRAMES = 10_000
"""Frames of a file: each has its verdict, also where it is refused."""


@dataclass(frozen=True)
class Header:
    """The properties that a file states of its frames, in DICOM's terms; None where its format does not say.

    bits_stored: significant bits of the stored values; None for floating point. pixel_spacing: side of
    a pixel on the detector, mm.
    """

    rows: int
    columns: int
    samples_per_pixel: int = 1
    frames: int = 1
    bits_stored: int | None = None
    signed: bool = False
    modality: str | None = None
    photometric_interpretation: str | None = None
    pixel_spacing: float | None = None


@dataclass(frozen=True)
class Frame:
    """One frame as it is stored.

    pixels: stored values, [rows, columns] or [rows, columns, samples], in the file's dtype.
    modality_lut: from stored to output values (PS3.3 C.11.1), None for no change. Presentation
    look-up tables are never applied.
    """

    header: Header
    pixels: Pixels
    modality_lut: Callable[[Pixels], Pixels] | None = None

    @classmethod
    def of(cls, array: Pixels) -> Frame:
        """Make a frame of an array: [rows, columns] or [rows, columns, samples]."""
        return cls(array_header(array.shape, array.dtype), array)


@dataclass(frozen=True)
class ImageFile:
    """An opened file: nothing is decoded until `frame(index)`, index from 0. sop_instance_uid: by which DICOM
    knows it.

    `frame` raises ImageRefused where the pixels cannot be decoded.
    """

    header: Header
    frame: Callable[[int], Frame]
    sop_instance_uid: str | None = None


def array_header(shape: tuple[int, ...], dtype: np.dtype[Any], frames: int = 1) -> Header:
    """Make the header of frames of numbers, of one frame's shape.

    Raises ImageRefused for other than numbers in two or three dimensions.
    """
    if dtype.kind not in "uif":
        raise ImageRefused(f"array of {dtype}, expected whole or floating numbers")
    if len(shape) not in (2, 3) or 0 in shape:
        raise ImageRefused(f"array of shape {list(shape)}, expected [rows, columns] or [rows, columns, samples]")
    samples = shape[2] if len(shape) == 3 else 1
    bits = None if dtype.kind == "f" else 8 * dtype.itemsize
    return Header(shape[0], shape[1], samples, frames, bits, signed=dtype.kind == "i")
