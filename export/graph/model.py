"""A finished graph as a model: what is not needed left out, put in the order in which the device runs it."""

from __future__ import annotations

import onnx_ir as ir
from onnx_ir.passes import common

from fisherlens.edge.bundle import Session, open_session
from fisherlens.edge.bundle.cost import FORWARD_PREFIX

from .rematerialisation import branches, hold_weights, rematerialise
from .tape import IR_VERSION, Tape

_LARGE = 2**40
"""More elements than any weight has."""


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
    _share_equal_weights(model)
    sink(model.graph)
    rematerialise(model.graph)
    hold_weights(model.graph)
    common.RemoveUnusedNodesPass()(model)
    _name_uniquely(model.graph)
    model = common.ShapeInferencePass(strict_mode=True)(model).model
    return common.CheckerPass(full_check=True)(model).model


def session(model: ir.Model, threads: int | None = None) -> Session:
    """Open a model for running. threads: see `open_session`."""
    return open_session(ir.to_proto(model).SerializeToString(), threads)


def _share_equal_weights(model: ir.Model) -> None:
    """Store equal initializers once, as members with dropout masks have them; but not what is known by its name
    and may be replaced by itself."""
    initializers = model.graph.initializers
    apart = [value for name, value in initializers.items() if name.startswith(TABLES)]
    for value in apart:
        initializers.pop(str(value.name))
    common.DeduplicateHashedInitializersPass(size_limit=_LARGE)(model)
    for value in apart:
        model.graph.register_initializer(value)


TABLES = "usual."
"""How names of initializers begin that hold what usual images gave."""


def sink(graph: ir.Graph) -> None:
    """Move nodes that only one branch of an If uses into that branch: what is not taken costs nothing."""
    for branch in [branch for node in graph if node.op_type == "If" for branch in branches(node)]:
        inside = {branch, *branch.subgraphs()}
        for node in reversed(list(graph)):
            users = [user for output in node.outputs for user in output.consumers()]
            if users and all(user.graph in inside for user in users) and not _is_output(graph, node):
                inside.update(branches(node))
                first = next(iter(branch))
                graph.remove(node)
                branch.insert_before(first, node)


def _is_output(graph: ir.Graph, node: ir.Node) -> bool:
    return any(output in graph.outputs for output in node.outputs)


def _name_uniquely(graph: ir.Graph) -> None:
    """Number all inner values and nodes through, the branches' and bodies' too: each name stands for one
    of them in the whole file, which ONNX asks of a graph together with its subgraphs.

    Initializers that are called by their owner, a dot and a name keep that: members' weights, tables of usual images.
    """
    outside = {value.name for value in (*graph.inputs, *graph.outputs)}
    inner: list[ir.Value] = []
    for part in (graph, *graph.subgraphs()):
        values = [*part.inputs, *part.initializers.values(), *(value for node in part for value in node.outputs)]
        outer = outside if part is graph else set()
        inner += [value for value in values if value.name not in outer and not _is_lasting(value)]
    for count, node in enumerate(node for part in (graph, *graph.subgraphs()) for node in part):
        label = str(node.name) if str(node.name).startswith(FORWARD_PREFIX) else node.op_type
        node.name = f"{label}_{count}"
    for stage in ("renamed", "value"):  # a new name may still be another value's old one
        for count, value in enumerate(inner):
            value.name = f"{stage}_{count}"


def _is_lasting(value: ir.Value) -> bool:
    return value.is_initializer() and "." in str(value.name)
