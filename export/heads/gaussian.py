"""Gaussian head, and the deep ensemble of Gaussians."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import onnx_ir as ir

from ..errors import NetworkError
from ..tape import Tape, shape_of
from .readout import Directions, Readout


@dataclass(frozen=True)
class Gaussian:
    """Mean mu and log variance s per output, [1, 2D] along axis 1 or as two outputs [1, D]; the same
    with an image's axes behind: [1, 2D, h, w].

    Several members are an ensemble (Lakshminarayanan et al. 2017, arXiv 1612.01474): the mixture's
    mean, u_aleatoric^2 = mean of sigma_m^2, u_epistemic^2 = variance of mu_m.

    logarithmic: the network predicts the natural logarithm of the measurand; value and uncertainties
    are given for the measurand itself, u(y) = y u(ln y) by the law of propagation (JCGM 100, 5.1.2).

    Score factors with o = (mu, s): e_mu / sigma and e_s / sqrt(2), the square root of the Fisher
    information of a Gaussian in (mu, log sigma^2); for M members each over sqrt(M).
    """

    logarithmic: bool = False
    kind: ClassVar[Literal["gaussian"]] = "gaussian"

    def read_out(self, tape: Tape, members: list[list[ir.Value]], probes: int | None) -> Readout:
        pairs = [_mean_and_log_variance(tape, outputs) for outputs in members]
        means, log_variances = ([pair[i] for pair in pairs] for i in (0, 1))
        mean = _average(tape, means)
        aleatoric = tape.Sqrt(_average(tape, [tape.Exp(s) for s in log_variances]))
        deviations = [tape.Sub(mu, mean) for mu in means]
        epistemic = tape.Sqrt(_average(tape, [tape.Mul(d, d) for d in deviations]))
        combined = tape.Sqrt(tape.Add(tape.Mul(aleatoric, aleatoric), tape.Mul(epistemic, epistemic)))
        outputs = {"value": mean, "u_aleatoric": aleatoric, "u_epistemic": epistemic, "u": combined}
        if self.logarithmic:
            value = tape.Exp(mean)
            scaled = {name: tape.Mul(value, u) for name, u in outputs.items() if name != "value"}
            outputs = {"value": value, **scaled}
        outputs = {name: tape.Squeeze(value, [0]) for name, value in outputs.items()}
        chosen = Directions.choose(2 * math.prod(shape_of(means[0])), probes)
        return Readout(outputs, _roots(tape, pairs, chosen), _regressors(tape, mean, shape_of(means[0])), chosen.exact)


def _mean_and_log_variance(tape: Tape, outputs: list[ir.Value]) -> tuple[ir.Value, ir.Value]:
    shapes = [shape_of(output) for output in outputs]
    if len(outputs) == 2 and shapes[0] == shapes[1] and len(shapes[0]) >= 2:
        return outputs[0], outputs[1]
    if len(outputs) == 1 and len(shapes[0]) >= 2 and shapes[0][1] % 2 == 0:
        half = shapes[0][1] // 2
        mean, log_variance = tape.Split(outputs[0], [half, half], axis=1, outputs=2)
        shape = ir.Shape((1, half, *shapes[0][2:]))
        for part in (mean, log_variance):
            part.shape, part.dtype = shape, tape.dtype
        return mean, log_variance
    raise NetworkError(
        f"the network's outputs have shapes {[list(shape) for shape in shapes]}; a Gaussian head expects one output "
        "[1, 2D] (D means, then D log variances), or two outputs [1, D] (means and log variances), each with or "
        "without an image's axes behind. Choose by --network-output."
    )


def _average(tape: Tape, values: list[ir.Value]) -> ir.Value:
    return values[0] if len(values) == 1 else tape.Div(tape.Sum(*values), float(len(values)))


def _roots(tape: Tape, pairs: list[tuple[ir.Value, ir.Value]], chosen: Directions) -> dict[ir.Value, ir.Value]:
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


def _regressors(tape: Tape, mean: ir.Value, shape: tuple[int, ...]) -> ir.Value:
    """1, the predicted means (of an image: their averages) and their squares."""
    flat = tape.ReduceMean(mean, [0, *range(2, len(shape))], keepdims=0)
    return tape.Concat(np.ones(1, tape.dtype.numpy()), flat, tape.Mul(flat, flat), axis=0)
