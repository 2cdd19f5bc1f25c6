"""Values with their uncertainty, whatever distribution a head reads them from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir

from ..graph.tape import Tape


@dataclass(frozen=True)
class Prediction:
    """Means and variances of the measurands, each [1, D] or [1, D, h, w].

    aleatoric: what repeating the measurement would scatter by; epistemic: what the network does not
    know, None where it says nothing of it. below, above: standard uncertainties to either side, where
    the distribution is skew. logarithmic: the network predicts the natural logarithm of the measurand;
    values and uncertainties are given for the measurand itself, u(y) = y u(ln y) by the law of
    propagation (JCGM 100, 5.1.2).
    """

    mean: ir.Value
    aleatoric: ir.Value
    epistemic: ir.Value | None = None
    below: ir.Value | None = None
    above: ir.Value | None = None
    logarithmic: bool = False

    def outputs(self, tape: Tape, of_input: ir.Value | None) -> dict[str, ir.Value]:
        """The bundle's outputs by name: value, u_aleatoric, u_epistemic, u_input, u, u_below, u_above,
        each [D] or [D, h, w], with u^2 = u_aleatoric^2 + u_epistemic^2 + u_input^2.

        of_input: variance that comes from the input's uncertainty, of the mean's shape.
        """
        zero = tape.Mul(self.mean, 0.0)
        parts = {"u_aleatoric": self.aleatoric, "u_epistemic": self.epistemic, "u_input": of_input}
        known = [variance for variance in parts.values() if variance is not None]
        combined = known[0] if len(known) == 1 else tape.Sum(*known)
        found = {name: zero if variance is None else tape.Sqrt(variance) for name, variance in parts.items()}
        found["u"] = tape.Sqrt(combined)
        others = [variance for variance in known if variance is not self.aleatoric]
        for name, side in (("u_below", self.below), ("u_above", self.above)):
            found[name] = found["u"] if side is None else _widened(tape, side, others)
        value = tape.Exp(self.mean) if self.logarithmic else self.mean
        if self.logarithmic:
            found = {name: tape.Mul(value, u) for name, u in found.items()}
        return {name: tape.Squeeze(v, [0]) for name, v in {"value": value, **found}.items()}


def _widened(tape: Tape, side: ir.Value, others: Sequence[ir.Value]) -> ir.Value:
    return side if not others else tape.Sqrt(tape.Sum(tape.Mul(side, side), *others))


def average(tape: Tape, values: Sequence[ir.Value]) -> ir.Value:
    """The mean of several members' values."""
    return values[0] if len(values) == 1 else tape.Div(tape.Sum(*values), float(len(values)))


def scatter(tape: Tape, values: Sequence[ir.Value], mean: ir.Value) -> ir.Value | None:
    """The variance of several members' values about their mean, None for one member."""
    if len(values) == 1:
        return None
    deviations = [tape.Sub(value, mean) for value in values]
    return average(tape, [tape.Mul(d, d) for d in deviations])
