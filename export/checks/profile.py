"""The Fisher profile as a check: the Mahalanobis distance of all layers' quantities to what is usual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ..calibration.collect import Columns
from ..errors import CalibrationError
from ..fisher.fisher_graph import FisherGraph
from ..graph.tape import TINY, Tape
from .kind import Statistic

ROUNDING = 1e-3
"""Standard deviation of a log information that rounding may cause: another processor adds in another
order. Directions in which usual images differ less tell nothing."""


def profile_features(graph: FisherGraph) -> tuple[ir.Value, ir.Value]:
    """The features [F], and the head's regressors [P] that they are conditioned on."""
    return graph.features, graph.readout.regressors


def fitted_profile(columns: Columns) -> Statistic:
    """Fit the usual profile to features [n, F] and regressors [n, P]. Raises CalibrationError as `fit_profile` does."""
    return fit_profile(*columns).write


@dataclass(frozen=True)
class Profile:
    """The usual Fisher profile: its mean given the prediction, and what whitens the deviation.

    mean: float64 [P, F], weights of the head's regressors. whitening: float64 [F, F], so that
    ||(f - rᵀ mean) whitening||^2 is the squared Mahalanobis distance.
    """

    mean: NDArray[np.float64]
    whitening: NDArray[np.float64]

    def write(self, tape: Tape, measured: Sequence[ir.Value]) -> ir.Value:
        """Write the squared distance of features [F] given regressors [P], a scalar."""
        features, regressors = measured
        expected = tape.MatMul(regressors, tape.floats(self.mean))
        whitened = tape.MatMul(tape.Sub(features, expected), tape.floats(self.whitening))
        return tape.ReduceSumSquare(whitened, keepdims=0)


def fit_profile(features: NDArray[np.float32], regressors: NDArray[np.float32]) -> Profile:
    """Fit the usual profile to images [n, F] and regressors [n, P].

    Raises CalibrationError for fewer images than twice the features: their covariance would be
    singular, or nearly.
    """
    count, size = features.shape
    if count < 2 * size:
        raise CalibrationError(
            f"{2 * count} calibration images, of which half fit the Fisher profile of {size} features; expected at "
            f"least {4 * size}. Give more images, or leave out --check fisher_profile."
        )
    f, r = features.astype(np.float64), regressors.astype(np.float64)
    scale = np.maximum(np.abs(r).max(axis=0), TINY)
    ridge = 1e-6 * count * np.eye(r.shape[1])
    mean = np.linalg.solve((r / scale).T @ (r / scale) + ridge, (r / scale).T @ f) / scale[:, None]
    deviations = f - r @ mean
    covariance = deviations.T @ deviations / count + ROUNDING**2 * np.eye(size)
    return Profile(mean, np.linalg.cholesky(np.linalg.inv(covariance)))
