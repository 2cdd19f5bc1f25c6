"""Operators that act on each element by itself."""

from __future__ import annotations

import math

import onnx_ir as ir

from ...graph.nodes import constant_value
from ..registry import Step, rule
from .broadcasting import broadcast
from .singular import infinite_for_zero


def _mask(s: Step, condition: ir.Value) -> ir.Value:
    """1 where a condition holds, 0 elsewhere. A product with it costs a fraction of `Where`, which
    ONNX Runtime computes by a branch for each element."""
    return s.op.Cast(condition, to=s.op.dtype)


def _clip(s: Step) -> ir.Value:
    inside = s.op.GreaterOrEqual(s.x(), s.x(1)) if s.has(1) else None
    if s.has(2):
        below = s.op.LessOrEqual(s.x(), s.x(2))
        inside = below if inside is None else s.op.And(inside, below)
    return s.ct if inside is None else s.op.Mul(s.ct, _mask(s, inside))


def _exponent(s: Step) -> ir.Value:
    return s.x(1) if s.x(1).dtype == s.x().dtype else s.op.Cast(s.x(1), to=s.op.dtype)


def _pow_base(s: Step) -> ir.Value:
    """Of x^a: a x^(a-1), and zero at x = 0 for 0 <= a < 1. There x^(a-1) is infinite: the product with a = 0 would be
    NaN, and for the others zero is taken, as `_root` does."""
    a = _exponent(s)
    known = constant_value(s.x(1))
    if known is not None and ((known < 0) | (known >= 1)).all():
        return s.op.Mul(s.ct, _power_slope(s, s.x(), a))
    flat = s.op.And(s.op.GreaterOrEqual(a, 0.0), s.op.Less(a, 1.0))
    infinite = s.op.And(s.op.Equal(s.x(), 0.0), flat)
    # The base is replaced as well: the slope that is not chosen stays finite, and so do its own derivatives.
    slope = _power_slope(s, s.op.Where(infinite, 1.0, s.x()), a)
    return s.op.Mul(s.ct, s.op.Where(infinite, 0.0, slope))


def _power_slope(s: Step, base: ir.Value, a: ir.Value) -> ir.Value:
    known = constant_value(s.x(1))
    less = s.op.Sub(a, 1.0) if known is None else s.op.floats(known - 1.0)  # a constant, for the second derivative
    return s.op.Mul(a, s.op.Pow(base, less))


def _root(s: Step) -> ir.Value:
    """Of y = sqrt(x): ct / 2y, and zero at x = 0, where the slope is infinite.

    What is zero there in networks is a norm, a standard deviation or a magnitude, whose subgradient of least norm is
    zero: torch takes it for `norm`, `std` and `cdist`. An exported graph does not tell these from the square root of a
    sum of squares that was written out, of which torch gives infinity times zero, NaN; a statistic that is NaN wherever
    a pixel is exactly zero is of no use, and so is one that is infinite, as torch has it for `sqrt` alone.
    """
    return s.op.Div(s.ct, s.op.Mul(2.0, infinite_for_zero(s.op, s.y)))


def _pow_exponent(s: Step) -> ir.Value:
    positive = s.op.Greater(s.x(), 0.0)
    log = s.op.Log(s.op.Where(positive, s.x(), 1.0))
    return s.op.Mul(s.ct, s.op.Mul(s.y, log))


def _gate(s: Step) -> ir.Value:
    """By the result, not by x: ONNX Runtime then fuses the operator into the convolution before it. The
    result is never negative, so that its truth is its sign."""
    return s.op.Mul(s.ct, _mask(s, s.op.Cast(s.y, to=ir.DataType.BOOL)))


def _leaky_gate(s: Step) -> ir.Value:
    alpha = float(s.attribute("alpha", 0.01))
    above = _mask(s, s.op.Greater(s.x(), 0.0))
    return s.op.Mul(s.ct, s.op.Add(s.op.Mul(above, 1.0 - alpha), alpha))


def _parametric_gate(s: Step) -> ir.Value:
    above = _mask(s, s.op.Greater(s.x(), 0.0))
    return s.op.Mul(s.ct, s.op.Add(s.op.Mul(above, s.op.Sub(1.0, s.x(1))), s.x(1)))


def _elu_slope(s: Step) -> ir.Value:
    """1 above zero; below, alpha exp(x) = y + alpha."""
    return s.op.Where(s.op.Greater(s.x(), 0.0), 1.0, s.op.Add(s.y, float(s.attribute("alpha", 1.0))))


def _gelu(s: Step) -> ir.Value:
    """Of x Phi(x): Phi(x) + x phi(x), or the same of the tanh approximation (Hendrycks & Gimpel 2016,
    arXiv 1606.08415)."""
    x = s.x()
    squared = s.op.Mul(x, x)
    if s.attribute("approximate", "none") == "tanh":
        cubed = s.op.Add(1.0, s.op.Mul(0.044715, squared))
        inner = s.op.Mul(math.sqrt(2.0 / math.pi), s.op.Mul(x, cubed))
        tanh = s.op.Tanh(inner)
        inner_slope = s.op.Mul(math.sqrt(2.0 / math.pi), s.op.Add(1.0, s.op.Mul(3 * 0.044715, squared)))
        slope = s.op.Mul(s.op.Sub(1.0, s.op.Mul(tanh, tanh)), inner_slope)
        total = s.op.Add(s.op.Add(1.0, tanh), s.op.Mul(x, slope))
    else:
        density = s.op.Mul(math.sqrt(2.0 / math.pi), s.op.Exp(s.op.Mul(-0.5, squared)))
        total = s.op.Add(s.op.Add(1.0, s.op.Erf(s.op.Mul(math.sqrt(0.5), x))), s.op.Mul(x, density))
    return s.op.Mul(s.ct, s.op.Mul(0.5, total))


def _hard_sigmoid_slope(s: Step) -> ir.Value:
    inside = s.op.And(s.op.Greater(s.y, 0.0), s.op.Less(s.y, 1.0))
    return s.op.Mul(_mask(s, inside), float(s.attribute("alpha", 0.2)))


def _hard_swish_slope(s: Step) -> ir.Value:
    """Of x max(0, min(1, x/6 + 1/2)): 0 below -3, 1 above 3, x/3 + 1/2 between."""
    above, beyond = (_mask(s, s.op.Greater(s.x(), edge)) for edge in (-3.0, 3.0))
    between = s.op.Add(s.op.Div(s.x(), 3.0), 0.5)
    return s.op.Add(s.op.Mul(s.op.Sub(above, beyond), between), beyond)


def _modulus_divisor(s: Step) -> ir.Value:
    """fmod(a, b) = a - b trunc(a / b); the truncated quotient is a whole number but for rounding."""
    return s.op.Neg(s.op.Mul(s.ct, s.op.Round(s.op.Div(s.op.Sub(s.x(0), s.y), s.x(1)))))


def _extreme(s: Step) -> ir.Value:
    """The cotangent goes to the operand that won; operands that tie share it."""
    wins = [s.op.Cast(s.op.Equal(s.x(i), s.y), to=s.op.dtype) for i in range(len(s.node.inputs))]
    ties = s.op.Sum(*wins) if len(wins) > 1 else wins[0]
    return s.op.Mul(s.ct, s.op.Div(wins[s.index], ties))


def _one_minus_square(s: Step, value: ir.Value) -> ir.Value:
    return s.op.Sub(1.0, s.op.Mul(value, value))


def _sigmoid_slope(s: Step) -> ir.Value:
    return s.op.Mul(s.y, s.op.Sub(1.0, s.y))


def _erf_slope(s: Step) -> ir.Value:
    return s.op.Mul(2.0 / math.sqrt(math.pi), s.op.Exp(s.op.Neg(s.op.Mul(s.x(), s.x()))))


def _back_cast(s: Step) -> ir.Value:
    return s.op.Cast(s.ct, to=s.x().dtype)


rule("Identity", lambda s: s.ct)
rule("Cast", _back_cast)
rule("Neg", lambda s: s.op.Neg(s.ct))
rule("Abs", lambda s: s.op.Mul(s.ct, s.op.Sign(s.x())))
rule("Exp", lambda s: s.op.Mul(s.ct, s.y))
rule("Log", lambda s: s.op.Div(s.ct, s.x()))
rule("Sqrt", _root)
rule("Reciprocal", lambda s: s.op.Neg(s.op.Mul(s.ct, s.op.Mul(s.y, s.y))))
rule("Erf", lambda s: s.op.Mul(s.ct, _erf_slope(s)))
rule("Sin", lambda s: s.op.Mul(s.ct, s.op.Cos(s.x())))
rule("Cos", lambda s: s.op.Neg(s.op.Mul(s.ct, s.op.Sin(s.x()))))
rule("Tan", lambda s: s.op.Mul(s.ct, s.op.Add(1.0, s.op.Mul(s.y, s.y))))
rule("Asin", lambda s: s.op.Div(s.ct, s.op.Sqrt(_one_minus_square(s, s.x()))))
rule("Acos", lambda s: s.op.Neg(s.op.Div(s.ct, s.op.Sqrt(_one_minus_square(s, s.x())))))
rule("Atan", lambda s: s.op.Div(s.ct, s.op.Add(1.0, s.op.Mul(s.x(), s.x()))))
rule("Sinh", lambda s: s.op.Mul(s.ct, s.op.Cosh(s.x())))
rule("Cosh", lambda s: s.op.Mul(s.ct, s.op.Sinh(s.x())))
rule("Asinh", lambda s: s.op.Div(s.ct, s.op.Sqrt(s.op.Add(1.0, s.op.Mul(s.x(), s.x())))))
rule("Acosh", lambda s: s.op.Div(s.ct, s.op.Sqrt(s.op.Sub(s.op.Mul(s.x(), s.x()), 1.0))))
rule("Atanh", lambda s: s.op.Div(s.ct, _one_minus_square(s, s.x())))
rule("Relu", _gate)
rule("PRelu", broadcast(_parametric_gate), broadcast(lambda s: s.op.Mul(s.ct, s.op.Min(s.x(), 0.0))))
rule("Elu", lambda s: s.op.Mul(s.ct, _elu_slope(s)))
rule("Gelu", _gelu)
rule("HardSigmoid", lambda s: s.op.Mul(s.ct, _hard_sigmoid_slope(s)))
rule("HardSwish", lambda s: s.op.Mul(s.ct, _hard_swish_slope(s)))
rule("Mod", broadcast(lambda s: s.ct), broadcast(_modulus_divisor))
rule("Max", broadcast(_extreme))
rule("Min", broadcast(_extreme))
rule("Mean", broadcast(lambda s: s.op.Div(s.ct, float(len(s.node.inputs)))))
rule("LeakyRelu", _leaky_gate)
rule("Sigmoid", lambda s: s.op.Mul(s.ct, _sigmoid_slope(s)))
rule("Tanh", lambda s: s.op.Mul(s.ct, s.op.Sub(1.0, s.op.Mul(s.y, s.y))))
rule("Softplus", lambda s: s.op.Mul(s.ct, s.op.Sigmoid(s.x())))
rule("Clip", _clip, None, None)
rule("Add", broadcast(lambda s: s.ct), broadcast(lambda s: s.ct))
rule("Sum", broadcast(lambda s: s.ct))
rule("Sub", broadcast(lambda s: s.ct), broadcast(lambda s: s.op.Neg(s.ct)))
rule("Mul", broadcast(lambda s: s.op.Mul(s.ct, s.x(1))), broadcast(lambda s: s.op.Mul(s.ct, s.x(0))))
rule(
    "Div",
    broadcast(lambda s: s.op.Div(s.ct, s.x(1))),
    broadcast(lambda s: s.op.Neg(s.op.Div(s.op.Mul(s.ct, s.y), s.x(1)))),
)
rule("Pow", broadcast(_pow_base), broadcast(_pow_exponent))
rule(
    "Where",
    None,
    broadcast(lambda s: s.op.Where(s.x(0), s.ct, 0.0)),
    broadcast(lambda s: s.op.Where(s.x(0), 0.0, s.ct)),
)
