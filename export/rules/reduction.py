"""Sums and means over axes."""

from __future__ import annotations

import math

import onnx_ir as ir

from ..registry import Step, rule


def _axes(s: Step) -> list[int]:
    """The reduced axes, counted from the front; none given means all, or none if the node says so."""
    rank = len(s.shape())
    axes = [int(axis) % rank for axis in s.known(1, default=[]).ravel()]
    if not axes and not s.attribute("noop_with_empty_axes", 0):
        return list(range(rank))
    return axes


def _spread(s: Step) -> ir.Value:
    """The cotangent of a sum: repeated along the axes that were summed."""
    kept = s.attribute("keepdims", 1)
    axes = _axes(s)
    ct = s.ct if kept or not axes else s.op.Unsqueeze(s.ct, sorted(axes))
    return s.op.Expand(ct, list(s.shape()))


def _count(s: Step) -> float:
    return float(math.prod(s.shape()[axis] for axis in _axes(s)))


def _global_average(s: Step) -> ir.Value:
    pixels = float(math.prod(s.shape()[2:]))
    return s.op.Expand(s.op.Div(s.ct, pixels), list(s.shape()))


rule("ReduceSum", _spread, None)
rule("ReduceMean", lambda s: s.op.Div(_spread(s), _count(s)), None)
rule("ReduceSumSquare", lambda s: s.op.Mul(_spread(s), s.op.Mul(2.0, s.x())), None)
rule("GlobalAveragePool", _global_average)
