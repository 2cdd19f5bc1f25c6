"""One exposure of the phantom: beam, scatter, quantum noise, detector, and its defects."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from .detector import BITS_STORED, PANEL_MM, Detector
from .phantom import PLATE_MM, Phantom, Pose, Region

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
class Exposure:
    """The settings of one exposure.

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


def central(detector: Detector, rows: int, columns: int) -> Region:
    """The region of that size in the middle of the detector."""
    all_rows, all_columns = detector.shape
    return Region((all_rows - rows) // 2, (all_columns - columns) // 2, rows, columns)


def acquire(
    phantom: Phantom | None,
    exposure: Exposure,
    detector: Detector,
    rng: np.random.Generator,
    region: Region | None = None,
) -> NDArray[np.uint16]:
    """Simulate one image, or only a `region` of it: uint16 [rows, columns], 14 bits used.

    `phantom` None leaves the plate's place empty (a flat field). Quanta are Poisson distributed
    where they are absorbed; the converter then spreads their signal and, perhaps less, their noise,
    which is therefore correlated as in a real image; electronic noise, gain map and defects follow.
    Aliasing of the converter's response beyond the Nyquist frequency is neglected.
    """
    region = region or Region(0, 0, *detector.shape)
    wide = _with_margin(region)
    expected = expected_quanta(phantom, exposure, detector, wide)
    return develop(expected, detector, rng, wide, region)


def develop(
    expected: NDArray[np.float32], detector: Detector, rng: np.random.Generator, wide: Region, region: Region
) -> NDArray[np.uint16]:
    """Draw the random part of an exposure: from quanta expected in `wide`, a region round `region`, to the values that
    the detector stores of `region`, uint16 [rows, columns]."""
    noise = rng.poisson(expected).astype(np.float32) - expected
    light = _transferred(expected, noise, detector)[_inner(wide, region)]
    light += rng.standard_normal(light.shape, dtype=np.float32) * np.float32(detector.electronic_noise)
    values = light * _gain_map(detector, region) * np.float32(detector.gain)
    _kill(values, detector, region)
    return np.clip(np.rint(values), 0, 2**BITS_STORED - 1).astype(np.uint16)


def expected_quanta(
    phantom: Phantom | None, exposure: Exposure, detector: Detector, region: Region
) -> NDArray[np.float32]:
    """Mean number of quanta that are counted in each pixel of a region: float32 [rows, columns]."""
    rows, columns = detector.shape
    pixel = detector.pixel_spacing
    x = (np.arange(region.column, region.column + region.columns) + 0.5 - columns / 2) * pixel
    y = (np.arange(region.row, region.row + region.rows) + 0.5 - rows / 2) * pixel
    primary: NDArray[np.float32] = np.ones((region.rows, region.columns), np.float32)
    if phantom is not None:
        primary = phantom.transmission(exposure.pose, GOLD_ATTENUATION_PER_UM, pixel, detector.shape, region)
        primary *= _beside_plate(exposure.pose, x, y)
    heel = 1.0 - exposure.heel * (x / PANEL_MM[1])
    level = quanta_per_mm2(exposure, detector) * pixel**2
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


def _transferred(signal: NDArray[np.float32], noise: NDArray[np.float32], detector: Detector) -> NDArray[np.float32]:
    """The converter's output: signal and noise, each through its own transfer function."""
    fy = scipy.fft.fftfreq(signal.shape[0], detector.pixel_spacing)[:, None]
    fx = scipy.fft.rfftfreq(signal.shape[1], detector.pixel_spacing)[None, :]
    f = np.hypot(fy, fx).astype(np.float32)
    if detector.noise_transfer == detector.mtf:
        return scipy.fft.irfft2(scipy.fft.rfft2(signal + noise) * detector.mtf(f), s=signal.shape)
    if detector.noise_transfer is None:
        return scipy.fft.irfft2(scipy.fft.rfft2(signal) * detector.mtf(f), s=signal.shape) + noise
    spectrum = scipy.fft.rfft2(signal) * detector.mtf(f)
    spectrum += scipy.fft.rfft2(noise) * detector.noise_transfer(f)
    return scipy.fft.irfft2(spectrum, s=signal.shape)


def _gain_map(detector: Detector, region: Region) -> NDArray[np.float32]:
    """The panel's relative gain: the same for the same seed and region."""
    rng = np.random.default_rng([detector.seed, region.row, region.column])
    pattern = rng.standard_normal((region.rows, region.columns), dtype=np.float32)
    return 1.0 + np.float32(detector.fixed_pattern) * pattern


def _kill(values: NDArray[np.float32], detector: Detector, region: Region) -> None:
    rng = np.random.default_rng([detector.seed, 1])
    all_rows, all_columns = detector.shape
    rows = rng.integers(0, all_rows, detector.dead_pixels)
    columns = rng.integers(0, all_columns, detector.dead_pixels)
    rows, columns = rows - region.row, columns - region.column
    seen = (rows >= 0) & (rows < region.rows) & (columns >= 0) & (columns < region.columns)
    values[rows[seen], columns[seen]] = 0.0
    lines = rng.integers(0, all_columns, detector.dead_lines) - region.column
    values[:, lines[(lines >= 0) & (lines < region.columns)]] = 0.0
