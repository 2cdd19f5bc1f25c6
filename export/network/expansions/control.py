"""Control flow written out: both branches of an If with a choice of their results, loops unrolled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ...errors import NetworkError
from ...graph.nodes import constant_value, described
from ...graph.tape import Tape, move, shape_of
from .expansion import Expansion, known, operands, optional

MOST_ROUNDS = 1000
"""Longer loops are refused rather than unrolled."""


def _if(tape: Tape, node: ir.Node) -> list[ir.Value]:
    """Both branches are computed: what is not chosen must be finite on usual images."""
    (condition,) = operands(node, 1)
    chosen, other = (_inlined(tape, node.attributes[name].as_graph(), []) for name in ("then_branch", "else_branch"))
    return [tape.Where(condition, a, b) for a, b in zip(chosen, other, strict=True)]


def _loop(tape: Tape, node: ir.Node) -> list[ir.Value]:
    rounds = int(known(node, 0, "the number of rounds"))
    carried: list[ir.Value] = [_present(value) for value in node.inputs[2:]]
    _check_rounds(node, rounds)
    body = node.attributes["body"].as_graph()
    if not _goes_on(node, body):
        raise NetworkError(f"{described(node)}: ends by a computed condition, expected a fixed number of rounds")
    going_on = tape.constant(np.array(True))
    collected: list[list[ir.Value]] = []
    for number in range(rounds):
        _, *results = _inlined(tape, body, [tape.constant(np.array(number, np.int64)), going_on, *carried])
        carried, scanned = results[: len(carried)], results[len(carried) :]
        collected.append(scanned)
    return [
        *carried,
        *(_stacked(tape, values) for values in zip(*collected, strict=True)),
    ]


def _goes_on(node: ir.Node, body: ir.Graph) -> bool:
    """Whether the condition stays what it was, and was true."""
    (first,) = optional(node, [1])
    started = True if first is None else constant_value(first)
    result = body.outputs[0]
    while (producer := result.producer()) is not None and producer.op_type == "Identity":
        (result,) = operands(producer, 1)
    again = constant_value(result)
    return bool(started is not None and started) and (result is body.inputs[1] or bool(again is not None and again))


def _scan(tape: Tape, node: ir.Node) -> list[ir.Value]:
    count = node.attributes["num_scan_inputs"].as_int()
    plain = not any(any(attribute.as_ints()) for name, attribute in node.attributes.items() if name.startswith("scan_"))
    if not plain:
        raise NetworkError(f"{described(node)}: along other axes or backwards, expected axis 0, forwards")
    body = node.attributes["body"].as_graph()
    values = operands(node, len(node.inputs))
    states, scanned = values[: len(values) - count], values[len(values) - count :]
    rounds = shape_of(scanned[0])[0]
    _check_rounds(node, rounds)
    collected: list[list[ir.Value]] = []
    for number in range(rounds):
        slices = [tape.Squeeze(tape.Slice(value, [number], [number + 1], [0]), [0]) for value in scanned]
        results = _inlined(tape, body, [*states, *slices])
        states = results[: len(states)]
        collected.append(results[len(states) :])
    return [*states, *(_stacked(tape, parts) for parts in zip(*collected, strict=True))]


def _check_rounds(node: ir.Node, rounds: int) -> None:
    if not 1 <= rounds <= MOST_ROUNDS:
        raise NetworkError(f"{described(node)}: {rounds} rounds, expected 1 to {MOST_ROUNDS}")


def _inlined(tape: Tape, body: ir.Graph, arguments: Sequence[ir.Value | None]) -> list[ir.Value]:
    """A copy of the body on the tape, its inputs replaced by the arguments; returns its outputs."""
    copy = body.clone(allow_outer_scope_values=True)
    given = dict(zip(copy.inputs, arguments, strict=True))
    results = [_present(given.get(value, value)) for value in copy.outputs]
    copy.outputs[:] = []
    for formal, actual in given.items():
        ir.convenience.replace_all_uses_with(formal, _present(actual))
    copy.inputs.clear()
    move(copy, tape.graph, prefix="body.")
    return results


def _present(value: ir.Value | None) -> ir.Value:
    assert value is not None
    return value


def _stacked(tape: Tape, values: Sequence[ir.Value]) -> ir.Value:
    return tape.Concat(*(tape.Unsqueeze(value, [0]) for value in values), axis=0)


EXPANSIONS: dict[str, Expansion] = {"If": _if, "Loop": _loop, "Scan": _scan}
