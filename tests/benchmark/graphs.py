"""The graphs of a subject that are timed: the bare forward pass, and what a verdict adds to it."""

from __future__ import annotations

import onnx_ir as ir

from fisherlens.edge.bundle.manifest import Map
from fisherlens.export.fisher.fisher_graph import FisherGraph, fisher_graph
from fisherlens.export.graph.model import as_model
from fisherlens.export.maps.compact import compacted, grid
from fisherlens.export.maps.conditional import add_map
from fisherlens.export.network.forward import join
from fisherlens.export.network.normalise import normalised
from fisherlens.export.network.source import Network

from .networks import Subject

FORWARD = "forward"
ACTIVATIONS = "activations, gradient, map; 1 probe"
PARAMETERS = "the same and parameters; 1 probe"
EXACT = "exact trace"
NOT_TAKEN, TAKEN = "If, not taken", "If, taken"


MAP_BYTES = 2048


def _grid(shape: tuple[int, ...]) -> Map:
    return grid(shape, MAP_BYTES, "fisher", "Fisher information")


def graphs(subject: Subject, network: Network) -> dict[str, bytes]:
    """Models by the name of what they compute."""
    built = {
        FORWARD: _forward(subject, network),
        ACTIVATIONS: _verdict(_graph(subject, network, 1), subject, parameters=False),
        PARAMETERS: _verdict(_graph(subject, network, 1), subject, parameters=True),
        NOT_TAKEN: _conditional(_graph(subject, network, 1), subject),
    }
    if subject.exact:
        graph = _graph(subject, network, 0)
        built[EXACT] = _bytes(graph, {"trace": graph.trace})
    return built


def _graph(subject: Subject, network: Network, probes: int) -> FisherGraph:
    return fisher_graph([normalised(network, subject.shape)], subject.head, probes)


def _bytes(graph: FisherGraph, outputs: dict[str, ir.Value]) -> bytes:
    return ir.to_proto(graph.model({**graph.outputs, **outputs})).SerializeToString()


def _forward(subject: Subject, network: Network) -> bytes:
    """As the framework exports it, with the network's own outputs alone."""
    forward = join([normalised(network, subject.shape).model])
    outputs = {f"output{i}": output for i, output in enumerate(forward.outputs[0])}
    return ir.to_proto(as_model(forward.tape.graph, outputs)).SerializeToString()


def _verdict(graph: FisherGraph, subject: Subject, *, parameters: bool) -> bytes:
    tape, found = graph.tape, graph.information
    values = found.activations + ([tape.Unsqueeze(v, [0]) for v in found.parameters] if parameters else [])
    codes, ends = compacted(tape, found.map, subject.shape, _grid(subject.shape), "root mean square")
    information = tape.Concat(*values, axis=0)
    outputs = {"information": information, "gradient": found.gradient, "map": codes, "map_range": ends}
    return _bytes(graph, outputs)


def _conditional(graph: FisherGraph, subject: Subject) -> bytes:
    """All that needs the reverse pass in the branch of the If: run with `explain` it is taken."""
    never = graph.tape.Greater(0.0, 1.0)
    codes, ends = add_map(graph, graph.information.map, never, _grid(subject.shape))
    return _bytes(graph, {"map": codes, "map_range": ends})
