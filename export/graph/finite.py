"""Where in a graph NaN or infinity comes from."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from .model import session
from .nodes import described


def origin(model: ir.Model, feeds: Mapping[str, NDArray]) -> str | None:
    """Name the first node on the way to what is not finite of a model's outputs: the first whose result is NaN, or
    else infinite, and whose inputs are not. Where an infinite input is what made the NaN, the node that it comes from
    is named as well.

    Infinity that has ended on the way, as that of a mask does in a softmax, is not blamed. The body of a Scan is looked
    into; what happens in other branches and bodies counts as done by the node that holds them. feeds: the model's
    inputs. None where all that nodes compute is finite.
    """
    way = _Way(model.graph)
    nan, infinite = _not_finite(model, feeds)
    for kind, bad in (("NaN", nan), ("infinite", infinite)):
        node = way.first([value for value in model.graph.outputs if value in bad], bad)
        if node is not None:
            cause = way.first([v for v in way.read(node) if v in infinite], infinite) if kind == "NaN" else None
            behind = f", of an infinite result of {described(cause)}" if cause is not None else ""
            return f"{described(node)}, whose result is {kind}{behind}"
    return None


class _Way:
    """The ways through a graph, into the bodies of its Scans and out again."""

    def __init__(self, graph: ir.Graph) -> None:
        self._order = {node: place for place, node in enumerate(_nodes(graph))}
        self._same: dict[ir.Value, ir.Value] = {}
        for node in ir.traversal.RecursiveGraphIterator(graph):
            if (body := _body(node)) is not None:
                self._same.update(zip(node.outputs, body.outputs, strict=True))
                pairs = zip(body.inputs, node.inputs, strict=True)
                self._same.update({inner: outer for inner, outer in pairs if outer is not None})

    def read(self, node: ir.Node) -> list[ir.Value]:
        """The values that a node reads, in its branches and bodies too; outside of a Scan what goes into it."""
        inner = [part for attribute in node.attributes.values() for part in _graphs(attribute)]
        inside = {*inner, *(below for part in inner for below in part.subgraphs())}
        within = (value for part in inside for own in part for value in own.inputs if value is not None)
        captured = [value for value in within if value.graph not in inside]
        return [self._made(value) for value in (*node.inputs, *captured) if value is not None]

    def first(self, ends: Collection[ir.Value], bad: Collection[ir.Value]) -> ir.Node | None:
        """Find, of the nodes that lead to the ends over bad values alone, the first that reads no bad one."""
        reached: set[ir.Node] = set()
        waiting = [self._made(value) for value in ends]
        while waiting:
            node = waiting.pop().producer()
            if node is not None and node not in reached:
                reached.add(node)
                waiting += [value for value in self.read(node) if value in bad]
        beginnings = [node for node in reached if not any(value in bad for value in self.read(node))]
        return min(beginnings, key=self._order.__getitem__, default=None)

    def _made(self, value: ir.Value) -> ir.Value:
        """The value where it is computed."""
        while value in self._same:
            value = self._same[value]
        return value


def _body(node: ir.Node) -> ir.Graph | None:
    """The body of a Scan that stacks its results in the plain way."""
    plain = node.op_type == "Scan" and set(node.attributes) == {"body", "num_scan_inputs"}
    return node.attributes["body"].as_graph() if plain else None


def _nodes(graph: ir.Graph) -> Iterator[ir.Node]:
    """The nodes in their order, in the place of a Scan those of its body."""
    for node in graph:
        body = _body(node)
        if body is None:
            yield node
        else:
            yield from _nodes(body)


def _graphs(attribute: ir.Attr) -> list[ir.Graph]:
    if attribute.type == ir.AttributeType.GRAPH:
        return [attribute.as_graph()]
    return list(attribute.as_graphs()) if attribute.type == ir.AttributeType.GRAPHS else []


def _not_finite(model: ir.Model, feeds: Mapping[str, NDArray]) -> tuple[set[ir.Value], set[ir.Value]]:
    """The values of a model that hold NaN, and those that hold infinity. They are counted in the graph, which keeps
    no intermediate result longer than it must."""
    clone = model.clone()
    clone.graph.outputs[:] = _counts(clone.graph)
    found = np.array(session(clone).run(None, dict(feeds))).reshape(-1, 2) > 0
    values = list(_watched(model.graph))
    nan, infinite = ({value for value, bad in zip(values, column, strict=True) if bad} for column in found.T)
    return nan, infinite


def _watched(graph: ir.Graph) -> Iterator[ir.Value]:
    for node in _nodes(graph):
        yield from _floating(node)


def _floating(node: ir.Node) -> list[ir.Value]:
    return [value for value in node.outputs if value.name and value.dtype in (ir.DataType.FLOAT, ir.DataType.DOUBLE)]


def _counts(graph: ir.Graph) -> list[ir.Value]:
    """Write how often NaN and how often infinity are in each watched value, in turn."""
    counts: list[ir.Value] = []
    for node in list(graph):
        body = _body(node)
        if body is None:
            counts += [_count(graph, v, operator) for v in _floating(node) for operator in ("IsNaN", "IsInf")]
            continue
        inner = _counts(body)
        body.outputs.extend(inner)
        known = len(node.outputs)
        node.resize_outputs(known + len(inner))
        for stacked, count in zip(node.outputs[known:], inner, strict=True):
            stacked.name, stacked.dtype = f"{count.name}.stacked", ir.DataType.FLOAT
            counts.append(_total(graph, stacked))
    return counts


def _count(graph: ir.Graph, value: ir.Value, operator: str) -> ir.Value:
    truth = _appended(graph, operator, value, f"{value.name}.{operator}", ir.DataType.BOOL)
    numbers = _appended(graph, "Cast", truth, f"{truth.name}.number", ir.DataType.FLOAT, to=ir.DataType.FLOAT)
    return _total(graph, numbers)


def _total(graph: ir.Graph, numbers: ir.Value) -> ir.Value:
    total = _appended(graph, "ReduceSum", numbers, f"{numbers.name}.total", ir.DataType.FLOAT, keepdims=0)
    total.shape = ir.Shape(())
    return total


def _appended(
    graph: ir.Graph, operator: str, value: ir.Value, name: str, dtype: ir.DataType, **attributes: int
) -> ir.Value:
    node = ir.node(operator, [value], attributes=attributes or None, name=name)
    graph.append(node)
    node.outputs[0].name, node.outputs[0].dtype = name, dtype
    return node.outputs[0]
