"""Figures with their intervals, of images of which several are of one patient and depend on each other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

CONFIDENCE = 0.95
DRAWS = 2000


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval at CONFIDENCE."""

    value: float
    low: float
    high: float


def share(hits: NDArray[np.bool_], patients: NDArray) -> Estimate:
    """Estimate the share of images that are hit, bool [n], of patients [n], with a Clopper-Pearson interval for as many
    independent images as have the variance that the patients' shares show (Korn and Graubard 1998, Survey Methodology
    24, 193-201), which are at most n; as many as patients, where all images are alike. With one image a patient this is
    the Clopper-Pearson interval itself."""
    value = float(hits.mean())
    _, of = np.unique(patients, return_inverse=True)
    residuals = np.bincount(of, hits) - value * np.bincount(of)
    variance = float(np.sum(residuals**2)) / len(hits) ** 2
    count = min(value * (1 - value) / variance, len(hits)) if 0 < value < 1 else of.max() + 1
    tail, hit = (1 - CONFIDENCE) / 2, value * count
    low = float(beta.ppf(tail, hit, count - hit + 1)) if value > 0 else 0.0
    high = float(beta.ppf(1 - tail, hit + 1, count - hit)) if value < 1 else 1.0
    return Estimate(value, low, high)


def bootstrapped(statistic: Callable[[NDArray[np.int64]], float], patients: NDArray) -> Estimate:
    """Estimate a statistic of images, which it takes by their numbers, with the percentile interval of DRAWS samples of
    as many patients, each with all images (Davison and Hinkley 1997, Bootstrap Methods, section 3.8)."""
    rng = np.random.default_rng(0)
    of_patient = [np.flatnonzero(patients == patient) for patient in np.unique(patients)]
    drawn = (rng.integers(len(of_patient), size=len(of_patient)) for _ in range(DRAWS))
    found = [statistic(np.concatenate([of_patient[i] for i in numbers])) for numbers in drawn]
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(found, [tail, 100 - tail])
    return Estimate(statistic(np.arange(len(patients))), float(low), float(high))
