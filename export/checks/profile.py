"""Checks: a statistic of the Fisher quantities, calibrated to a p-value inside the graph."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from fisherlens.edge.bundle import open_session

from ..errors import CalibrationError
from ..fisher.information import Information
from ..graph.tape import IR_VERSION, OPSET, Tape, shape_of

ROUNDING = 1e-3
"""Standard deviation of a log information that rounding may cause: another processor adds in another
order. Directions in which usual images differ less tell nothing."""

_TINY = 1e-30
"""Below this an information or energy counts as this: its logarithm stays finite."""


@dataclass(frozen=True)
class Profile:
    """The usual Fisher profile: its mean given the prediction, and what whitens the deviation.

    mean: float64 [P, F], weights of the head's regressors. whitening: float64 [F, F], so that
    ||(f - rᵀ mean) whitening||^2 is the squared Mahalanobis distance.
    """

    mean: NDArray[np.float64]
    whitening: NDArray[np.float64]


@dataclass(frozen=True)
class Selection:
    """Which quantities a profile is made of: the numbers of layers whose parameters, activations and
    energies count; energies also number the networks' outputs, behind the layers."""

    parameters: tuple[int, ...]
    activations: tuple[int, ...]
    energies: tuple[int, ...]

    @classmethod
    def everything(cls, information: Information) -> Selection:
        """All that there is."""
        quantities = (information.parameters, information.activations, information.energies)
        return cls(*(tuple(range(len(values))) for values in quantities))

    @property
    def size(self) -> int:
        """How many quantities it is."""
        return len(self.parameters) + len(self.activations) + len(self.energies)

    def columns(self, information: Information) -> list[int]:
        """Where its features stand among those of everything."""
        found: list[int] = []
        first = 0
        everything = (information.parameters, information.activations, information.energies)
        for chosen, values in zip((self.parameters, self.activations, self.energies), everything, strict=True):
            for i, value in enumerate(values):
                width = shape_of(value)[0] if shape_of(value) else 1
                found += range(first, first + width) if i in chosen else []
                first += width
        return found


def features(tape: Tape, information: Information, selection: Selection) -> ir.Value:
    """The Fisher profile f(x) = (log tr F_l, log tr F_(a_l), log ||a_l||^2) of the selected layers, the
    latter two by groups of channels, [F]."""
    chosen = [
        *(tape.Unsqueeze(information.parameters[i], [0]) for i in selection.parameters),
        *(information.activations[i] for i in selection.activations),
        *(information.energies[i] for i in selection.energies),
    ]
    stacked = tape.Concat(*chosen, axis=0)
    return tape.Log(tape.Max(stacked, _TINY))


def fit_profile(features: NDArray[np.float32], regressors: NDArray[np.float32]) -> Profile:
    """The usual profile from images [n, F] and regressors [n, P].

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
    scale = np.maximum(np.abs(r).max(axis=0), _TINY)
    ridge = 1e-6 * count * np.eye(r.shape[1])
    mean = np.linalg.solve((r / scale).T @ (r / scale) + ridge, (r / scale).T @ f) / scale[:, None]
    deviations = f - r @ mean
    covariance = deviations.T @ deviations / count + ROUNDING**2 * np.eye(size)
    return Profile(mean, np.linalg.cholesky(np.linalg.inv(covariance)))


def profile_statistic(tape: Tape, profile: Profile, features: ir.Value, regressors: ir.Value) -> ir.Value:
    """`Profile.statistic` in the graph, a scalar."""
    expected = tape.MatMul(regressors, tape.floats(profile.mean))
    whitened = tape.MatMul(tape.Sub(features, expected), tape.floats(profile.whitening))
    return tape.ReduceSumSquare(whitened, keepdims=0)


def usual_statistics(profile: Profile, features: NDArray[np.float32], regressors: NDArray[np.float32]) -> NDArray:
    """The profile's statistic of usual images [n]."""
    return _as_the_bundle(lambda tape, f, r: profile_statistic(tape, profile, f, r), features, regressors)


@dataclass(frozen=True)
class Combination:
    """Usual logarithms of several statistics, one by one: float64 [m]."""

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    @classmethod
    def fit(cls, statistics: NDArray[np.float32]) -> Combination:
        """From usual images [n, m]."""
        logarithms = np.log(np.maximum(statistics.astype(np.float64), _TINY))
        return cls(logarithms.mean(axis=0), np.maximum(logarithms.std(axis=0), ROUNDING))


def combined_statistic(tape: Tape, combination: Combination, statistics: ir.Value) -> ir.Value:
    """How far the statistics [m] are above what is usual, together: the squared standardised logarithms
    of those that are, added up. A scalar."""
    logarithms = tape.Log(tape.Max(statistics, _TINY))
    deviations = tape.Div(tape.Sub(logarithms, tape.floats(combination.mean)), tape.floats(combination.deviation))
    return tape.ReduceSumSquare(tape.Relu(deviations), keepdims=0)


def usual_combinations(combination: Combination, statistics: NDArray[np.float32]) -> NDArray:
    """The combined statistic of usual images [n]."""
    return _as_the_bundle(lambda tape, values: combined_statistic(tape, combination, values), statistics)


def _as_the_bundle(write: Callable[..., ir.Value], *columns: NDArray[np.float32]) -> NDArray:
    """A statistic of usual images [n], by the very operators that the bundle runs: a p-value compares
    like with like, to the last bit."""
    inputs = [ir.val(f"x{i}", dtype=ir.DataType.FLOAT, shape=array.shape[1:]) for i, array in enumerate(columns)]
    graph = ir.Graph(inputs, [], nodes=[], name="statistic", opset_imports={"": OPSET})
    statistic = write(Tape(graph), *inputs)
    statistic.name, statistic.dtype = "statistic", ir.DataType.FLOAT
    graph.outputs.append(statistic)
    session = open_session(ir.to_proto(ir.Model(graph, ir_version=IR_VERSION)).SerializeToString())
    return np.array(
        [session.run(None, {f"x{i}": x for i, x in enumerate(row)})[0] for row in zip(*columns, strict=True)]
    )


def needed(alpha: float, checks: int) -> int:
    """Calibration images for p-values as small as each check's share of alpha, of which one half
    fits and the other half counts."""
    return 2 * (math.ceil(checks / alpha) - 1)


def require_enough(count: int, alpha: float, checks: int) -> None:
    """Raise CalibrationError for too few images."""
    if count < needed(alpha, checks):
        raise CalibrationError(
            f"{count} calibration images; alpha {alpha} over {checks} checks needs at least {needed(alpha, checks)}: "
            "one half fits, and with the n of the other half the smallest p-value is 1/(n + 1). "
            "Give more images, or a larger --alpha."
        )


def p_value(tape: Tape, statistic: ir.Value, usual: NDArray[np.float32]) -> ir.Value:
    """p = (1 + #{i : t_i >= t}) / (n + 1) over the usual statistics t_i, a scalar.

    For exchangeable images P(p <= alpha) <= alpha with finite n, for any network (Vovk et al. 2005,
    Algorithmic Learning in a Random World, prop. 2.2). A statistic that is no number counts as the
    most unusual.
    """
    at_least = tape.Cast(tape.GreaterOrEqual(tape.floats(np.sort(usual)), statistic), to=tape.dtype)
    count = tape.ReduceSum(at_least, keepdims=0)
    return tape.Div(tape.Add(count, 1.0), float(len(usual) + 1))


def conformal_factor(scores: NDArray[np.float64], probability: float) -> float:
    """The coverage factor k: the ceil((n + 1) probability)-th smallest |y - value| / u of n images (split
    conformal prediction; Lei et al. 2018, J. Am. Stat. Assoc. 113).

    scores: [n], or [n, h, w]: then the same quantile over the pixels of all images, so that the
    probability is that of a pixel drawn at random; NaN for pixels of which nothing is known. Raises
    CalibrationError for fewer images than the probability needs.
    """
    count = len(scores)
    rank = math.ceil((count + 1) * probability)
    if rank > count:
        raise CalibrationError(
            f"{count} calibration targets; a coverage of {probability} needs at least "
            f"{math.ceil(probability / (1 - probability))}. Give more images with targets."
        )
    known = np.sort(scores[~np.isnan(scores)])
    return float(known[math.ceil(rank / count * known.size) - 1])
