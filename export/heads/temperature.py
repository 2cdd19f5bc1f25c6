"""The temperature of a classifier."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def fit_temperature(logits: NDArray[np.float32], classes: NDArray[np.int64]) -> float:
    """The temperature of least cross-entropy (Guo et al. 2017, section 4.2), from the members' logits
    [n, M, K], whose probabilities are averaged, and true class indices [n]; by golden section over its
    logarithm."""
    z = logits.astype(np.float64)
    rows = np.arange(len(z))

    def cross_entropy(log_temperature: float) -> float:
        scaled = z / np.exp(log_temperature)
        scaled -= scaled.max(axis=2, keepdims=True)
        of_class = np.exp(scaled[rows, :, classes]) / np.exp(scaled).sum(axis=2)
        return float(-np.mean(np.log(np.maximum(of_class.mean(axis=1), 1e-300))))

    low, high, golden = np.log(0.05), np.log(20.0), (np.sqrt(5.0) - 1) / 2
    for _ in range(60):
        left, right = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, right) if cross_entropy(left) < cross_entropy(right) else (left, high)
    return float(np.exp((low + high) / 2))
