"""Gaussian head, and the deep ensemble of Gaussians."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import onnx_ir as ir

from ..errors import NetworkError
from ..graph.tape import Tape, shape_of
from ..network.forward import Forward
from .prediction import Prediction, average, scatter
from .readout import Directions, Readout


@dataclass(frozen=True)
class Gaussian:
    """Mean mu and log variance s per output, [1, 2D] along axis 1 or as two outputs [1, D]; the same
    with an image's axes behind: [1, 2D, h, w].

    Several members are an ensemble (Lakshminarayanan et al. 2017, arXiv 1612.01474): the mixture's
    mean, u_aleatoric^2 = mean of sigma_m^2, u_epistemic^2 = variance of mu_m. So are one network's copies
    with several dropout masks (Gal & Ghahramani 2016, arXiv 1506.02142, eq. 8).

    Score factors with o = (mu, s): e_mu / sigma and e_s / sqrt(2), the square root of the Fisher
    information of a Gaussian in (mu, log sigma^2); for M members each over sqrt(M).
    """

    logarithmic: bool = False
    kind: ClassVar[str] = "gaussian"

    def read_out(self, forward: Forward, probes: int | None) -> Readout:
        tape = forward.tape
        pairs = [_mean_and_log_variance(tape, outputs) for outputs in forward.outputs]
        means, log_variances = ([pair[i] for pair in pairs] for i in (0, 1))
        mean = average(tape, means)
        aleatoric = average(tape, [tape.Exp(s) for s in log_variances])
        prediction = Prediction(mean, aleatoric, scatter(tape, means, mean), logarithmic=self.logarithmic)
        chosen = Directions.choose(2 * math.prod(shape_of(mean)), probes)
        return Readout(
            prediction=prediction,
            outputs={},
            roots=gaussian_roots(tape, pairs, chosen),
            regressors=mean_regressors(tape, mean),
            exact=chosen.exact,
            metric=lambda at, direction: gaussian_metric(at, pairs, direction),
            entropy=gaussian_entropy(tape, log_variances),
            **standardised_sum(tape, mean, aleatoric),
        )


def _mean_and_log_variance(tape: Tape, outputs: list[ir.Value]) -> tuple[ir.Value, ir.Value]:
    shapes = [shape_of(output) for output in outputs]
    if len(outputs) == 2 and shapes[0] == shapes[1] and len(shapes[0]) >= 2:
        return outputs[0], outputs[1]
    if len(outputs) == 1 and len(shapes[0]) >= 2 and shapes[0][1] % 2 == 0:
        mean, log_variance = parts(tape, outputs[0], 2)
        return mean, log_variance
    raise NetworkError(
        f"the network's outputs have shapes {[list(shape) for shape in shapes]}; a Gaussian head expects one output "
        "[1, 2D] (D means, then D log variances), or two outputs [1, D] (means and log variances), each with or "
        "without an image's axes behind. Choose by --network-output."
    )


def parts(tape: Tape, output: ir.Value, count: int) -> list[ir.Value]:
    """An output [1, count * D, ...] as `count` parts [1, D, ...]."""
    _, channels, *size = shape_of(output)
    share = channels // count
    found = list(tape.Split(output, [share] * count, axis=1, outputs=count))
    for part in found:
        part.shape, part.dtype = ir.Shape((1, share, *size)), tape.dtype
    return found


Pair = tuple[ir.Value, ir.Value]


def gaussian_roots(tape: Tape, pairs: Sequence[Pair], chosen: Directions) -> dict[ir.Value, ir.Value]:
    """Score factors of each member's mean and log variance."""
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


def gaussian_metric(tape: Tape, pairs: Sequence[Pair], direction: Mapping[ir.Value, ir.Value]) -> ir.Value:
    """Information about each member's mean and log variance along a direction in them, averaged."""
    terms = []
    for mean, log_variance in pairs:
        of_mean = tape.Mul(direction[mean], tape.Exp(tape.Mul(log_variance, -0.5)))
        terms.append(tape.ReduceSumSquare(of_mean, keepdims=0))
        terms.append(tape.Mul(tape.ReduceSumSquare(direction[log_variance], keepdims=0), 0.5))
    return tape.Div(tape.Sum(*terms), float(len(pairs)))


def gaussian_entropy(tape: Tape, log_variances: Sequence[ir.Value]) -> ir.Value:
    """Half the sum of the log variances, averaged over members."""
    return tape.Mul(tape.ReduceSum(average(tape, log_variances), keepdims=0), 0.5)


def standardised_sum(tape: Tape, mean: ir.Value, variance: ir.Value) -> dict[str, Any]:
    """What maps of regression explain, `target` and `held` of a Readout: the sum of all values, each in
    units of its uncertainty, which counts as constant."""
    unit = tape.Sqrt(variance)
    return {"target": tape.ReduceSum(tape.Div(mean, unit), keepdims=0), "held": (unit,)}


def mean_regressors(tape: Tape, mean: ir.Value) -> ir.Value:
    """1, the predicted means (of an image: their averages) and their squares."""
    flat = tape.ReduceMean(mean, [0, *range(2, len(shape_of(mean)))], keepdims=0)
    return tape.Concat(np.ones(1, tape.dtype.numpy()), flat, tape.Mul(flat, flat), axis=0)
