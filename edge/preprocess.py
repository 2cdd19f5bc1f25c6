"""Preprocessing: a frame becomes the graph's `image`, as the bundle's manifest says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from .bundle.manifest import Input
from .errors import ImageRefused
from .reading import Frame, Header
from .reading.frame import Pixels, array_header

_TURNED = ("MONOCHROME1", "MONOCHROME2")
"""Photometric interpretations that differ in which end is white alone (PS3.3 C.7.6.3.1.2)."""


def check_header(header: Header, expected: Input) -> None:
    """Refuse, before anything is decoded, a frame that the bundle was not made for.

    What a format cannot say (the modality of a PNG, the bits of a floating array) is not checked; but a limit on the
    pixel spacing that cannot be checked is a refusal, and of DICOM presentation intent and intensity relationship, too.
    Raises ImageRefused naming what was given and what was expected.
    """
    wrong = [*_differences(header, expected), *_meaning(header, expected), *_spacing(header, expected)]
    if wrong:
        raise ImageRefused("; ".join(wrong))
    crop = expected.crop
    if crop and (header.rows < crop[0] or header.columns < crop[1]):
        raise ImageRefused(
            f"{header.rows} x {header.columns} pixels, expected at least {crop[0]} x {crop[1]} for the field in use"
        )


def _differences(header: Header, expected: Input) -> Iterator[str]:
    """What must be equal where both sides say it."""
    bits, container = expected.bits_stored, header.bits_stored is None
    pairs = {
        "modality": (header.modality, expected.modality),
        "rows": (header.rows, expected.rows),
        "columns": (header.columns, expected.columns),
        "bits stored": (header.bits_stored, bits),
        "bits allocated": (header.bits_allocated, _container_bits(bits)) if container else (None, None),
        "samples per pixel": (header.samples_per_pixel, expected.samples_per_pixel),
    }
    for name, (given, wanted) in pairs.items():
        if given is not None and wanted is not None and given != wanted:
            yield f"{name} {given}, expected {wanted}"


def _container_bits(bits_stored: int | None) -> int | None:
    return next((bits for bits in (8, 16, 32) if bits_stored is not None and bits >= bits_stored), None)


def _meaning(header: Header, expected: Input) -> Iterator[str]:
    """What the numbers stand for. Of an array that does not say, they are what the bundle expects."""
    have, want = header.photometric_interpretation, expected.photometric_interpretation
    if want is None and have == "MONOCHROME1":
        yield "photometric interpretation MONOCHROME1, and the bundle does not say which it expects"
    elif want is not None and have is not None and have != want and not {have, want} <= set(_TURNED):
        yield f"photometric interpretation {have}, expected {want}"
    elif _is_turned(header, expected) and _bits(header, expected) is None:
        yield f"photometric interpretation {have}, expected {want}, and values that are not whole have no range to turn"
    for name, given, wanted in (
        ("presentation intent type", header.presentation_intent_type, expected.presentation_intent_type),
        ("pixel intensity relationship", header.pixel_intensity_relationship, expected.pixel_intensity_relationship),
    ):
        if wanted is not None and given != wanted and (given is not None or header.modality is not None):
            yield f"{name} {given or 'not stated'}, expected {wanted}"


def _spacing(header: Header, expected: Input) -> Iterator[str]:
    within, spacing = expected.pixel_spacing, header.pixel_spacing
    if within is None:
        return
    limits = f"expected {within[0]:g} to {within[1]:g} mm"
    if spacing is None:
        yield f"pixel spacing unknown ({header.no_pixel_spacing}), {limits}"
    elif not within[0] <= spacing <= within[1]:
        yield f"pixel spacing {spacing:g} mm, {limits}"


def _is_turned(header: Header, expected: Input) -> bool:
    have, want = header.photometric_interpretation, expected.photometric_interpretation
    return have is not None and want is not None and have != want


def _bits(header: Header, expected: Input) -> int | None:
    """The significant bits of a sample: what the file says, else what the bundle does, else the container's."""
    if header.bits_allocated is None:
        return None
    return header.bits_stored or expected.bits_stored or header.bits_allocated


def vouched(array: Pixels, expected: Input) -> Frame:
    """Make a frame of an array [rows, columns] or [rows, columns, samples] whose maker vouches for what an array cannot
    state: it is what the bundle expects. Raises ImageRefused for other than numbers."""
    header = replace(
        array_header(array.shape, array.dtype),
        modality=expected.modality,
        photometric_interpretation=expected.photometric_interpretation,
        presentation_intent_type=expected.presentation_intent_type,
        pixel_intensity_relationship=expected.pixel_intensity_relationship,
        pixel_spacing=expected.pixel_spacing[0] if expected.pixel_spacing else None,
    )
    return Frame(header, array)


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
        values = _resized(values, expected.resize)
    values -= np.float32(expected.offset)
    values *= np.float32(expected.scale)
    if values.ndim == 3:
        values = np.ascontiguousarray(values.transpose(2, 0, 1))
    return values.reshape(1, -1, *values.shape[-2:])


def _resized(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """OpenCV takes at most four samples per pixel at a time."""
    if values.ndim == 3 and values.shape[2] > 4:
        return np.stack([_resized(sample, size) for sample in np.moveaxis(values, 2, 0)], axis=2)
    return np.asarray(cv2.resize(values, size[::-1], interpolation=cv2.INTER_AREA), dtype=np.float32)


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
    bits = _bits(frame.header, expected)
    if bits is None or not _is_turned(frame.header, expected):
        return None
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if frame.header.signed else (0, 2**bits - 1)
    ends = np.array([low, high], dtype=np.int64)
    if frame.modality_lut is not None:
        ends = frame.modality_lut(ends)
    return np.float32(ends.sum())
