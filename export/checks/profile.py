"""A profile of many features as a check: how far they are, all together, from what is usual given the prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from fisherlens.edge.bundle.manifest import Watched

from ..calibration.collect import Columns
from ..errors import CalibrationError
from ..graph.tape import Tape
from .kind import Written

ROUNDING = 1e-4
"""Share of a feature that rounding may change: another processor adds in another order. Where usual images differ less,
this counts as their standard deviation."""

UNSEEN = 1.0
"""So many images at the mean of all stand behind each class, or beside each value's slope: a class of which no image
was seen is expected there, and not at zero."""

MOST_COMPONENTS = 64
"""Directions that the covariance tells apart, the others share one variance (Tipping & Bishop 1999, J. R. Stat. Soc. B
61, eq. 8): each takes the features' number of floats in the file."""

NEGLIGIBLE = 1e-10
"""Share of the largest variance below which rounding leaves no direction."""

FEWEST = 20
"""Images that a mean and a covariance need at least."""


@dataclass(frozen=True)
class Profile:
    """The usual distribution of F features given P regressors of the prediction.

    mean: float64 [F], over all images; slopes: float64 [P, F], what the regressors add to it; deviation: float64 [F],
    the standard deviation of what is left. components: float64 [F, k], orthonormal directions of these standardised
    deviations, variances: float64 [k], theirs; rest: the variance along all others.
    """

    mean: NDArray[np.float64]
    slopes: NDArray[np.float64]
    deviation: NDArray[np.float64]
    components: NDArray[np.float64]
    variances: NDArray[np.float64]
    rest: float

    def standardised(self, tape: Tape, features: ir.Value, regressors: ir.Value) -> ir.Value:
        """Write by how many standard deviations each feature [F] differs from what the regressors [P] let expect."""
        expected = tape.Add(tape.MatMul(regressors, tape.floats(self.slopes)), tape.floats(self.mean))
        return tape.Mul(tape.Sub(features, expected), tape.floats(1.0 / self.deviation))

    def distance(self, tape: Tape, standardised: ir.Value) -> ir.Value:
        """Write the squared Mahalanobis distance of standardised features [F], a scalar."""
        along = tape.MatMul(standardised, tape.floats(self.components))
        told_apart = tape.ReduceSumSquare(tape.Mul(along, tape.floats(self.variances**-0.5)), keepdims=0)
        if self.components.shape[0] == self.components.shape[1]:
            return told_apart
        squares = [tape.ReduceSumSquare(value, keepdims=0) for value in (standardised, along)]
        beside = tape.Max(tape.Sub(*squares), 0.0)
        return tape.Add(told_apart, tape.Mul(beside, 1.0 / self.rest))

    def write(self, tape: Tape, values: Sequence[ir.Value], /) -> Written:
        """Write the distance of features [F] given regressors [P], and the standardised features."""
        standardised = self.standardised(tape, *values)
        return Written(self.distance(tape, standardised), standardised)


def fitted_profile(columns: Columns, watched: Sequence[Watched]) -> Profile:
    """Fit the usual profile to features [n, F] and regressors [n, P]. Raises CalibrationError as `fit_profile` does."""
    features, regressors = columns
    return fit_profile(features, regressors, [part.count for part in watched])


def fit_profile(
    features: NDArray[np.float32], regressors: NDArray[np.float32], parts: Sequence[int] | None = None
) -> Profile:
    """Fit the usual profile to images [n, F] and regressors [n, P]. parts: sizes of the runs of features that are of
    one kind, as the channels of a layer; all are, where it is None.

    The covariance is of each image's deviation from what all *others* let expect, so that classes of few images do
    not make it too small, and is shrunk (Ledoit & Wolf 2004, J. Multivariate Anal. 88, theorem 3.2). Raises
    CalibrationError for fewer than FEWEST images.
    """
    count = len(features)
    if count < FEWEST:
        raise CalibrationError(
            f"{2 * count} calibration images, of which half fit a profile; expected at least {2 * FEWEST}. "
            "Give more images."
        )
    f, r = features.astype(np.float64), regressors.astype(np.float64)
    mean = f.mean(axis=0)
    slopes, deviations = _regression(f - mean, r)
    deviation = _standard_deviation(deviations, parts or [f.shape[1]]) + ROUNDING * np.sqrt((f**2).mean(axis=0))
    deviation[deviation == 0] = np.inf  # where all features of a kind are zero on all usual images they say nothing
    components, variances, rest = _covariance(deviations / deviation)
    return Profile(mean, slopes, deviation, components, variances, rest)


def _standard_deviation(deviations: NDArray[np.float64], parts: Sequence[int]) -> NDArray[np.float64]:
    """Of features [F] by their deviations [n, F], to which one more of the size that is typical of their part is added:
    a channel that none of n usual images wakes may be woken by the next one."""
    squares = deviations**2
    ends = np.cumsum(parts)[:-1]
    typical = np.concatenate([np.full(part.shape[1], part.mean()) for part in np.split(squares, ends, axis=1)])
    return np.sqrt((squares.sum(axis=0) + typical) / (len(squares) + 1))


def _regression(features: NDArray[np.float64], regressors: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
    """Slopes [P, F], and what each image [n, F] differs by from the regression on all others (Allen 1974,
    Technometrics 16)."""
    count = len(features)
    scale = np.abs(regressors).max(axis=0)
    scaled = regressors / np.where(scale > 0, scale, 1.0)
    normal = scaled.T @ scaled + UNSEEN * np.eye(scaled.shape[1])
    slopes = np.linalg.solve(normal, scaled.T @ features)
    leverage = 1.0 / count + np.einsum("np,pn->n", scaled, np.linalg.solve(normal, scaled.T))
    deviations = (features - scaled @ slopes) / (1.0 - leverage)[:, None]
    return slopes / np.where(scale > 0, scale, 1.0)[:, None], deviations


def _covariance(deviations: NDArray[np.float64]) -> tuple[NDArray, NDArray, float]:
    """Components [F, k], their variances [k] and the variance of the rest, of standardised deviations [n, F]."""
    size = deviations.shape[1]
    total = float((deviations**2).mean(axis=0).sum())
    shrinkage = ledoit_wolf_shrinkage(deviations)
    largest, components = _largest(deviations, min(MOST_COMPONENTS, *deviations.shape))
    kept, level = (1.0 - shrinkage) * largest, shrinkage * total / size
    rest = max((1.0 - shrinkage) * total - kept.sum(), 0.0) / max(1, size - len(kept)) + level
    return components, np.maximum(kept + level, ROUNDING**2), max(float(rest), ROUNDING**2)


def _largest(deviations: NDArray[np.float64], most: int) -> tuple[NDArray, NDArray]:
    """The largest eigenvalues [k] of the covariance of deviations [n, F], at most so many, and their directions [F, k]:
    from the smaller one of its two matrices of products, several times as fast as all singular values are found."""
    count, size = deviations.shape
    wide = count < size
    products = (deviations @ deviations.T if wide else deviations.T @ deviations) / count
    values, vectors = (found[..., -most:] for found in np.linalg.eigh(products))
    if wide:
        told = values > NEGLIGIBLE * max(values[-1], 0.0)
        values, vectors = values[told], deviations.T @ vectors[:, told] / np.sqrt(count * values[told])
    return values[::-1], vectors[:, ::-1]


def ledoit_wolf_shrinkage(deviations: NDArray[np.float64]) -> float:
    """The share of the mean variance in the covariance of deviations [n, F] that loses least, in [0, 1]
    (Ledoit & Wolf 2004, J. Multivariate Anal. 88, eqs. 6 to 8 with lemmas 3.2 to 3.4)."""
    count, size = deviations.shape
    gram = deviations @ deviations.T / count if count < size else deviations.T @ deviations / count
    squared = float((gram**2).sum())
    spread = (squared - np.trace(gram) ** 2 / size) / size
    fourth = float(((deviations**2).sum(axis=1) ** 2).mean())
    noise = (fourth - squared) / (count * size)
    return float(np.clip(noise / spread, 0.0, 1.0)) if spread > 0 else 1.0
