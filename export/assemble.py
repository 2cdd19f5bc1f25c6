"""The bundle's graph, put together in the order in which the device runs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import onnx_ir as ir
from onnx_ir.passes import common

from fisherlens.edge.cost import FORWARD_PREFIX
from fisherlens.edge.manifest import Map

from .checks import Selection, features
from .compact import compacted
from .differentiate import require_rules
from .errors import NetworkError
from .fisher import Information, information
from .heads import Head, Readout
from .layers import WEIGHTED, Layer, layers
from .tape import IR_VERSION, OPSET, Tape, move, shape_of


@dataclass(frozen=True)
class Forward:
    """All members in one graph that reads `image`.

    images: each member's own copy of the image, so that derivatives can be taken one by one.
    """

    tape: Tape
    image: ir.Value
    images: list[ir.Value]
    outputs: list[list[ir.Value]]
    layers: list[Layer]


@dataclass(frozen=True)
class Instrumented:
    """The forward graph with its head and Fisher quantities: what calibration runs."""

    forward: Forward
    readout: Readout
    information: Information
    trace: ir.Value
    features: ir.Value
    selection: Selection

    def with_only(self, selection: Selection) -> Instrumented:
        """The same with a profile of the selected quantities alone."""
        chosen = features(self.forward.tape, self.information, selection)
        return replace(self, features=chosen, selection=selection)


def join(members: Sequence[ir.Model]) -> Forward:
    """One graph of several normalised members; it takes their nodes."""
    (first,) = members[0].graph.inputs
    image = ir.val("image", dtype=ir.DataType.FLOAT, shape=shape_of(first))
    graph = ir.Graph([image], [], nodes=[], name="fisherlens", opset_imports={"": OPSET})
    tape = Tape(graph)
    images, outputs, found = [], [], []
    for number, member in enumerate(members):
        own = tape.Identity(image)
        own.shape, own.dtype = image.shape, image.dtype
        results = list(member.graph.outputs)
        found += layers(member.graph)
        for node in member.graph:
            node.name = f"{FORWARD_PREFIX}{number}/{node.name}"
        ir.convenience.replace_all_uses_with(member.graph.inputs[0], own, replace_graph_outputs=True)
        move(member.graph, graph, prefix=f"member{number}.")
        images.append(own)
        outputs.append(results)
    return Forward(tape, image, images, outputs, found)


def instrument(forward: Forward, head: Head, probes: int | None) -> Instrumented:
    """Add the head's outputs, the Fisher trace and the profile's features."""
    tape = forward.tape
    results = [output for outputs in forward.outputs for output in outputs]
    require_rules(forward.images, results)
    if not forward.layers:
        raise NetworkError(f"no layer with learned weights, expected at least one of {', '.join(WEIGHTED)}")
    readout = head.read_out(tape, forward.outputs, probes)
    info = information(tape, readout.roots, forward.layers, results, forward.images)
    whole = Selection.everything(info)
    return Instrumented(forward, readout, info, tape.Sum(*info.parameters), features(tape, info, whole), whole)


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
    codes = compacted(Tape(computed), instrumented.information.map, shape_of(forward.image), spec)
    empty = Tape(left_out)
    nothing = empty.Cast(empty.zeros((0, 0)), to=ir.DataType.UINT8), empty.zeros((0,))
    for graph, results in ((computed, codes), (left_out, nothing)):
        results[0].dtype, results[1].dtype = ir.DataType.UINT8, ir.DataType.FLOAT
        graph.outputs.extend(results)
    wanted = forward.tape.Or(flagged, explain)
    codes, ends = forward.tape.If(wanted, outputs=2, then_branch=computed, else_branch=left_out)
    return codes, ends


def sink(graph: ir.Graph) -> None:
    """Move nodes that only one branch of an If uses into that branch: what is not taken costs nothing."""
    for branch in [branch for node in graph if node.op_type == "If" for branch in _branches(node)]:
        for node in reversed(list(graph)):
            users = [user for output in node.outputs for user in output.consumers()]
            if users and all(user.graph is branch for user in users) and not _is_output(graph, node):
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
