"""The modality LUT (PS3.3 C.11.1): from stored values to what they stand for, of each frame its own."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels import apply_modality_lut

from ...errors import ImageRefused
from ..frame import Header, Pixels
from .attributes import Attributes


def modality_lut_of(attributes: Attributes, header: Header) -> Callable[[Pixels], Pixels] | None:
    """Make rescale slope and intercept, or the modality LUT sequence, a function; None where they change nothing.

    Raises ImageRefused for values that are no numbers, a slope of 0, and colours that would be rescaled.
    """
    table = "ModalityLUTSequence" in attributes.elements
    slope, intercept = _number(attributes, "RescaleSlope", 1.0), _number(attributes, "RescaleIntercept", 0.0)
    if slope == 0:
        raise ImageRefused("RescaleSlope 0, expected another number")
    if not table and (slope, intercept) == (1.0, 0.0):
        return None
    if header.photometric_interpretation == "RGB":
        what = "ModalityLUTSequence" if table else f"RescaleSlope {slope:g} and RescaleIntercept {intercept:g}"
        raise ImageRefused(f"{what} with colours, expected none")
    if table:
        return lambda pixels: _looked_up(pixels, attributes.elements)
    with np.errstate(over="ignore"):
        factor, summand = np.float32(slope), np.float32(intercept)
    return lambda pixels: pixels * factor + summand


def _looked_up(pixels: Pixels, elements: Dataset) -> Pixels:
    try:
        return apply_modality_lut(pixels, elements)
    except Exception:  # a table may lack anything
        raise ImageRefused("ModalityLUTSequence lacks a usable descriptor or data") from None


def _number(attributes: Attributes, keyword: str, default: float) -> float:
    value = attributes.number(keyword)
    return default if value is None else value
