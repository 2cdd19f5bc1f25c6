"""Reverse-mode differentiation of an ONNX graph into more ONNX graph."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import onnx_ir as ir

from ..errors import NetworkError
from ..graph.nodes import DESCRIPTION, ancestors, described
from ..graph.tape import Tape
from .registry import Step
from .rules import NOT_DIFFERENTIABLE, RULES


def cotangents(
    tape: Tape,
    seeds: Mapping[ir.Value, ir.Value],
    wanted: Collection[ir.Value],
    held: Collection[ir.Value] = (),
) -> dict[ir.Value, ir.Value]:
    """Write the reverse pass onto `tape`.

    seeds: cotangents of the outputs, each of its output's shape. wanted: the values whose cotangents
    are asked for. held: values that count as constants, whatever they are computed from. Returns the
    cotangent of each wanted value that the outputs depend on.

    Raises NetworkError naming all nodes without a rule that lie between.
    """
    nodes = _between(wanted, seeds, held)
    _check_rules(nodes)
    pending: dict[ir.Value, list[ir.Value]] = {value: [seed] for value, seed in seeds.items()}
    done: dict[ir.Value, ir.Value] = {}
    dependent = set(wanted).union(*(node.outputs for node in nodes))

    def cotangent(value: ir.Value) -> ir.Value | None:
        if value not in done and value in pending:
            total, *rest = pending[value]
            for term in rest:
                total = tape.Add(total, term)
            done[value] = total
        return done.get(value)

    for node in reversed(nodes):
        of_outputs = tuple(cotangent(output) for output in node.outputs)
        if any(of_outputs):
            before = next(reversed(tape.graph), None)
            for value, result in _pull_back(tape, node, of_outputs, dependent):
                pending.setdefault(value, []).append(result)
            _describe(tape.graph, before, node)
    return {value: ct for value in wanted if (ct := cotangent(value)) is not None}


def _pull_back(
    tape: Tape, node: ir.Node, of_outputs: tuple[ir.Value | None, ...], dependent: set[ir.Value]
) -> Iterable[tuple[ir.Value, ir.Value]]:
    rules = RULES[node.op_type]
    for index, value in enumerate(node.inputs):
        pull = rules[min(index, len(rules) - 1)]
        if value is not None and value in dependent and pull is not None:
            yield value, pull(Step(tape, node, of_outputs, index))


def _describe(graph: ir.Graph, before: ir.Node | None, node: ir.Node) -> None:
    """Say of the nodes behind one whose derivative they compute: a message that names them names the network's node."""
    for part in reversed(graph):
        if part is before:
            return
        part.meta[DESCRIPTION] = f"the derivative of {described(node)}"


def _between(
    wanted: Collection[ir.Value], outputs: Iterable[ir.Value], held: Collection[ir.Value] = ()
) -> list[ir.Node]:
    """The nodes on a way from a wanted value to an output that passes no held one, in topological order."""
    reaches: dict[ir.Value, bool] = dict.fromkeys(wanted, True)
    order: list[ir.Node] = []
    for node in ancestors(outputs):
        on_the_way = (
            not _ends(node)
            and any(reaches.get(value, False) for value in node.inputs if value is not None)
            and not all(output in held for output in node.outputs)
        )
        if on_the_way:
            order.append(node)
        for output in node.outputs:
            reaches[output] = reaches.get(output, False) or (on_the_way and output not in held)
    return order


def _ends(node: ir.Node) -> bool:
    """Whether derivatives end here: the result is constant almost everywhere, or counts or chooses."""
    dtype = node.outputs[0].dtype
    return (not node.domain and node.op_type in NOT_DIFFERENTIABLE) or (
        dtype is not None and not dtype.is_floating_point()
    )


def where_derivatives_end(outputs: Iterable[ir.Value]) -> list[ir.Node]:
    """The nodes on the way to the outputs at which derivatives end."""
    return [node for node in ancestors(outputs) if _ends(node)]


def require_rules(wanted: Collection[ir.Value], outputs: Iterable[ir.Value]) -> None:
    """Raise NetworkError naming all nodes between that have no rule."""
    _check_rules(_between(wanted, outputs))


def _check_rules(nodes: Iterable[ir.Node]) -> None:
    missing = [described(node) for node in nodes if node.domain or node.op_type not in RULES]
    if missing:
        raise NetworkError(
            "no rule of differentiation for " + ", ".join(missing) + ". Expected operators out of: "
            + " ".join(sorted(RULES)) + ". Replace these layers, or add a rule in export/derivatives/rules."
        )  # fmt: skip
