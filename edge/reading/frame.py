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


@dataclass(frozen=True, kw_only=True)
class Header:
    """The properties that a file states of its frames, in DICOM's terms; None where its format does not say.

    bits_allocated: of the container that a sample lies in; None for floating point. bits_stored: significant
    bits of a sample; None for floating point and where only the container is known. photometric_interpretation:
    MONOCHROME1 where the lowest value is meant to be white, MONOCHROME2 where it is meant to be black, or RGB:
    whatever the file's colours were, readers give these. pixel_spacing: side of a pixel on the detector, mm; where it
    is None, no_pixel_spacing says why. lossy_image_compression: whether the pixels have ever been compressed with loss.
    """

    rows: int
    columns: int
    samples_per_pixel: int = 1
    frames: int = 1
    bits_allocated: int | None = None
    bits_stored: int | None = None
    signed: bool = False
    modality: str | None = None
    photometric_interpretation: str | None = None
    pixel_spacing: float | None = None
    no_pixel_spacing: str = "its format does not state one"
    presentation_intent_type: str | None = None
    pixel_intensity_relationship: str | None = None
    lossy_image_compression: bool | None = None


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

    header: of the first frame. alike: whether it holds for the others too, so that a file can be refused as a whole.
    `frame` raises ImageRefused where the pixels cannot be decoded.
    """

    header: Header
    frame: Callable[[int], Frame]
    sop_instance_uid: str | None = None
    alike: bool = True


def array_header(shape: tuple[int, ...], dtype: np.dtype[Any], frames: int = 1) -> Header:
    """Make the header of frames of numbers, of one frame's shape.

    Raises ImageRefused for other than numbers in two or three dimensions.
    """
    if dtype.kind not in "uif":
        raise ImageRefused(f"array of {dtype}, expected whole or floating numbers")
    if len(shape) not in (2, 3) or 0 in shape:
        raise ImageRefused(f"array of shape {list(shape)}, expected [rows, columns] or [rows, columns, samples]")
    samples = shape[2] if len(shape) == 3 else 1
    return Header(
        rows=shape[0],
        columns=shape[1],
        samples_per_pixel=samples,
        frames=frames,
        bits_allocated=None if dtype.kind == "f" else 8 * dtype.itemsize,
        signed=dtype.kind == "i",
    )
