"""Numpy-style broadcasting, undone on the way back."""

from __future__ import annotations

import onnx_ir as ir

from ...graph.tape import Tape, shape_of
from ..registry import Rule, Step


def unbroadcast(op: Tape, ct: ir.Value, from_shape: tuple[int, ...], to_shape: tuple[int, ...]) -> ir.Value:
    """Sum a cotangent of `from_shape` over the axes along which `to_shape` was repeated."""
    if from_shape == to_shape:
        return ct
    padded = (1,) * (len(from_shape) - len(to_shape)) + to_shape
    axes = [i for i, (have, want) in enumerate(zip(from_shape, padded, strict=True)) if want == 1 != have]
    if axes:
        ct = op.ReduceSum(ct, axes, keepdims=1)
    return ct if padded == to_shape else op.Reshape(ct, list(to_shape))


def broadcast(rule: Rule) -> Rule:
    """A rule written as if the input had the output's shape."""

    def pull(s: Step) -> ir.Value:
        return unbroadcast(s.op, rule(s), shape_of(s.y), s.shape(s.index))

    return pull
