"""Softmax and its logarithm."""

from __future__ import annotations

import onnx_ir as ir

from ..registry import Step, rule


def _summed(s: Step, value: ir.Value) -> ir.Value:
    return s.op.ReduceSum(value, [s.attribute("axis", -1)], keepdims=1)


def _softmax(s: Step) -> ir.Value:
    weighted = s.op.Mul(s.ct, s.y)
    return s.op.Sub(weighted, s.op.Mul(s.y, _summed(s, weighted)))


rule("Softmax", _softmax)
rule("LogSoftmax", lambda s: s.op.Sub(s.ct, s.op.Mul(s.op.Exp(s.y), _summed(s, s.ct))))
