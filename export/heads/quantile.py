"""Quantile regression, corrected by conformal calibration."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import ClassVar, Self

from ..network.forward import Forward
from .prediction import Prediction
from .readout import Head, HeadOptions, Readout, only_member, split_outputs
from .regression import gaussian_readout

SMALLEST = 1e-12
"""Variance below which quantiles count as this far apart: trained ones may cross."""


@dataclass(frozen=True)
class Quantile(Head):
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

    @classmethod
    def of(cls, options: HeadOptions) -> Self:
        return cls(options.coverage_probability, options.logarithmic)

    def read_out(self, forward: Forward, probes: int | None) -> Readout:
        tape = forward.tape
        names = ("lower quantiles", "medians", "upper quantiles")
        low, median, high = only_member(split_outputs(tape, forward.outputs, names, self.kind), self.kind)
        distance = NormalDist().inv_cdf((1 + self.probability) / 2)
        sides = [
            tape.Max(tape.Div(tape.Sub(upper, lower), distance), math.sqrt(SMALLEST))
            for lower, upper in ((low, median), (median, high))
        ]
        u = tape.Mul(tape.Add(*sides), 0.5)
        variance = tape.Mul(u, u)
        prediction = Prediction(median, variance, below=sides[0], above=sides[1], logarithmic=self.logarithmic)
        return gaussian_readout(tape, prediction, [(median, tape.Log(variance))], probes)
