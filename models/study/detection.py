"""Measures of how well a score tells two sets of images apart, with confidence intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from fisherlens.edge.p_value import p_values
from fisherlens.export.checks.roc import area_under_roc

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Rate:
    """A share with its Clopper-Pearson interval at CONFIDENCE."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, flagged: NDArray[np.bool_]) -> Rate:
        """The share of images that are flagged, bool [n]."""
        test = binomtest(int(flagged.sum()), len(flagged)).proportion_ci(CONFIDENCE)
        return cls(float(flagged.mean()), float(test.low), float(test.high))


@dataclass(frozen=True)
class Auroc:
    """Area under the ROC curve with a normal interval at CONFIDENCE (Hanley & McNeil 1982, Radiology
    143, eq. 1)."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, usual: NDArray, unusual: NDArray) -> Auroc:
        """The area that tells unusual images, of scores [m], from usual ones, of scores [n]: larger for more unusual;
        ties count half."""
        n, m = len(usual), len(unusual)
        area = area_under_roc(usual, unusual)
        q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
        variance = (area * (1 - area) + (m - 1) * (q1 - area**2) + (n - 1) * (q2 - area**2)) / (n * m)
        half = 1.96 * np.sqrt(max(variance, 0.0))
        return cls(area, float(max(0.0, area - half)), float(min(1.0, area + half)))


def detected(calibration: NDArray, unusual: NDArray, alpha: float) -> Rate:
    """Share of scores whose p-value over the calibration's is at most alpha."""
    return Rate.of(p_values(calibration, unusual) <= alpha)
