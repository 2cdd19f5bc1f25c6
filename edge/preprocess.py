"""Preprocessing: a frame becomes the graph's `image`, as the bundle's manifest says."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .bundle.manifest import Input
from .errors import ImageRefused
from .reading import Frame, Header
from .reading.frame import Pixels

_TURNED = ("MONOCHROME1", "MONOCHROME2")
"""Photometric interpretations that differ in which end is white alone (PS3.3 C.7.6.3.1.2)."""


def check_header(header: Header, expected: Input) -> None:
    """Refuse, before anything is decoded, a frame that the bundle was not made for.

    What a format does not say (the modality of a PNG, the bits of a floating array) is not checked.
    Raises ImageRefused naming what was given and what was expected.
    """
    given = {
        "modality": header.modality,
        "rows": header.rows,
        "columns": header.columns,
        "bits stored": header.bits_stored,
        "samples per pixel": header.samples_per_pixel,
    }
    wanted = {
        "modality": expected.modality,
        "rows": expected.rows,
        "columns": expected.columns,
        "bits stored": _container_bits(header, expected),
        "samples per pixel": expected.samples_per_pixel,
    }
    wrong = [
        f"{name} {given[name]}, expected {wanted[name]}"
        for name in given
        if wanted[name] is not None and given[name] is not None and given[name] != wanted[name]
    ]
    have, want = header.photometric_interpretation, expected.photometric_interpretation
    if want is not None and have is not None and have != want and not {have, want} <= set(_TURNED):
        wrong.append(f"photometric interpretation {have}, expected {want}")
    spacing, within = header.pixel_spacing, expected.pixel_spacing
    if spacing is not None and within is not None and not within[0] <= spacing <= within[1]:
        wrong.append(f"pixel spacing {spacing:g} mm, expected {within[0]:g} to {within[1]:g} mm")
    if wrong:
        raise ImageRefused("; ".join(wrong))
    crop = expected.crop
    if crop and (header.rows < crop[0] or header.columns < crop[1]):
        raise ImageRefused(
            f"{header.rows} x {header.columns} pixels, expected at least {crop[0]} x {crop[1]} for the field in use"
        )


def _container_bits(header: Header, expected: Input) -> int | None:
    """The bits that a header must say: formats without DICOM's BitsStored say their container's, 8 or 16."""
    if expected.bits_stored is None or header.photometric_interpretation is not None:
        return expected.bits_stored
    return next((bits for bits in (8, 16, 32) if bits >= expected.bits_stored), None)


def preprocess(frame: Frame, expected: Input) -> NDArray[np.float32]:
    """Make the graph's image, float32 [1, C, H, W], of a frame.

    In this order: crop, modality LUT, MONOCHROME1 or 2 turned round, resize by area averaging, offset and scale.
    Raises ImageRefused for a frame that `check_header` refuses, values beyond the stored bits, NaN
    or infinity, and a field without any content.
    """
    check_header(frame.header, expected)
    pixels = _cropped(frame.pixels, expected.crop)
    _check_values(pixels, frame.header, expected)
    top = _highest(frame, expected)
    if frame.modality_lut is not None:
        pixels = frame.modality_lut(pixels)
        if not np.isfinite(pixels).all():
            raise ImageRefused("pixels are NaN or infinite after the modality LUT, expected finite numbers")
    values = np.array(pixels, dtype=np.float32)
    if top is not None:
        values = top - values
    if expected.resize:
        resized = cv2.resize(values, expected.resize[::-1], interpolation=cv2.INTER_AREA)
        values = np.asarray(resized, dtype=np.float32)
    values -= np.float32(expected.offset)
    values *= np.float32(expected.scale)
    if values.ndim == 3:
        values = np.ascontiguousarray(values.transpose(2, 0, 1))
    return values.reshape(1, -1, *values.shape[-2:])


def _cropped(pixels: Pixels, crop: tuple[int, int] | None) -> Pixels:
    if crop is None:
        return pixels
    top, left = (pixels.shape[0] - crop[0]) // 2, (pixels.shape[1] - crop[1]) // 2
    return pixels[top : top + crop[0], left : left + crop[1]]


def _check_values(pixels: Pixels, header: Header, expected: Input) -> None:
    low, high = pixels.min(), pixels.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise ImageRefused("pixels are NaN or infinite, expected finite numbers")
    if low == high:
        raise ImageRefused(f"all pixels have the same value {low}, expected an image")
    if expected.bits_stored is not None and not header.signed and not 0 <= low <= high < 2**expected.bits_stored:
        raise ImageRefused(
            f"pixels from {low} to {high}, expected 0 to {2**expected.bits_stored - 1} ({expected.bits_stored} bit)"
        )


def _highest(frame: Frame, expected: Input) -> np.float32 | None:
    """Sum of the ends of the stored range after the modality LUT: what values are taken from when a
    frame must be turned round, None when it need not."""
    have, want = frame.header.photometric_interpretation, expected.photometric_interpretation
    if want is None or have is None or have == want:
        return None
    bits = frame.header.bits_stored
    assert bits is not None
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if frame.header.signed else (0, 2**bits - 1)
    ends = np.array([low, high], dtype=np.int32)
    if frame.modality_lut is not None:
        ends = frame.modality_lut(ends)
    return np.float32(ends.sum())
