"""A contrast-detail curve by decisions in cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve
from scipy.optimize import minimize, nnls
from scipy.special import expit, xlogy

from ..phantom import DIAMETERS_MM, THICKNESSES_UM
from .reading import Decisions

GUESSING = 0.25
"""Proportion of correct answers among four places without seeing anything."""
_KERNEL = np.outer([0.25, 0.5, 0.25], [0.25, 0.5, 0.25])
_LOG_THICKNESS = np.log(THICKNESSES_UM)


def contrast_detail_curve(decisions: Decisions, diameters: tuple[float, ...]) -> NDArray[np.float64]:
    """Threshold gold thickness in um at `diameters` (mm): float64 [len(diameters)].

    Decisions are smoothed over neighbouring cells; a psychometric curve is fitted to each diameter of
    the phantom, p = 0.25 + 0.75 / (1 + exp(-f (ln T - ln T_t))), where 62.5 % are right at T_t; and
    T_t = a + b/x + c/x^2 + d/x^3 over the diameters x, with coefficients that are not negative.
    """
    thresholds, known = psychometric_thresholds(decisions)
    x = np.array(DIAMETERS_MM)[known]
    # Relative residuals: every row is divided by its threshold.
    coefficients, _ = nnls(_powers(x) / thresholds[known, None], np.ones(known.sum()))
    return _powers(np.array(diameters)) @ coefficients


def psychometric_thresholds(decisions: Decisions) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Thresholds in um for each of the phantom's diameters, by maximum likelihood with one slope f for
    all of them; and where they lie among the thicknesses that the phantom has: float64 and bool [16]."""
    correct, trials = _smoothed(decisions)
    present = decisions.trials > 0

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        slope, at = np.exp(parameters[0]), parameters[1:, None]
        rise = expit(slope * (_LOG_THICKNESS - at))
        p = GUESSING + (1.0 - GUESSING) * rise
        likelihood = xlogy(correct, p) + xlogy(trials - correct, 1.0 - p)
        by_p = np.divide(correct, p) - np.divide(trials - correct, np.maximum(1.0 - p, 1e-12))
        by_argument = by_p * (1.0 - GUESSING) * rise * (1.0 - rise)
        by_slope = np.sum(by_argument * (_LOG_THICKNESS - at)) * slope
        return -likelihood.sum(), -np.concatenate([[by_slope], -slope * by_argument.sum(axis=1)])

    lowest = np.array([_LOG_THICKNESS[row].min() for row in present])
    highest = np.array([_LOG_THICKNESS[row].max() for row in present])
    start = np.concatenate([[np.log(3.0)], (lowest + highest) / 2])
    bounds = [(np.log(1.0), np.log(15.0)), *zip(lowest - 1.0, highest + 1.0, strict=True)]
    fitted = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x[1:]
    return np.exp(fitted), (fitted >= lowest) & (fitted <= highest)


def _smoothed(decisions: Decisions) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Proportions averaged over each cell's neighbours on the plate; trials as they are."""
    weight = convolve(decisions.trials, _KERNEL, mode="constant")
    share = convolve(decisions.correct, _KERNEL, mode="constant") / np.where(weight > 0, weight, 1.0)
    return share * decisions.trials, decisions.trials


def _powers(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([x**-power for power in range(4)], axis=1)
