"""Sums and means over axes."""

from __future__ import annotations

import math

import numpy as np
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


def _extreme(s: Step) -> ir.Value:
    """The cotangent goes to the elements that won; elements that tie share it."""
    axes, kept = _axes(s), s.attribute("keepdims", 1)
    best = s.y if kept or not axes else s.op.Unsqueeze(s.y, sorted(axes))
    return _shared(s, best, axes, _spread(s))


def _shared(s: Step, best: ir.Value, axes: list[int], spread: ir.Value) -> ir.Value:
    wins = s.op.Cast(s.op.Equal(s.x(), best), to=s.op.dtype)
    ties = s.op.ReduceSum(wins, axes, keepdims=1) if axes else wins
    return s.op.Mul(spread, s.op.Div(wins, ties))


def _global_maximum(s: Step) -> ir.Value:
    axes = list(range(2, len(s.shape())))
    return _shared(s, s.y, axes, s.op.Expand(s.ct, list(s.shape())))


def _product(s: Step) -> ir.Value:
    """The product of the other elements. Each row is repeated for each of its elements, with a one in
    that element's place: exact at zeros too, where y / x is not."""
    shape, axes = s.shape(), _axes(s)
    last = [*(i for i in range(len(shape)) if i not in axes), *axes]
    moved = [shape[i] for i in last]
    count = math.prod(shape[i] for i in axes)
    rows = s.op.Reshape(s.op.Transpose(s.x(), perm=last), [-1, 1, count])
    others = s.op.ReduceProd(s.op.Where(np.eye(count, dtype=bool), 1.0, rows), [2], keepdims=0)
    back = [last.index(i) for i in range(len(shape))]
    return s.op.Mul(_spread(s), s.op.Transpose(s.op.Reshape(others, moved), perm=back))


rule("ReduceSum", _spread, None)
rule("ReduceMax", _extreme, None)
rule("ReduceMin", _extreme, None)
rule("ReduceProd", _product, None)
rule("GlobalMaxPool", _global_maximum)
rule("ReduceMean", lambda s: s.op.Div(_spread(s), _count(s)), None)
rule("ReduceSumSquare", lambda s: s.op.Mul(_spread(s), s.op.Mul(2.0, s.x())), None)
rule("GlobalAveragePool", _global_average)
