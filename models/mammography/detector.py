"""The flat panel: its resolution, its noise, and its defects."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

BITS_STORED = 14
PANEL_MM = (300.0, 240.0)
"""The panel's sides, along its rows' direction of counting and along its columns'."""


@dataclass(frozen=True)
class Transfer:
    """A transfer function of spatial frequency f in 1/mm, one at f = 0 and one half at f = `half`:

        (1 + (2^(1/steepness) - 1) (f/half)^order)^-steepness

    With steepness 1 it is 1 / (1 + (f/half)^order), the scintillator's for order 2 (Siewerdsen et al.
    1997, Med. Phys. 24). In the limit of infinite steepness it is 2^-(f/half)^order: for order 2 a
    Gaussian, for order 1 the exponential of storage phosphors' stray light.
    """

    half: float
    order: float = 2.0
    steepness: float = 1.0

    def __call__(self, frequency: NDArray) -> NDArray:
        relative = (frequency / self.half) ** self.order
        if math.isinf(self.steepness):
            return np.exp2(-relative)
        return (1.0 + math.expm1(math.log(2.0) / self.steepness) * relative) ** -self.steepness


@dataclass(frozen=True)
class Detector:
    """A flat-panel detector.

    pixel_spacing: in mm.
    quantum_efficiency: share of quanta that are counted, 0 to 1.
    mtf: what the converter does to the signal, without the pixel's aperture.
    noise_transfer: what it does to the quanta's noise. Equal to `mtf` in an ideal scintillator; wider
        where light comes from different depths (Lubberts 1968, J. Opt. Soc. Am. 58), and one where
        every quantum is counted in one pixel (`None`).
    gain: stored value per counted quantum.
    electronic_noise: standard deviation per pixel, in counted quanta.
    fixed_pattern: relative standard deviation per pixel of the gain left after flat-fielding.
    dead_pixels, dead_lines: how many on the whole panel, reading zero.
    seed: draws the gain map and the places of the defects, which a panel keeps between exposures.
    """

    pixel_spacing: float = 0.1
    quantum_efficiency: float = 0.7
    mtf: Transfer = field(default=Transfer(4.5))
    noise_transfer: Transfer | None = field(default=Transfer(4.5))
    gain: float = 1.2
    electronic_noise: float = 6.0
    fixed_pattern: float = 0.002
    dead_pixels: int = 10
    dead_lines: int = 0
    seed: int = 0

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the whole panel."""
        rows, columns = (round(side / self.pixel_spacing) for side in PANEL_MM)
        return rows, columns
