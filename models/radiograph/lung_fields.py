"""The parts of a chest radiograph that the mass of maps is told by.

The published images come without masks of the lungs. Their central fields are taken to be two fixed ellipses, mirrored
about the middle column, placed by eye on the mean of the healthy children's radiographs. They are drawn small, so that
they lie on lung in most images, of adults too: much of the lungs (their apices, bases and outer parts) lies outside, a
turned or shifted chest has the left one partly on the heart, and nothing is said of single images. Mass inside says
that a map lies on lung; mass outside does not say that it does not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import SIDE
from .letters import place

CENTRE = (105.0, 42.0)
"""Row of the centres, and their distance from the middle column, in pixels."""
SEMI_AXES = (50.0, 18.0)
"""In pixels: along the ellipse, which is nearly upright, and across."""
TILT = np.deg2rad(16.0)
"""Between the long axis and the columns: the fields draw apart downwards."""
BORDER = 20
"""Pixels of the outer margin, where published pictures differ: letters, black bars, arms, how far they are cut."""


def lung_fields() -> NDArray[np.bool_]:
    """Give the pixels of the central lung fields, bool [SIDE, SIDE]."""
    row, column = np.mgrid[:SIDE, :SIDE] + 0.5
    down, outwards = row - CENTRE[0], np.abs(column - SIDE / 2) - CENTRE[1]
    along = down * np.cos(TILT) + outwards * np.sin(TILT)
    across = outwards * np.cos(TILT) - down * np.sin(TILT)
    return (along / SEMI_AXES[0]) ** 2 + (across / SEMI_AXES[1]) ** 2 <= 1.0


def outlines() -> list[NDArray[np.float64]]:
    """Give the outlines of both fields, closed lines of columns and rows, [2, n] each."""
    turn = np.linspace(0.0, 2.0 * np.pi, 121)
    along, across = SEMI_AXES[0] * np.cos(turn), SEMI_AXES[1] * np.sin(turn)
    rows = CENTRE[0] + along * np.cos(TILT) - across * np.sin(TILT)
    outwards = CENTRE[1] + along * np.sin(TILT) + across * np.cos(TILT)
    return [np.stack([SIDE / 2 + side * outwards, rows]) for side in (-1.0, 1.0)]


def parts() -> dict[str, NDArray[np.bool_]]:
    """Divide the image into masks, bool [SIDE, SIDE], of which each pixel belongs to one. The letters' place is a part
    of its own on images without letters, too: those tell what lies there anyway."""
    letters, lungs = place(), lung_fields()
    border = np.ones((SIDE, SIDE), bool)
    border[BORDER:-BORDER, BORDER:-BORDER] = False
    return {
        "central lung fields": lungs & ~letters,
        "rest within the margin": ~(lungs | border | letters),
        "outer margin": border & ~lungs & ~letters,
        "letters' place": letters,
    }
