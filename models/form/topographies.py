"""Random surface deviations: as polishing leaves them, and of other kinds that a network has not seen."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from .surface import GRID_MM, HALF_WIDTH_MM, SIZE, within_aperture

Topography = NDArray[np.float64]
"""float64 [SIZE, SIZE] in um, rows along y."""

PEAK_TO_VALLEY_UM = (0.3, 6.0)
CORRELATION_MM = (2.0, 7.0)

_PADDED = 2 * SIZE
_PITCH_MM = 2 * HALF_WIDTH_MM / SIZE


def smooth(rng: np.random.Generator) -> Topography:
    """A surface as polishing leaves it: two Gaussian random fields, of correlation lengths drawn from
    CORRELATION_MM, with a peak-to-valley height from PEAK_TO_VALLEY_UM, both log-uniform."""
    lengths = np.exp(rng.uniform(np.log(CORRELATION_MM[0]), np.log(CORRELATION_MM[1]), 2))
    share = rng.uniform(0.2, 0.8)
    field = share * _random_field(rng, lengths[0]) + (1.0 - share) * _random_field(rng, lengths[1])
    return _scaled(field, rng)


def turned(rng: np.random.Generator) -> Topography:
    """Marks of diamond turning: rings about the axis with a period of 1.2 to 2 mm, 30 to 200 nm high."""
    x, y = np.meshgrid(GRID_MM, GRID_MM)
    x, y = x - rng.normal(0.0, 0.5), y - rng.normal(0.0, 0.5)
    rings = np.cos(2 * np.pi * np.hypot(x, y) / rng.uniform(1.2, 2.0) + rng.uniform(0, 2 * np.pi))
    return rings / 2 * np.exp(rng.uniform(*np.log((0.03, 0.2))))


def pitted(rng: np.random.Generator, shallowest: float, deepest: float) -> Topography:
    """A smooth surface with five to fifteen pits or bumps, 0.4 to 0.8 mm wide, of depths in um."""
    field = smooth(rng)
    x, y = np.meshgrid(GRID_MM, GRID_MM)
    for _ in range(rng.integers(5, 16)):
        at_x, at_y, width, depth = *rng.uniform(-7, 7, 2), rng.uniform(0.4, 0.8), rng.uniform(shallowest, deepest)
        field = field + rng.choice([-1, 1]) * depth * np.exp(-((x - at_x) ** 2 + (y - at_y) ** 2) / width**2)
    return field


def astigmatic(rng: np.random.Generator) -> Topography:
    """A surface of nothing but low orders, far higher than usual: astigmatism, coma and trefoil, 8 to 15 um."""
    x, y = np.meshgrid(GRID_MM / GRID_MM.max(), GRID_MM / GRID_MM.max())
    z = x + 1j * y
    shapes = [z**2, (3 * np.abs(z) ** 2 - 2) * z, z**3]
    field = sum(
        (a * np.exp(1j * p) * s).real for a, p, s in zip((1, 0.5, 0.5), rng.uniform(0, 7, 3), shapes, strict=True)
    )
    return field / np.ptp(field[within_aperture()]) * rng.uniform(8.0, 15.0)


OTHER_KINDS: dict[str, Callable[[np.random.Generator], Topography]] = {
    "turning marks": turned,
    "pits": partial(pitted, shallowest=0.05, deepest=0.2),
    "deep pits": partial(pitted, shallowest=0.2, deepest=0.6),
    "low orders, 8 to 15 um": astigmatic,
}


def _random_field(rng: np.random.Generator, length: float) -> Topography:
    """A stationary Gaussian field with correlation exp(-(r/length)^2), of unit variance."""
    noise = scipy.fft.rfft2(rng.standard_normal((_PADDED, _PADDED)))
    fy, fx = scipy.fft.fftfreq(_PADDED, _PITCH_MM), scipy.fft.rfftfreq(_PADDED, _PITCH_MM)
    # White noise filtered by g has the correlation g * g: half the width, squared.
    field = scipy.fft.irfft2(noise * np.exp(-((np.pi * length) ** 2) / 2 * (fy[:, None] ** 2 + fx**2)))
    return field[:SIZE, :SIZE] / field.std()


def _scaled(field: Topography, rng: np.random.Generator) -> Topography:
    height = np.exp(rng.uniform(*np.log(PEAK_TO_VALLEY_UM)))
    return field / np.ptp(field[within_aperture()]) * height
