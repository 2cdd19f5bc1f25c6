"""Gaussian head, and the deep ensemble of Gaussians."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from ..network.forward import Forward
from .prediction import Prediction, average, scatter
from .readout import Head, HeadOptions, Readout, split_outputs
from .regression import gaussian_readout


@dataclass(frozen=True)
class Gaussian(Head):
    """Mean mu and log variance s per output, [1, 2D] along axis 1 or as two outputs [1, D]; the same
    with an image's axes behind: [1, 2D, h, w].

    Several members are an ensemble (Lakshminarayanan et al. 2017, arXiv 1612.01474): the mixture's
    mean, u_aleatoric^2 = mean of sigma_m^2, u_epistemic^2 = variance of mu_m. So are one network's copies
    with several dropout masks (Gal & Ghahramani 2016, arXiv 1506.02142, eq. 8).
    """

    logarithmic: bool = False
    kind: ClassVar[str] = "gaussian"

    @classmethod
    def of(cls, options: HeadOptions) -> Self:
        return cls(options.logarithmic)

    def read_out(self, forward: Forward, probes: int | None) -> Readout:
        tape = forward.tape
        members = split_outputs(tape, forward.outputs, ("means", "log variances"), self.kind)
        means, log_variances = ([member[i] for member in members] for i in (0, 1))
        mean = average(tape, means)
        aleatoric = average(tape, [tape.Exp(s) for s in log_variances])
        prediction = Prediction(mean, aleatoric, scatter(tape, means, mean), logarithmic=self.logarithmic)
        return gaussian_readout(tape, prediction, list(zip(means, log_variances, strict=True)), probes)
