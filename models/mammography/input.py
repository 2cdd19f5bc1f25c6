"""The images that the networks take, and the graph's image of them as the device makes it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from fisherlens.edge.bundle.manifest import Input
from fisherlens.edge.preprocess import preprocess, vouched

from .detector import BITS_STORED
from .population import FIELD, PIXEL_SPACING_MM

INPUT = Input(
    modality="MG",
    bits_stored=BITS_STORED,
    pixel_spacing=PIXEL_SPACING_MM,
    photometric_interpretation="MONOCHROME1",
    presentation_intent_type="FOR PROCESSING",
    pixel_intensity_relationship="LIN",
    crop=(FIELD, FIELD),
    scale=2.0**-BITS_STORED,
)


def image_reader(stored: NDArray[np.uint16]) -> Callable[[], NDArray[np.float32]]:
    """A function that makes the graph's image, float32 [1, 1, FIELD, FIELD], of stored values [rows, columns]
    each time it is called: an export reads many images more than once, and memory does not hold them all."""
    return lambda: preprocess(vouched(stored, INPUT), INPUT)
