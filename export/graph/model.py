"""The bundle's graph, put together in the order in which the device runs it."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes import common

from fisherlens.edge.bundle.cost import FORWARD_PREFIX
from fisherlens.edge.bundle.manifest import Map

from ..fisher.fisher_graph import Instrumented
from ..maps import MAPS
from ..maps.compact import compacted
from .tape import IR_VERSION, Tape, shape_of


def add_map(instrumented: Instrumented, flagged: ir.Value, spec: Map) -> tuple[ir.Value, ir.Value]:
    """Add the map inside an If: computed where something is flagged or `explain` asks, with whatever of
    the graph only the map needs.

    Adds the input `explain`, and returns the outputs `map` and `map_range`, both of zero size where
    nothing was computed.
    """
    forward = instrumented.forward
    explain = ir.val("explain", dtype=ir.DataType.BOOL, shape=())
    forward.tape.graph.inputs.append(explain)
    computed, left_out = (ir.Graph([], [], nodes=[], name=name) for name in ("map", "no_map"))
    kind = MAPS[spec.kind]
    codes = compacted(Tape(computed), kind.values(instrumented), shape_of(forward.image), spec, kind.pooled)
    empty = Tape(left_out)
    nothing = empty.Cast(empty.zeros((0, 0)), to=ir.DataType.UINT8), empty.zeros((0,))
    for graph, results in ((computed, codes), (left_out, nothing)):
        results[0].dtype, results[1].dtype = ir.DataType.UINT8, ir.DataType.FLOAT
        graph.outputs.extend(results)
    wanted = forward.tape.Or(flagged, explain)
    codes, ends = forward.tape.If(wanted, outputs=2, then_branch=computed, else_branch=left_out)
    return codes, ends


_LARGE = 2**40
"""More elements than any weight has."""


def sink(graph: ir.Graph) -> None:
    """Move nodes that only one branch of an If uses into that branch: what is not taken costs nothing."""
    for branch in [branch for node in graph if node.op_type == "If" for branch in _branches(node)]:
        inside = {branch, *branch.subgraphs()}
        for node in reversed(list(graph)):
            users = [user for output in node.outputs for user in output.consumers()]
            if users and all(user.graph in inside for user in users) and not _is_output(graph, node):
                inside.update(_branches(node))
                first = next(iter(branch))
                graph.remove(node)
                branch.insert_before(first, node)


def _branches(node: ir.Node) -> list[ir.Graph]:
    return [attribute.as_graph() for attribute in node.attributes.values() if attribute.type == ir.AttributeType.GRAPH]


def _is_output(graph: ir.Graph, node: ir.Node) -> bool:
    return any(output in graph.outputs for output in node.outputs)


def as_model(graph: ir.Graph, outputs: dict[str, ir.Value]) -> ir.Model:
    """A model of its own with those outputs, named so, and nothing that they do not need."""
    named = []
    for name, value in outputs.items():
        output = Tape(graph).Identity(value)
        output.name = name
        named.append(output)
    graph.outputs[:] = named
    model = ir.Model(graph, ir_version=IR_VERSION, producer_name="fisherlens").clone()
    for node in [output.producer() for output in named]:
        assert node is not None
        graph.outputs[:] = []
        graph.remove(node, safe=True)
    common.RemoveUnusedNodesPass()(model)
    common.DeduplicateHashedInitializersPass(size_limit=_LARGE)(model)  # members with masks share their weights
    sink(model.graph)
    _name_uniquely(model.graph)
    model = common.ShapeInferencePass(strict_mode=True)(model).model
    return common.CheckerPass(full_check=True)(model).model


def _name_uniquely(graph: ir.Graph) -> None:
    """Number all inner values and nodes through, the branches' and bodies' too: each name stands for one
    of them in the whole file, which ONNX asks of a graph together with its subgraphs."""
    outside = {value.name for value in (*graph.inputs, *graph.outputs)}
    inner: list[ir.Value] = []
    for part in (graph, *graph.subgraphs()):
        values = [*part.inputs, *part.initializers.values(), *(value for node in part for value in node.outputs)]
        inner += [value for value in values if value.name not in outside or part is not graph]
    for count, node in enumerate(node for part in (graph, *graph.subgraphs()) for node in part):
        label = str(node.name) if str(node.name).startswith(FORWARD_PREFIX) else node.op_type
        node.name = f"{label}_{count}"
    labels = [str(value.name) if value.is_initializer() and "." in str(value.name) else "value" for value in inner]
    for stage in ("renamed", ""):  # a new name may still be another value's old one
        for count, (value, label) in enumerate(zip(inner, labels, strict=True)):
            value.name = f"{stage or label}_{count}"
