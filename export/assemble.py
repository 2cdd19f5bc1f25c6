"""The bundle's graph, put together in the order in which the device runs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import onnx_ir as ir
from onnx_ir.passes import common

from fisherlens.edge.cost import FORWARD_PREFIX
from fisherlens.edge.manifest import Map

from .checks import features
from .compact import compacted
from .differentiate import require_rules
from .errors import NetworkError
from .fisher import fisher_map, information
from .heads import Head, Readout
from .layers import WEIGHTED, Layer, layers
from .normalise import move
from .tape import IR_VERSION, OPSET, Tape, shape_of


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
    trace: ir.Value
    features: ir.Value


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
    info = information(tape, readout.roots, forward.layers, results)
    trace = tape.ReduceSum(info.parameters, keepdims=0)
    return Instrumented(forward, readout, trace, features(tape, info.parameters, info.activations, info.energies))


def add_map(instrumented: Instrumented, flagged: ir.Value, spec: Map) -> tuple[ir.Value, ir.Value]:
    """Add the map inside an If: computed where something is flagged or `explain` asks.

    Adds the input `explain`, and returns the outputs `map` and `map_range`, both of zero size where
    nothing was computed.
    """
    forward = instrumented.forward
    explain = ir.val("explain", dtype=ir.DataType.BOOL, shape=())
    forward.tape.graph.inputs.append(explain)
    branches = []
    for fill in (_map_branch, _empty_branch):
        graph = ir.Graph([], [], nodes=[], name=fill.__name__.strip("_"))
        codes, ends = fill(Tape(graph), instrumented, spec)
        codes.dtype, ends.dtype = ir.DataType.UINT8, ir.DataType.FLOAT
        graph.outputs.extend([codes, ends])
        branches.append(graph)
    wanted = forward.tape.Or(flagged, explain)
    codes, ends = forward.tape.If(wanted, outputs=2, then_branch=branches[0], else_branch=branches[1])
    return codes, ends


def _map_branch(tape: Tape, instrumented: Instrumented, spec: Map) -> tuple[ir.Value, ir.Value]:
    forward = instrumented.forward
    about_image = fisher_map(tape, instrumented.readout.roots, forward.images)
    return compacted(tape, about_image, shape_of(forward.image), spec)


def _empty_branch(tape: Tape, instrumented: Instrumented, spec: Map) -> tuple[ir.Value, ir.Value]:
    codes = tape.Cast(tape.zeros((0, 0)), to=ir.DataType.UINT8)
    return codes, tape.zeros((0,))


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
    _name_uniquely(model.graph)
    model = common.ShapeInferencePass(strict_mode=True)(model).model
    return common.CheckerPass(full_check=True)(model).model


def _name_uniquely(graph: ir.Graph) -> None:
    """Number all inner values through, the branches' and bodies' too: each name stands for one value
    in the whole file, which ONNX asks of a graph together with its subgraphs."""
    outside = {value.name for value in (*graph.inputs, *graph.outputs)}
    count = 0
    for part in (graph, *graph.subgraphs()):
        values = [*part.inputs, *part.initializers.values(), *(value for node in part for value in node.outputs)]
        for value in values:
            if value.name not in outside or part is not graph:
                label = value.name if value.is_initializer() and "." in str(value.name) else "value"
                value.name = f"{label}_{count}"
                count += 1
