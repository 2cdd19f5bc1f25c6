"""Reading a graph: what computes a value, and what is constant in it."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import Any

import onnx_ir as ir
from numpy.typing import NDArray

DESCRIPTION = "fisherlens.description"
"""Key of a node's `meta`, which no file holds, under which stands what messages call the node: the name that its own
file gave it, or whose derivative it computes."""


def described(node: ir.Node) -> str:
    """Name a node as messages do: its operator and its name, or whose derivative it is part of."""
    if DESCRIPTION in node.meta:
        return str(node.meta[DESCRIPTION])
    operator = f"{node.domain}::{node.op_type}" if node.domain else node.op_type
    return f"{operator} (node {node.name or node.outputs[0].name})"


def constant_value(value: ir.Value) -> NDArray[Any] | None:
    """The array behind an initializer or a Constant node, None for anything computed."""
    tensor = ir.convenience.get_const_tensor(value)
    return None if tensor is None else tensor.numpy()


def ancestors(outputs: Iterable[ir.Value]) -> list[ir.Node]:
    """All nodes that the outputs are computed from, in topological order (without recursion: graphs
    are deep)."""
    order: dict[ir.Node, None] = {}
    stack = [(node, False) for output in outputs if (node := output.producer()) is not None]
    while stack:
        node, expanded = stack.pop()
        if node in order:
            continue
        if expanded:
            order[node] = None
            continue
        stack.append((node, True))
        for value in node.inputs:
            producer = value.producer() if value is not None else None
            if producer is not None and producer not in order:
                stack.append((producer, False))
    return list(order)


def copied(node: ir.Node, copies: MutableMapping[ir.Value, ir.Value]) -> ir.Node:
    """The node once more, in no graph, on copies of its inputs where there are some; its outputs join the copies."""
    inputs = [copies.get(value, value) if value is not None else None for value in node.inputs]
    copy = ir.Node(node.domain, node.op_type, inputs, node.attributes.values(), num_outputs=len(node.outputs))
    copy.meta.update(node.meta)
    for output, old in zip(copy.outputs, node.outputs, strict=True):
        output.shape, output.type = old.shape, old.type
    copies.update(zip(node.outputs, copy.outputs, strict=True))
    return copy
