"""Operators that choose elements by index: Slice, Pad, Gather and what undoes them."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ...errors import NetworkError
from ...graph.nodes import described
from ...graph.tape import Tape, shape_of
from ..registry import Step, rule


def _scatter_along(
    op: Tape, ct: ir.Value, ct_shape: tuple[int, ...], indices: NDArray, axis: int, length: int
) -> ir.Value:
    """Add the slices of `ct` along `axis` into zeros of that `length`, each at its index."""
    view = [1] * len(ct_shape)
    view[axis] = -1
    where = op.Expand(indices.astype(np.int64).reshape(view), list(ct_shape))
    shape = (*ct_shape[:axis], length, *ct_shape[axis + 1 :])
    return op.ScatterElements(op.zeros(shape), where, ct, axis=axis, reduction="add")


def _slice(s: Step) -> ir.Value:
    """Axis by axis: zeros between the picked elements, then zeros before and after."""
    starts, ends = s.known(1), s.known(2)
    axes = s.known(3, default=range(len(starts)))
    steps = s.known(4, default=[1] * len(starts))
    ct, ct_shape = s.ct, list(shape_of(s.y))
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis = int(axis) % len(ct_shape)
        length = s.shape()[axis]
        picked = np.arange(length)[slice(*_bounds(int(start), int(end), int(step)))]
        ct = _placed(s.op, ct, ct_shape, axis, length, picked)
        ct_shape[axis] = length
    return ct


def _bounds(start: int, end: int, step: int) -> tuple[int, int | None, int]:
    """ONNX says "to the very start" of a backward slice by an end below every index."""
    return start, (None if step < 0 and end < -(2**31) + 1 else end), step


def _placed(op: Tape, ct: ir.Value, ct_shape: list[int], axis: int, length: int, picked: NDArray) -> ir.Value:
    """The elements of `ct` at the evenly spaced places `picked` of an axis of zeros."""
    count = len(picked)
    if count == 0:
        return op.zeros((*ct_shape[:axis], length, *ct_shape[axis + 1 :]))
    if count > 1 and picked[1] < picked[0]:
        ct = op.Slice(ct, [-1], [-(2**62)], [axis], [-1])
        picked = picked[::-1]
    step = int(picked[1] - picked[0]) if count > 1 else 1
    if step > 1:
        wide = [*ct_shape[:axis], count, 1, *ct_shape[axis + 1 :]]
        ct = _padded(op, op.Reshape(ct, wide), len(wide), axis + 1, 0, step - 1)
        ct = op.Reshape(ct, [*ct_shape[:axis], count * step, *ct_shape[axis + 1 :]])
        ct = op.Slice(ct, [0], [(count - 1) * step + 1], [axis])
    return _padded(op, ct, len(ct_shape), axis, int(picked[0]), length - 1 - int(picked[-1]))


def _padded(op: Tape, value: ir.Value, rank: int, axis: int, before: int, after: int) -> ir.Value:
    pads = [0] * (2 * rank)
    pads[axis], pads[axis + rank] = before, after
    return op.Pad(value, pads) if before or after else value


def _pad(s: Step) -> ir.Value:
    mode = s.attribute("mode", "constant")
    shape = s.shape()
    axes = [int(axis) % len(shape) for axis in s.known(3, default=range(len(shape)))]
    before, after = np.split(s.known(1), 2)
    ct, ct_shape = s.ct, list(shape_of(s.y))
    for axis, lead, trail in zip(axes, before, after, strict=True):
        if lead or trail:
            source = _source(s, mode, shape[axis], int(lead), int(trail))
            inside = np.flatnonzero(source >= 0)
            ct = s.op.Slice(ct, [int(inside[0])], [int(inside[-1]) + 1], [axis])
            ct_shape[axis] = len(inside)
            ct = _collected(s.op, ct, tuple(ct_shape), source[inside], axis, shape[axis])
            ct_shape[axis] = shape[axis]
    return ct


def _collected(op: Tape, ct: ir.Value, ct_shape: tuple[int, ...], source: NDArray, axis: int, length: int) -> ir.Value:
    if np.array_equal(source, np.arange(length)):
        return ct
    return _scatter_along(op, ct, ct_shape, source, axis, length)


def _source(s: Step, mode: str, length: int, before: int, after: int) -> NDArray[np.int64]:
    """For each padded position the index it was read from, -1 for the constant."""
    modes = {"constant": "constant", "reflect": "reflect", "edge": "edge", "wrap": "wrap"}
    if mode not in modes:
        raise NetworkError(f"{described(s.node)}: mode {mode}, expected one of {', '.join(modes)}")
    keep = np.arange(length)[max(0, -before) : length - max(0, -after)]
    widths = (max(0, before), max(0, after))
    if mode == "constant":
        return np.pad(keep, widths, constant_values=-1)
    return np.pad(keep, widths, mode=modes[mode])  # type: ignore[call-overload]


def _gather(s: Step) -> ir.Value:
    axis = s.attribute("axis", 0) % len(s.shape())
    indices_shape = s.shape(1)
    shape = s.shape()
    flat = (*shape[:axis], int(np.prod(indices_shape)), *shape[axis + 1 :])
    view = [1] * len(shape)
    view[axis] = -1
    where = s.op.Expand(s.op.Reshape(s.x(1), view), list(flat))
    ct = s.op.Reshape(s.ct, list(flat))
    return s.op.ScatterElements(s.op.zeros(shape), where, ct, axis=axis, reduction="add")


def _gather_elements(s: Step) -> ir.Value:
    zeros = s.op.zeros(s.shape())
    return s.op.ScatterElements(zeros, s.x(1), s.ct, axis=s.attribute("axis", 0), reduction="add")


def _scattered(s: Step) -> ir.Value:
    _reduction(s)
    return s.op.GatherElements(s.ct, s.x(1), axis=s.attribute("axis", 0))


def _scattered_into(s: Step) -> ir.Value:
    """What was replaced does not count."""
    if _reduction(s) == "add":
        return s.ct
    return s.op.ScatterElements(s.ct, s.x(1), s.op.zeros(s.shape(2)), axis=s.attribute("axis", 0))


def _scattered_slices(s: Step) -> ir.Value:
    _reduction(s)
    return s.op.GatherND(s.ct, s.x(1))


def _scattered_slices_into(s: Step) -> ir.Value:
    if _reduction(s) == "add":
        return s.ct
    return s.op.ScatterND(s.ct, s.x(1), s.op.zeros(s.shape(2)))


def _reduction(s: Step) -> str:
    reduction = str(s.attribute("reduction", "none"))
    if reduction not in ("none", "add"):
        raise NetworkError(f"{described(s.node)}: reduction {reduction}, expected none or add")
    return reduction


def _gather_slices(s: Step) -> ir.Value:
    """Added up where slices were read more than once. Batch axes become indices like the others."""
    batch, indices = s.attribute("batch_dims", 0), s.x(1)
    if batch:
        own = np.indices(s.shape(1)[:-1])[:batch]
        indices = s.op.Concat(np.moveaxis(own, 0, -1).astype(np.int64), indices, axis=-1)
    return s.op.ScatterND(s.op.zeros(s.shape()), indices, s.ct, reduction="add")


def _best(s: Step) -> ir.Value:
    """The cotangent goes to the elements that were among the best."""
    axis = s.attribute("axis", -1)
    return s.op.ScatterElements(s.op.zeros(s.shape()), s.node.outputs[1], s.ct, axis=axis, reduction="add")


def _one_hot_values(s: Step) -> ir.Value:
    """[off, on]: the sums of the cotangent over the places of each."""
    hot = s.op.OneHot(s.x(0), s.x(1), s.op.floats([0.0, 1.0]), axis=s.attribute("axis", -1))
    on = s.op.ReduceSum(s.op.Mul(s.ct, hot), keepdims=0)
    off = s.op.Sub(s.op.ReduceSum(s.ct, keepdims=0), on)
    return s.op.Concat(s.op.Unsqueeze(off, [0]), s.op.Unsqueeze(on, [0]), axis=0)


def _cumulated(s: Step) -> ir.Value:
    turned = 1 - s.attribute("reverse", 0)
    return s.op.CumSum(s.ct, s.x(1), exclusive=s.attribute("exclusive", 0), reverse=turned)


def _reversed_sequence(s: Step) -> ir.Value:
    axes = {"batch_axis": s.attribute("batch_axis", 1), "time_axis": s.attribute("time_axis", 0)}
    return s.op.ReverseSequence(s.ct, s.x(1), **axes)


def _triangle(s: Step) -> ir.Value:
    return s.op.Trilu(s.ct, s.x(1) if s.has(1) else None, upper=s.attribute("upper", 1))


rule("Slice", _slice, None, None, None, None)
rule("Pad", _pad, None, None, None)
rule("Gather", _gather, None)
rule("GatherElements", _gather_elements, None)
rule("GatherND", _gather_slices, None)
rule("ScatterElements", _scattered_into, None, _scattered)
rule("ScatterND", _scattered_slices_into, None, _scattered_slices)
rule("TopK", _best, None)
rule("OneHot", None, None, _one_hot_values)
rule("CumSum", _cumulated, None)
rule("ReverseSequence", _reversed_sequence, None)
rule("Trilu", _triangle, None)
