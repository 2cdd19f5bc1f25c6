"""Quantile regression, corrected by conformal calibration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import ClassVar

import onnx_ir as ir

from ..errors import NetworkError
from ..graph.tape import Tape, shape_of
from ..network.forward import Forward
from .gaussian import gaussian_entropy, gaussian_metric, gaussian_roots, mean_regressors, parts, standardised_sum
from .prediction import Prediction
from .readout import Directions, Readout

SMALLEST = 1e-12
"""Variance below which quantiles count as this far apart: trained ones may cross."""


@dataclass(frozen=True)
class Quantile:
    """Lower quantile, median and upper quantile per output, [1, 3D] along axis 1 or three outputs [1, D],
    with or without an image's axes behind; the outer ones at (1 - probability) / 2 on either side.

    Standard uncertainties to either side are the distances from the median over those of a standard
    normal distribution. The coverage factor, calibrated on the larger of the two scaled errors, makes
    the interval [value - k u_below, value + k u_above] cover (conformalised quantile regression: Romano
    et al. 2019, arXiv 1905.03222, with the scaled score of Kivaranovic et al. 2020, arXiv 1905.10634).
    Quantiles do not tell aleatoric from epistemic: all of it is given as aleatoric.

    For score factors the distribution counts as Gaussian, with o = (median, log u^2).
    """

    probability: float = 0.95
    logarithmic: bool = False
    kind: ClassVar[str] = "quantile"

    def read_out(self, forward: Forward, probes: int | None) -> Readout:
        tape = forward.tape
        low, median, high = _quantiles(tape, forward.outputs)
        distance = NormalDist().inv_cdf((1 + self.probability) / 2)
        sides = [
            tape.Max(tape.Div(tape.Sub(upper, lower), distance), math.sqrt(SMALLEST))
            for lower, upper in ((low, median), (median, high))
        ]
        u = tape.Mul(tape.Add(*sides), 0.5)
        variance = tape.Mul(u, u)
        log_variance = tape.Log(variance)
        chosen = Directions.choose(2 * math.prod(shape_of(median)), probes)
        return Readout(
            prediction=Prediction(median, variance, below=sides[0], above=sides[1], logarithmic=self.logarithmic),
            outputs={},
            roots=gaussian_roots(tape, [(median, log_variance)], chosen),
            regressors=mean_regressors(tape, median),
            exact=chosen.exact,
            metric=lambda at, direction: gaussian_metric(at, [(median, log_variance)], direction),
            entropy=gaussian_entropy(tape, [log_variance]),
            **standardised_sum(tape, median, variance),
        )


def _quantiles(tape: Tape, members: Sequence[Sequence[ir.Value]]) -> list[ir.Value]:
    if len(members) != 1:
        raise NetworkError(f"{len(members)} networks given; a quantile head expects one")
    outputs = members[0]
    shapes = [shape_of(output) for output in outputs]
    if len(outputs) == 3 and len(set(shapes)) == 1 and len(shapes[0]) >= 2:
        return list(outputs)
    if len(outputs) == 1 and len(shapes[0]) >= 2 and shapes[0][1] % 3 == 0:
        return parts(tape, outputs[0], 3)
    raise NetworkError(
        f"the network's outputs have shapes {[list(shape) for shape in shapes]}; a quantile head expects one output "
        "[1, 3D] (lower quantiles, medians, upper quantiles), or three outputs [1, D], each with or without an image's "
        "axes behind. Choose by --network-output."
    )
