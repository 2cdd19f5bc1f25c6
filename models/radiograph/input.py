"""One radiograph as the network's image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fisherlens.edge.bundle.manifest import Input
from fisherlens.edge.preprocess import preprocess
from fisherlens.edge.reading import Frame, open_image

from . import SIDE

INPUT = Input(resize=(SIDE, SIDE), scale=1.0 / 255.0)


def read(path: Path) -> NDArray[np.float32]:
    """Read a radiograph as the bundle's image, float32 [1, 1, SIDE, SIDE] in [0, 1].

    The published JPEG files have three components of grey content, of which the green one is taken: it is the luma but
    for rounding. Raises ImageError for what cannot be read.
    """
    frame = open_image(path).frame(0)
    pixels = frame.pixels[..., 1] if frame.pixels.ndim == 3 else frame.pixels
    return preprocess(Frame.of(pixels), INPUT)
