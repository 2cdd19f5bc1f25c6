"""Operators that act on each element by itself."""

from __future__ import annotations

import math

import onnx_ir as ir

from ..registry import Step, rule
from .broadcasting import broadcast


def _clip(s: Step) -> ir.Value:
    inside = s.op.GreaterOrEqual(s.x(), s.x(1)) if s.has(1) else None
    if s.has(2):
        below = s.op.LessOrEqual(s.x(), s.x(2))
        inside = below if inside is None else s.op.And(inside, below)
    return s.ct if inside is None else s.op.Where(inside, s.ct, 0.0)


def _exponent(s: Step) -> ir.Value:
    return s.x(1) if s.x(1).dtype == s.x().dtype else s.op.Cast(s.x(1), to=s.op.dtype)


def _pow_base(s: Step) -> ir.Value:
    # x^(a-1) is infinite at x = 0 for a < 1; at a = 0 the product with a would be NaN, not 0.
    a = _exponent(s)
    slope = s.op.Mul(a, s.op.Pow(s.x(), s.op.Sub(a, 1.0)))
    return s.op.Mul(s.ct, s.op.Where(s.op.Equal(a, 0.0), 0.0, slope))


def _pow_exponent(s: Step) -> ir.Value:
    positive = s.op.Greater(s.x(), 0.0)
    log = s.op.Log(s.op.Where(positive, s.x(), 1.0))
    return s.op.Mul(s.ct, s.op.Mul(s.y, log))


def _gate(s: Step) -> ir.Value:
    return s.op.Where(s.op.Greater(s.x(), 0.0), s.ct, 0.0)


def _leaky_gate(s: Step) -> ir.Value:
    return s.op.Where(s.op.Greater(s.x(), 0.0), s.ct, s.op.Mul(s.ct, float(s.attribute("alpha", 0.01))))


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
rule("Sqrt", lambda s: s.op.Div(s.ct, s.op.Mul(2.0, s.y)))
rule("Reciprocal", lambda s: s.op.Neg(s.op.Mul(s.ct, s.op.Mul(s.y, s.y))))
rule("Erf", lambda s: s.op.Mul(s.ct, _erf_slope(s)))
rule("Relu", _gate)
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
