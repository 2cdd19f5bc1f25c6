"""What regression heads share: a Gaussian's score factors, metric and entropy, and what its values are explained by."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import onnx_ir as ir

from ..graph.tape import Tape, shape_of
from .prediction import Prediction, average
from .readout import Directions, Explained, Readout

Pair = tuple[ir.Value, ir.Value]
"""A member's mean and log variance."""


def gaussian_readout(tape: Tape, prediction: Prediction, pairs: Sequence[Pair], probes: int | None) -> Readout:
    """The readout of a prediction whose members are Gaussians, or count as such.

    Score factors with o = (mu, s = log sigma^2): e_mu / sigma and e_s / sqrt(2), the square root of the Fisher
    information of a Gaussian in (mu, s); for M members each over sqrt(M).
    """
    log_variances = [log_variance for _, log_variance in pairs]
    chosen = Directions.choose(2 * math.prod(shape_of(prediction.mean)), probes)
    explained = standardised_sum(tape, prediction)
    return Readout(
        prediction=prediction,
        outputs={},
        roots=_gaussian_roots(tape, pairs, chosen),
        regressors=mean_regressors(tape, prediction.mean),
        exact=chosen.exact,
        metric=lambda at, direction: _gaussian_metric(at, pairs, direction),
        entropy=gaussian_entropy(tape, log_variances),
        explained=explained,
        score=explained,
    )


def _gaussian_roots(tape: Tape, pairs: Sequence[Pair], chosen: Directions) -> dict[ir.Value, ir.Value]:
    shape = shape_of(pairs[0][0])
    half = math.prod(shape)
    share = 1.0 / math.sqrt(len(pairs))
    of_mean = tape.Mul(chosen.written(tape, slice(half), shape), share)
    of_log_variance = tape.Mul(chosen.written(tape, slice(half, None), shape), share / math.sqrt(2.0))
    roots = {}
    for mean, log_variance in pairs:
        precision = tape.Exp(tape.Mul(log_variance, -0.5))
        roots[mean] = tape.Mul(of_mean, precision)
        roots[log_variance] = of_log_variance
    return roots


def _gaussian_metric(tape: Tape, pairs: Sequence[Pair], direction: Mapping[ir.Value, ir.Value]) -> ir.Value:
    """Information about each member's mean and log variance along a direction in them, averaged."""
    terms = []
    for mean, log_variance in pairs:
        of_mean = tape.Mul(direction[mean], tape.Exp(tape.Mul(log_variance, -0.5)))
        terms.append(tape.ReduceSumSquare(of_mean, keepdims=0))
        terms.append(tape.Mul(tape.ReduceSumSquare(direction[log_variance], keepdims=0), 0.5))
    return tape.Div(tape.Sum(*terms), float(len(pairs)))


def gaussian_entropy(tape: Tape, log_variances: Sequence[ir.Value]) -> ir.Value:
    """Half the sum of the log variances, averaged over members: a Gaussian's entropy up to a constant."""
    return tape.Mul(tape.ReduceSum(average(tape, log_variances), keepdims=0), 0.5)


def standardised_sum(tape: Tape, prediction: Prediction) -> Explained:
    """The sum of all values, each in units of its aleatoric uncertainty, which counts as constant."""
    unit = tape.Sqrt(prediction.aleatoric)
    return Explained(tape.ReduceSum(tape.Div(prediction.mean, unit), keepdims=0), (unit,))


def mean_regressors(tape: Tape, mean: ir.Value) -> ir.Value:
    """Concatenation of 1, the predicted means (of an image: their averages) and their squares."""
    flat = tape.ReduceMean(mean, [0, *range(2, len(shape_of(mean)))], keepdims=0)
    return tape.Concat(np.ones(1, tape.dtype.numpy()), flat, tape.Mul(flat, flat), axis=0)
