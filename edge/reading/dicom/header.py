"""The header of a frame, of its attributes."""

from __future__ import annotations

import math

from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    DigitalIntraOralXRayImageStorageForPresentation,
    DigitalIntraOralXRayImageStorageForProcessing,
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalMammographyXRayImageStorageForProcessing,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLSNearLossless,
)

from ...errors import ImageRefused
from ..frame import Header
from .attributes import Attributes
from .data_set import DataSet
from .image_pixel import MONOCHROME, PALETTE, ImagePixel
from .palette import palette_of

_LOSSY = (JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless, JPEG2000, HTJ2K)
"""Transfer syntaxes that may lose: what they hold is said to, where LossyImageCompression says nothing else."""
_INTENTS: dict[UID | str, str] = {
    DigitalXRayImageStorageForPresentation: "FOR PRESENTATION",
    DigitalXRayImageStorageForProcessing: "FOR PROCESSING",
    DigitalMammographyXRayImageStorageForPresentation: "FOR PRESENTATION",
    DigitalMammographyXRayImageStorageForProcessing: "FOR PROCESSING",
    DigitalIntraOralXRayImageStorageForPresentation: "FOR PRESENTATION",
    DigitalIntraOralXRayImageStorageForProcessing: "FOR PROCESSING",
}
"""The presentation intent type that a SOP class stands for (PS3.3 C.8.11.1), where the attribute is absent."""
_SQUARE = 0.01
"""Relative difference up to which the sides of a pixel count as equal: they are rounded in decimal strings."""


def header_of(attributes: Attributes, stored: ImagePixel, data_set: DataSet) -> Header:
    """Make the header of the frame that attributes hold for: as its pixels are once they are decoded, a palette's and
    all other colours RGB. Raises ImageRefused for values that cannot be read."""
    grey = stored.photometric_interpretation in MONOCHROME
    bits_allocated, bits_stored = _bits(attributes, stored)
    spacing, unknown = _pixel_spacing(attributes)
    intent = attributes.text("PresentationIntentType") or _INTENTS.get(attributes.text("SOPClassUID") or "")
    return Header(
        rows=stored.rows,
        columns=stored.columns,
        samples_per_pixel=1 if grey else 3,
        frames=stored.frames,
        bits_allocated=bits_allocated,
        bits_stored=bits_stored,
        signed=bool(stored.pixel_representation) and grey,
        modality=attributes.text("Modality") or "none",
        photometric_interpretation=stored.photometric_interpretation if grey else "RGB",
        pixel_spacing=spacing,
        no_pixel_spacing=unknown,
        presentation_intent_type=intent,
        pixel_intensity_relationship=attributes.text("PixelIntensityRelationship"),
        lossy_image_compression=_lossy(attributes, data_set.transfer_syntax),
    )


def _bits(attributes: Attributes, stored: ImagePixel) -> tuple[int | None, int | None]:
    if stored.is_float:
        return None, None
    if stored.photometric_interpretation == PALETTE:
        _, _, bits = palette_of(attributes)
        return bits, bits
    return stored.bits_allocated, stored.bits_stored


def _pixel_spacing(attributes: Attributes) -> tuple[float | None, str]:
    """The spacing on the detector where it is told (ImagerPixelSpacing, PS3.3 10.7.1.3), else PixelSpacing; or why
    neither can be used."""
    reasons = []
    for keyword in ("ImagerPixelSpacing", "PixelSpacing"):
        try:
            return _side(attributes, keyword), ""
        except ImageRefused as refusal:
            reasons.append(str(refusal))
    return None, "; ".join(reasons)


def _side(attributes: Attributes, keyword: str) -> float:
    sides = attributes.numbers(keyword)
    if not sides:
        raise ImageRefused(f"no {keyword}")
    if len(sides) != 2:
        raise ImageRefused(f"{keyword} has {len(sides)} values, expected two")
    if min(sides) <= 0:
        raise ImageRefused(f"{keyword} {sides[0]:g} x {sides[1]:g} mm, expected positive numbers")
    if max(sides) > (1 + _SQUARE) * min(sides):
        raise ImageRefused(f"{keyword} {sides[0]:g} x {sides[1]:g} mm, expected square pixels")
    return math.sqrt(sides[0] * sides[1])


def _lossy(attributes: Attributes, syntax: UID) -> bool | None:
    stated = {"00": False, "01": True}.get(attributes.text("LossyImageCompression") or "")
    return True if syntax in _LOSSY and stated is None else stated
