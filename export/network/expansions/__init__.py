"""Operators written out in others: bodies, as the standard has for some operators, for those that it
has none for and whose derivative then needs no rule.

Each is a function of the tape and the node, which writes the operators and returns the node's results.
"""

from __future__ import annotations

import onnx_ir as ir

from ...errors import NetworkError
from ...graph.tape import Tape
from . import control, recurrent, regions, sampling, selection
from .expansion import Expansion

EXPANSIONS: dict[str, Expansion] = {
    **control.EXPANSIONS,
    **recurrent.EXPANSIONS,
    **regions.EXPANSIONS,
    **sampling.EXPANSIONS,
    **selection.EXPANSIONS,
}


def expand(graph: ir.Graph) -> bool:
    """Replace the nodes of a graph that have an expansion, in place; returns whether there were any.
    What was written out can hold further ones: expand again, once its shapes are inferred.

    Raises NetworkError with the reasons of all nodes that cannot be written out.
    """
    found = [node for node in graph if not node.domain and node.op_type in EXPANSIONS]
    refusals = []
    for node in found:
        try:
            _replace(graph, node)
        except NetworkError as error:
            refusals.append(str(error))
    if refusals:
        raise NetworkError("; ".join(refusals))
    return bool(found)


def _replace(graph: ir.Graph, node: ir.Node) -> None:
    part = ir.Graph([], [], nodes=[], name=str(node.name))
    results = EXPANSIONS[node.op_type](Tape(part), node)
    for output, result in zip(node.outputs, results, strict=False):
        ir.convenience.replace_all_uses_with(output, result, replace_graph_outputs=True)
    nodes, initializers = list(part), list(part.initializers.values())
    part.remove(nodes)
    part.initializers.clear()
    for count, value in enumerate([*initializers, *(output for inner in nodes for output in inner.outputs)]):
        value.name = f"{node.name}.{count}.{value.name}"
    for initializer in initializers:
        graph.register_initializer(initializer)
    graph.insert_before(node, nodes)
    graph.remove(node, safe=True)


__all__ = ["EXPANSIONS", "Expansion", "expand"]
