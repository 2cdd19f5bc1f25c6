"""One exposure of the phantom: beam, scatter, quantum noise, detector, and its defects."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from .phantom import PLATE_MM, Phantom, Pose, Region

ROWS, COLUMNS = 3000, 2400
PIXEL_SPACING_MM = 0.1
BITS_STORED = 14

# Stated beam quality: W/Rh at 29 kV behind 50 mm PMMA, described by its effective energy of
# 20 keV. NIST XCOM / Hubbell & Seltzer at 20 keV: gold mu/rho = 78.83 cm2/g, density 19.32 g/cm3.
BEAM_ENERGY_KEV = 20.0
GOLD_ATTENUATION_PER_UM = 78.83 * 19.32 * 1e-4

# Quanta per mm2 and uGy of air kerma: 1 / (E mu_en/rho), mu_en/rho of air = 0.5389 cm2/g at 20 keV.
QUANTA_PER_MM2_UGY = 1e-12 / (BEAM_ENERGY_KEV * 1.602177e-16 * 0.05389)

# The 0.5 mm aluminium plate, mu/rho = 3.441 cm2/g at 20 keV, density 2.699 g/cm3: the air kerma of
# an exposure is stated behind it, so what lies beside the plate is brighter by its inverse.
_PLATE_TRANSMISSION = float(np.exp(-3.441 * 2.699 * 0.05))


@dataclass(frozen=True)
class Detector:
    """A flat-panel detector with a scintillator.

    quantum_efficiency: share of quanta that are counted, 0 to 1.
    blur: H in mm2 of the scintillator's MTF 1/(1 + H f2) (Siewerdsen et al. 1997, Med. Phys. 24).
    gain: stored value per counted quantum.
    electronic_noise: standard deviation per pixel, in counted quanta.
    fixed_pattern: relative standard deviation per pixel of the gain left after flat-fielding.
    dead_pixels, dead_lines: how many on the whole panel, reading zero.
    seed: draws the gain map and the places of the defects, which a panel keeps between exposures.
    """

    quantum_efficiency: float = 0.7
    blur: float = 0.05
    gain: float = 1.6
    electronic_noise: float = 6.0
    fixed_pattern: float = 0.002
    dead_pixels: int = 10
    dead_lines: int = 0
    seed: int = 0


@dataclass(frozen=True)
class Exposure:
    """How one image is taken.

    air_kerma: at the detector behind the phantom, in uGy.
    scatter_fraction: share of scattered quanta in all that are counted, 0 to 1.
    heel: relative fall of the fluence from the chest wall to the far edge of the field.
    """

    air_kerma: float = 100.0
    scatter_fraction: float = 0.2
    heel: float = 0.05
    pose: Pose = field(default_factory=Pose)


def quanta_per_mm2(exposure: Exposure, detector: Detector) -> float:
    """Counted quanta per mm2 in the middle of the field, outside gold."""
    return exposure.air_kerma * QUANTA_PER_MM2_UGY * detector.quantum_efficiency


def scintillator_mtf(frequency: NDArray[np.float64], blur: float) -> NDArray[np.float64]:
    """MTF of the scintillator at spatial frequencies in 1/mm; `blur` in mm2."""
    return 1.0 / (1.0 + blur * frequency**2)


def central(rows: int, columns: int) -> Region:
    """The region of that size in the middle of the detector."""
    return Region((ROWS - rows) // 2, (COLUMNS - columns) // 2, rows, columns)


def acquire(
    phantom: Phantom | None,
    exposure: Exposure,
    detector: Detector,
    rng: np.random.Generator,
    region: Region | None = None,
) -> NDArray[np.uint16]:
    """Simulate one image, or only a `region` of it: uint16 [rows, columns], 14 bits used.

    `phantom` None leaves the plate's place empty (a flat field). Quanta are Poisson distributed
    where they are absorbed; the scintillator then spreads their light, so noise is correlated as in
    a real image; electronic noise, gain map and defects follow. Aliasing of the scintillator's
    response beyond the Nyquist frequency is neglected.
    """
    region = region or Region(0, 0, ROWS, COLUMNS)
    wide = _with_margin(region)
    quanta = rng.poisson(_expected_quanta(phantom, exposure, detector, wide)).astype(np.float32)
    light = _blurred(quanta, detector.blur)[_inner(wide, region)]
    light += rng.normal(0.0, detector.electronic_noise, light.shape).astype(np.float32)
    values = light * _gain_map(detector, region) * np.float32(detector.gain)
    _kill(values, detector, region)
    return np.clip(np.rint(values), 0, 2**BITS_STORED - 1).astype(np.uint16)


def _expected_quanta(
    phantom: Phantom | None, exposure: Exposure, detector: Detector, region: Region
) -> NDArray[np.float32]:
    x = (np.arange(region.column, region.column + region.columns) + 0.5 - COLUMNS / 2) * PIXEL_SPACING_MM
    y = (np.arange(region.row, region.row + region.rows) + 0.5 - ROWS / 2) * PIXEL_SPACING_MM
    primary: NDArray[np.float32] = np.ones((region.rows, region.columns), np.float32)
    if phantom is not None:
        primary = phantom.transmission(
            exposure.pose, GOLD_ATTENUATION_PER_UM, PIXEL_SPACING_MM, (ROWS, COLUMNS), region
        )
        primary *= _beside_plate(exposure.pose, x, y)
    heel = 1.0 - exposure.heel * (x / (COLUMNS * PIXEL_SPACING_MM))
    level = quanta_per_mm2(exposure, detector) * PIXEL_SPACING_MM**2
    share = exposure.scatter_fraction
    return (level * heel[None, :] * ((1.0 - share) * primary + share)).astype(np.float32)


def _beside_plate(pose: Pose, x: NDArray, y: NDArray) -> NDArray[np.float32]:
    """Fluence relative to that behind the plate: 1 under it, more beside it."""
    half_height, half_width = (side / 2 * pose.magnification for side in PLATE_MM)
    under = (np.abs(x - pose.x) <= half_width)[None, :] & (np.abs(y - pose.y) <= half_height)[:, None]
    return np.where(under, np.float32(1.0), np.float32(1.0 / _PLATE_TRANSMISSION))


_MARGIN = 16


def _with_margin(region: Region) -> Region:
    """A wider region, so that light comes in over the borders and the Fourier transform's wrapping
    stays outside; sides are rounded up to a fast length."""
    rows = scipy.fft.next_fast_len(region.rows + 2 * _MARGIN, real=True)
    columns = scipy.fft.next_fast_len(region.columns + 2 * _MARGIN, real=True)
    return Region(region.row - _MARGIN, region.column - _MARGIN, rows, columns)


def _inner(wide: Region, region: Region) -> tuple[slice, slice]:
    top, left = region.row - wide.row, region.column - wide.column
    return slice(top, top + region.rows), slice(left, left + region.columns)


def _blurred(quanta: NDArray[np.float32], blur: float) -> NDArray[np.float32]:
    fy = scipy.fft.fftfreq(quanta.shape[0], PIXEL_SPACING_MM)[:, None]
    fx = scipy.fft.rfftfreq(quanta.shape[1], PIXEL_SPACING_MM)[None, :]
    mtf = scintillator_mtf(np.hypot(fy, fx), blur).astype(np.float32)
    return scipy.fft.irfft2(scipy.fft.rfft2(quanta) * mtf, s=quanta.shape)


def _gain_map(detector: Detector, region: Region) -> NDArray[np.float32]:
    """The panel's relative gain: the same for the same seed and region."""
    rng = np.random.default_rng([detector.seed, region.row, region.column])
    pattern = rng.standard_normal((region.rows, region.columns), dtype=np.float32)
    return 1.0 + np.float32(detector.fixed_pattern) * pattern


def _kill(values: NDArray[np.float32], detector: Detector, region: Region) -> None:
    rng = np.random.default_rng([detector.seed, 1])
    rows, columns = rng.integers(0, ROWS, detector.dead_pixels), rng.integers(0, COLUMNS, detector.dead_pixels)
    rows, columns = rows - region.row, columns - region.column
    seen = (rows >= 0) & (rows < region.rows) & (columns >= 0) & (columns < region.columns)
    values[rows[seen], columns[seen]] = 0.0
    lines = rng.integers(0, COLUMNS, detector.dead_lines) - region.column
    values[:, lines[(lines >= 0) & (lines < region.columns)]] = 0.0
