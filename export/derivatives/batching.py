"""Several cotangents in one pass: a reverse pass written for one, made to carry S along axis 0.

The forward graph has a batch of one. Where each node of its reverse pass keeps axis 0 apart from the
others, S cotangents can go through together, and kernels work on larger matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np
import onnx_ir as ir

from ..graph.nodes import constant_value
from ..graph.tape import shape_of


def batch(graph: ir.Graph, rows: int) -> bool:
    """Rewrite the nodes of `graph`, whose inputs have a leading axis of one, for inputs with `rows`
    there. Returns False, and leaves all as it is, where a node mixes axis 0 with others."""
    carried: set[ir.Value] = set(graph.inputs)
    reshapes = []
    for node in graph:
        if carried.isdisjoint(node.inputs):
            continue
        if not _keeps_apart(node, carried):
            return False
        carried.update(node.outputs)
        if node.op_type == "Reshape":
            reshapes.append(node)
    for node in reshapes:
        _widen_target(graph, node, rows)
    for value in carried:
        if value.shape is not None and len(value.shape):
            value.shape = ir.Shape((rows, *shape_of(value)[1:]))
    return True


def _keeps_apart(node: ir.Node, carried: Collection[ir.Value]) -> bool:
    keeps = KEEPS_ROWS_APART.get(node.op_type)
    known = all(value is None or value.shape is not None for value in (*node.inputs, *node.outputs))
    return keeps is not None and known and keeps(node, carried)


def _elementwise(node: ir.Node, carried: Collection[ir.Value]) -> bool:
    """Operands that are not carried may not have anything along axis 0."""
    rank = len(shape_of(node.outputs[0]))
    for value in node.inputs:
        if value is None:
            continue
        shape = shape_of(value)
        if value in carried:
            if len(shape) != rank or shape[0] != 1:
                return False
        elif len(shape) == rank and shape and shape[0] != 1:
            return False
    return rank > 0


def _first_only(node: ir.Node, carried: Collection[ir.Value]) -> bool:
    return node.inputs[0] in carried and not any(value in carried for value in node.inputs[1:])


def _product(node: ir.Node, carried: Collection[ir.Value]) -> bool:
    """Rows of the left matrix, or matrices of a stack."""
    ranks = [len(shape_of(value)) for value in node.inputs if value is not None]
    if ranks == [2, 2]:
        return _first_only(node, carried)
    rank = max(ranks)
    return rank > 2 and _elementwise_batch(node, carried, rank)


def _elementwise_batch(node: ir.Node, carried: Collection[ir.Value], rank: int) -> bool:
    for value in node.inputs:
        assert value is not None
        shape = shape_of(value)
        full = len(shape) == rank
        if (value in carried and not full) or (full and shape[0] != 1):
            return False
    return True


def _reshape(node: ir.Node, carried: Collection[ir.Value]) -> bool:
    have, want = (shape_of(value) for value in (node.inputs[0], node.outputs[0]) if value is not None)
    return _first_only(node, carried) and have[:1] == want[:1] == (1,)


def _transpose(node: ir.Node, carried: Collection[ir.Value]) -> bool:
    perm = node.attributes.get("perm")
    return perm is not None and perm.as_ints()[0] == 0


def _over_axes(position: int) -> Callable[[ir.Node, Collection[ir.Value]], bool]:
    """Operators whose axes are an input: axis 0 may not be among them."""

    def keeps(node: ir.Node, carried: Collection[ir.Value]) -> bool:
        axes = node.inputs[position] if len(node.inputs) > position else None
        found = constant_value(axes) if axes is not None else None
        first = node.inputs[0]
        assert first is not None
        rank = len(shape_of(first)) + (len(found) if found is not None and node.op_type == "Unsqueeze" else 0)
        return _first_only(node, carried) and found is not None and 0 not in [int(axis) % rank for axis in found]

    return keeps


def _pad(node: ir.Node, carried: Collection[ir.Value]) -> bool:
    assert node.inputs[1] is not None
    pads = constant_value(node.inputs[1])
    whole = len(node.inputs) < 4 or node.inputs[3] is None
    return _first_only(node, carried) and whole and pads is not None and pads[0] == pads[len(pads) // 2] == 0


def _along_axis(node: ir.Node, carried: Collection[ir.Value]) -> bool:
    first = node.inputs[0]
    assert first is not None
    return node.attributes.get_int("axis", 0) % len(shape_of(first)) != 0


def _concat(node: ir.Node, carried: Collection[ir.Value]) -> bool:
    return _along_axis(node, carried) and all(value in carried for value in node.inputs)


def _matrix(node: ir.Node, carried: Collection[ir.Value]) -> bool:
    return _first_only(node, carried) and not node.attributes.get_int("transA", 0)


def _expand(node: ir.Node, carried: Collection[ir.Value]) -> bool:
    first = node.inputs[0]
    assert first is not None
    return len(shape_of(first)) == len(shape_of(node.outputs[0])) and shape_of(node.outputs[0])[0] == 1


KEEPS_ROWS_APART: dict[str, Callable[[ir.Node, Collection[ir.Value]], bool]] = {
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Sum", "Neg", "Identity", "Cast", "Where", "Exp"), _elementwise),
    **dict.fromkeys(("Conv", "ConvTranspose", "DepthToSpace", "SpaceToDepth", "AveragePool"), _first_only),
    **dict.fromkeys(("ReduceSum", "ReduceMean", "Squeeze", "Unsqueeze"), _over_axes(1)),
    "Concat": _concat,
    "Expand": _expand,
    "Gemm": _matrix,
    "MatMul": _product,
    "Pad": _pad,
    "Reshape": _reshape,
    "Slice": _over_axes(3),
    "Transpose": _transpose,
}
"""For each operator that rules write, whether a node of it keeps axis 0 apart. Of operators that are not in here, none
does: a reverse pass with one of them takes its rows one after the other."""

ONE_BY_ONE = {
    "CumSum": "its rule sums up the other way round by CumSum, whose axis is an input",
    "DFT": "its rule transforms back by DFT, whose axis may be the first",
    "Einsum": "its rule is an Einsum, whose letters tell the axes apart",
    "Gather": "cotangents are scattered to places that are counted along axis 0",
    "GatherElements": "cotangents are scattered to places that are counted along axis 0",
    "GatherND": "cotangents are scattered to places that are counted along axis 0",
    "MaxPool": "cotangents are scattered to the winners, which are counted over the whole image",
    "Tile": "copies along axis 0 are added up",
    "TopK": "cotangents are scattered to the winners",
    "Trilu": "its rule is a Trilu, of stacked matrices",
}
"""Operators whose rules write something that mixes rows, and why."""


def _widen_target(graph: ir.Graph, node: ir.Node, rows: int) -> None:
    target = node.inputs[1]
    assert target is not None
    shape = (rows, *shape_of(node.outputs[0])[1:])
    name = f"shape_{len(graph.initializers)}"
    array = np.asarray(shape, np.int64)
    value = ir.val(name, dtype=ir.DataType.INT64, shape=array.shape, const_value=ir.tensor(array, name=name))
    graph.register_initializer(value)
    node.replace_input_with(1, value)
