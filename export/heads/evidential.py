"""Deep evidential regression: a normal inverse gamma distribution per output."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import onnx_ir as ir

from ..graph.tape import Tape, shape_of
from ..network.forward import Forward
from .prediction import Prediction
from .readout import Directions, Head, HeadOptions, Readout, only_member, split_outputs
from .regression import gaussian_entropy, mean_regressors, standardised_sum


@dataclass(frozen=True)
class Evidential(Head):
    """gamma, nu > 0, alpha > 1, beta > 0 per output, [1, 4D] along axis 1 or four outputs [1, D], with or
    without an image's axes behind, as the last layer of Amini et al. 2020 (arXiv 1910.02600) gives them.

    value = gamma, u_aleatoric^2 = beta / (alpha - 1), u_epistemic^2 = beta / (nu (alpha - 1)) (there,
    eq. 5). What is predicted is a Student t distribution with 2 alpha degrees of freedom n, location
    gamma and squared scale t^2 = beta (1 + nu) / (nu alpha) (eq. 7); score factors with o = (gamma, log
    t^2): sqrt((n + 1) / (n + 3)) e_gamma / t and sqrt(n / (2 (n + 3))) e_s (Lange et al. 1989, J. Am.
    Stat. Assoc. 84, appendix B).
    """

    logarithmic: bool = False
    kind: ClassVar[str] = "evidential"

    @classmethod
    def of(cls, options: HeadOptions) -> Self:
        return cls(options.logarithmic)

    def read_out(self, forward: Forward, probes: int | None) -> Readout:
        tape = forward.tape
        names = ("gammas", "nus", "alphas", "betas")
        gamma, nu, alpha, beta = only_member(split_outputs(tape, forward.outputs, names, self.kind), self.kind)
        spread = tape.Div(beta, tape.Sub(alpha, 1.0))
        prediction = Prediction(gamma, spread, tape.Div(spread, nu), logarithmic=self.logarithmic)
        ratio = tape.Div(tape.Mul(beta, tape.Add(nu, 1.0)), tape.Mul(nu, alpha))
        log_scale = tape.Log(ratio)
        degrees = tape.Mul(alpha, 2.0)
        widths = _widths(tape, degrees, log_scale)
        chosen = Directions.choose(2 * math.prod(shape_of(gamma)), probes)
        explained = standardised_sum(tape, prediction)
        return Readout(
            prediction=prediction,
            outputs={},
            roots=_roots(tape, gamma, log_scale, widths, chosen),
            regressors=mean_regressors(tape, gamma),
            exact=chosen.exact,
            metric=lambda at, direction: _metric(at, dict(zip((gamma, log_scale), widths, strict=True)), direction),
            entropy=gaussian_entropy(tape, [log_scale]),
            explained=explained,
            score=explained,
        )


def _widths(tape: Tape, degrees: ir.Value, log_scale: ir.Value) -> tuple[ir.Value, ir.Value]:
    """Root of the information about location and log squared scale."""
    below = tape.Add(degrees, 3.0)
    of_location = tape.Mul(tape.Sqrt(tape.Div(tape.Add(degrees, 1.0), below)), tape.Exp(tape.Mul(log_scale, -0.5)))
    return of_location, tape.Sqrt(tape.Div(degrees, tape.Mul(below, 2.0)))


def _roots(
    tape: Tape, gamma: ir.Value, log_scale: ir.Value, widths: tuple[ir.Value, ir.Value], chosen: Directions
) -> dict[ir.Value, ir.Value]:
    shape = shape_of(gamma)
    half = math.prod(shape)
    return {
        gamma: tape.Mul(chosen.written(tape, slice(half), shape), widths[0]),
        log_scale: tape.Mul(chosen.written(tape, slice(half, None), shape), widths[1]),
    }


def _metric(tape: Tape, widths: Mapping[ir.Value, ir.Value], direction: Mapping[ir.Value, ir.Value]) -> ir.Value:
    return tape.Sum(
        *(tape.ReduceSumSquare(tape.Mul(direction[root], width), keepdims=0) for root, width in widths.items())
    )
