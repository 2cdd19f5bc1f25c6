"""A flat panel in time: what it reads of one exposure depends on its condition and on the exposure before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from fisherlens.models.mammography.acquisition import Exposure, central, develop, expected_quanta
from fisherlens.models.mammography.detector import BITS_STORED, Detector
from fisherlens.models.mammography.observer import threshold_thickness
from fisherlens.models.mammography.phantom import Phantom, Region

_MARGIN = 16
_BLADE_TRANSMISSION = 0.002
_MOTION_STEPS = 5


@dataclass(frozen=True)
class Condition:
    """What is wrong with a panel, or with how it is used; the defaults are a healthy one.

    lag: share of the last frame's signal that is read again with the next one.
    gain_drift: largest relative change of gain over the field since the panel was calibrated.
    dead_lines: columns that read zero, on the whole panel; those that a smaller number has stay dead.
    capacity: stored value at which pixels are full.
    motion_mm: by which the phantom moves along the rows while it is exposed.
    collimation_mm: by which a collimator blade reaches into the field that is read.
    bits: bits of the converter, while the header goes on saying what the panel was made with.
    """

    lag: float = 0.0
    gain_drift: float = 0.0
    dead_lines: int = 0
    capacity: int = 2**BITS_STORED - 1
    motion_mm: float = 0.0
    collimation_mm: float = 0.0
    bits: int = BITS_STORED


HEALTHY = Condition()


class Panel:
    """One panel with one phantom before it. rows, columns: of the central field that is read out."""

    def __init__(self, detector: Detector, phantom: Phantom, rows: int, columns: int, seed: int) -> None:
        self.detector, self.phantom = detector, phantom
        self._region = central(detector, rows, columns)
        self._rng = np.random.default_rng(seed)
        self._last: NDArray[np.float32] | None = None
        self._expected = lru_cache(maxsize=24)(self._simulated)
        self._drift = _smooth_pattern(self._region, np.random.default_rng([detector.seed, 2]))

    def read(self, exposure: Exposure, condition: Condition = HEALTHY) -> NDArray[np.uint16]:
        """What is stored of one exposure: uint16 [rows, columns]."""
        detector = replace(self.detector, dead_lines=condition.dead_lines)
        expected = self._expected(exposure, condition.motion_mm)
        if condition.collimation_mm:
            expected = self._behind_blade(expected, condition.collimation_mm)
        wide = _widened(self._region)
        values = develop(expected, detector, self._rng, wide, self._region).astype(np.float32)
        if self._last is not None:
            values += np.float32(condition.lag) * self._last
        values *= 1.0 + np.float32(condition.gain_drift) * self._drift
        self._last = values
        stored = np.clip(np.rint(values), 0, condition.capacity).astype(np.uint16)
        return stored >> np.uint16(BITS_STORED - condition.bits)

    def thresholds(self, exposure: Exposure) -> NDArray[np.float64]:
        """True threshold gold thicknesses of the healthy panel at this exposure, in um: float64 [5]."""
        return threshold_thickness(exposure, self.detector)

    def _simulated(self, exposure: Exposure, motion_mm: float) -> NDArray[np.float32]:
        """Mean quanta, averaged over the places where the phantom is while it moves."""
        shifts = np.linspace(-motion_mm / 2, motion_mm / 2, _MOTION_STEPS) if motion_mm else [0.0]
        wide = _widened(self._region)
        total = np.zeros((wide.rows, wide.columns), np.float32)
        for shift in shifts:
            moved = replace(exposure, pose=replace(exposure.pose, x=exposure.pose.x + float(shift)))
            total += expected_quanta(self.phantom, moved, self.detector, wide)
        return total / np.float32(len(shifts))

    def _behind_blade(self, expected: NDArray[np.float32], millimetres: float) -> NDArray[np.float32]:
        shadowed = expected.copy()
        columns = round(millimetres / self.detector.pixel_spacing) + (
            self._region.column - _widened(self._region).column
        )
        shadowed[:, :columns] *= np.float32(_BLADE_TRANSMISSION)
        return shadowed


def _widened(region: Region) -> Region:
    """With a margin, as `develop` needs it, up to a length that is fast to transform."""
    rows = scipy.fft.next_fast_len(region.rows + 2 * _MARGIN, real=True)
    columns = scipy.fft.next_fast_len(region.columns + 2 * _MARGIN, real=True)
    return Region(region.row - _MARGIN, region.column - _MARGIN, rows, columns)


def _smooth_pattern(region: Region, rng: np.random.Generator) -> NDArray[np.float32]:
    """A pattern without detail, between -1 and 1: what warming does to a panel's gain."""
    spectrum = rng.standard_normal((4, 4)) / (1.0 + np.add.outer(np.arange(4), np.arange(4)))
    spectrum[0, 0] = 0.0
    padded = np.zeros((region.rows, region.columns), np.float32)
    padded[:4, :4] = spectrum
    pattern = scipy.fft.idctn(padded, norm="ortho").astype(np.float32)
    return pattern / np.abs(pattern).max()
