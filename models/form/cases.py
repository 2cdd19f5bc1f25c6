"""Measurements to try the networks on: usual ones, noisier ones, and ones of kinds that they have not seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from .interferometer import SOURCES_MM, Instrument, Misalignment
from .population import Measurement, usual
from .topographies import OTHER_KINDS, Topography

NOISY_UM = 0.03
"""Four times the largest usual noise."""
MISCALIBRATED_UM = 1.0
"""Ten times the usual error of the sources' places."""


def noisy(number: int) -> Measurement:
    """The usual measurement of that number with four times the largest usual noise."""
    return replace(usual(number, "noisy"), noise=NOISY_UM)


def misaligned(number: int) -> Measurement:
    """The usual measurement of that number, five times as far from its nominal place."""
    taken = usual(number, "misaligned")
    x, y, z = (5 * shift for shift in taken.misalignment.shift)
    about_x, about_y = (5 * tilt for tilt in taken.misalignment.tilt)
    return replace(taken, misalignment=Misalignment((x, y, z), (about_x, about_y)))


def miscalibrated(number: int) -> Measurement:
    """The usual measurement of that number by an instrument whose sources are not where its calibration has them."""
    rng = np.random.default_rng([number, 7])
    errors = rng.normal(0.0, MISCALIBRATED_UM, (len(SOURCES_MM), 3))
    return replace(usual(number, "miscalibrated"), instrument=Instrument(errors))


def of_kind(make: Callable[[np.random.Generator], Topography]) -> Callable[[int], Measurement]:
    """A function that makes the usual measurement of a number, but of a surface of another kind."""
    return lambda number: replace(usual(number, "other kinds"), topography=make(np.random.default_rng([number, 11])))


CASES: dict[str, Callable[[int], Measurement]] = {
    "usual": lambda number: usual(number, "evaluation"),
    "noise of 30 nm": noisy,
    "misaligned, five times": misaligned,
    "instrument out of calibration, 1 µm": miscalibrated,
    **{f"surface: {name}": of_kind(make) for name, make in OTHER_KINDS.items()},
}
