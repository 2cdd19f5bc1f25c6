"""Letters burnt into radiographs, at a place that is known.

Published pictures of the children have letters: often A-P and R in the upper left corner of the ill, a smaller R at the
left border, further down, of the healthy. A network can learn the classes by them.
"""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.font_manager import findfont
from matplotlib.ft2font import FT2Font
from numpy.typing import NDArray
from torch import Tensor

from . import SIDE

LINES = {"A-P": (2, 3), "R": (20, 3)}
"""Texts, and the row and column of their upper left corners."""
SIZE = 16
"""Of the font, in pixels."""
BRIGHTNESS = 0.9
MARGIN = 2
"""Pixels about a text that count as its place: there the letters' edges reach what a convolution reads."""


def burnt_in(images: Tensor) -> Tensor:
    """Draw LINES into each of the images, float32 [n, 1, SIDE, SIDE]."""
    ink, _ = _drawn()
    opacity = torch.from_numpy(ink)
    return images * (1.0 - opacity) + BRIGHTNESS * opacity


def place() -> NDArray[np.bool_]:
    """Give the pixels that belong to the letters: rectangles about the texts, bool [SIDE, SIDE]."""
    return _drawn()[1]


def _drawn() -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Opacity of the letters in [0, 1], and their place."""
    ink, taken = np.zeros((SIDE, SIDE), np.float32), np.zeros((SIDE, SIDE), bool)
    font = FT2Font(findfont("DejaVu Sans"))
    font.set_size(SIZE, 72)
    for text, (top, left) in LINES.items():
        font.set_text(text)
        font.draw_glyphs_to_bitmap()
        letters = np.asarray(font.get_image(), np.float32) / 255.0
        bottom, right = top + letters.shape[0], left + letters.shape[1]
        ink[top:bottom, left:right] = letters
        taken[max(0, top - MARGIN) : bottom + MARGIN, max(0, left - MARGIN) : right + MARGIN] = True
    return ink, taken
