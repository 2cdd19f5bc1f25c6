"""Measures of a classifier: calibration, and the risk that is left where only confident predictions are kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BINS = np.linspace(0.5, 1.0, 11)
"""Edges of the bins of confidence: of two classes, the likelier one has at least one half."""


def patient_means(values: NDArray, patients: NDArray) -> NDArray[np.float64]:
    """Average values of images [n] over each patient's images, in the order of the patients' names."""
    _, of = np.unique(patients, return_inverse=True)
    return np.bincount(of, values) / np.bincount(of)


def bin_of(confidence: NDArray[np.float64]) -> NDArray[np.int64]:
    """Number the bin of BINS of each confidence [n]; an edge belongs to the bin above it, 1 to the last."""
    return np.clip(np.digitize(confidence, BINS) - 1, 0, len(BINS) - 2)


def expected_calibration_error(confidence: NDArray[np.float64], right: NDArray) -> float:
    """Average over BINS, by their share of the images, how far the share of right predictions is from the mean
    confidence (Guo et al. 2017, arXiv 1706.04599, eq. 3). confidence, right: [n]."""
    return float(np.abs(np.bincount(bin_of(confidence), right - confidence)).sum() / len(confidence))


def error_if_calibrated(confidence: NDArray[np.float64], draws: int = 2000) -> float:
    """Give the expected calibration error, on average, of predictions that are right exactly as often as their
    confidence [n] says: it is not zero, as in each bin chance decides too."""
    rng = np.random.default_rng(0)
    return float(
        np.mean(
            [expected_calibration_error(confidence, rng.random(len(confidence)) < confidence) for _ in range(draws)]
        )
    )


def brier_score(probability: NDArray[np.float64], truth: NDArray) -> float:
    """Average the squared difference between the probability of a class and its presence, [n] each (Brier 1950, Monthly
    Weather Review 78)."""
    return float(np.mean((probability - truth) ** 2))


def kept(confidence: NDArray[np.float64], coverage: float) -> NDArray[np.bool_]:
    """Say of each image whether it is among that share of the most confident, bool [n]; equals are kept together."""
    least = np.sort(confidence)[-int(np.ceil(coverage * len(confidence)))]
    return confidence >= least


def selective_risks(confidence: NDArray[np.float64], wrong: NDArray) -> NDArray[np.float64]:
    """Give the share of wrong predictions among the k most confident, for k from 1 to n: [n] (Geifman and El-Yaniv
    2017, arXiv 1705.08500, eq. 2). Equals, of which any may come first, count by their mean."""
    _, of = np.unique(-confidence, return_inverse=True)
    mean = np.bincount(of, wrong) / np.bincount(of)
    return np.cumsum(mean[np.sort(of)]) / np.arange(1, len(of) + 1)


def area_under_risk_coverage(confidence: NDArray[np.float64], wrong: NDArray) -> float:
    """Average the selective risk over all shares of images kept (Geifman, Uziel and El-Yaniv 2019, arXiv 1805.08206,
    section 2)."""
    return float(selective_risks(confidence, wrong).mean())
