"""Recurrent cells, unrolled over the sequence."""

from __future__ import annotations

from collections.abc import Callable

import onnx_ir as ir

from ...errors import NetworkError
from ...graph.nodes import described
from ...graph.tape import Tape, shape_of
from .expansion import Expansion, operands, optional


def _lstm(tape: Tape, node: ir.Node) -> list[ir.Value]:
    """Gates i, o, f, c: sigmoid, sigmoid, sigmoid, tanh."""

    def step(x: ir.Value, states: list[ir.Value], recurrent: ir.Value, bias: ir.Value) -> list[ir.Value]:
        hidden, cell = states
        gates = tape.Add(x, tape.Add(tape.MatMul(hidden, recurrent), bias))
        i, o, f, c = _gates(tape, gates, 4)
        cell = tape.Add(tape.Mul(tape.Sigmoid(f), cell), tape.Mul(tape.Sigmoid(i), tape.Tanh(c)))
        return [tape.Mul(tape.Sigmoid(o), tape.Tanh(cell)), cell]

    return _recurrent(tape, node, gates=4, states=2, step=step)


def _gru(tape: Tape, node: ir.Node) -> list[ir.Value]:
    """Gates z, r, h: sigmoid, sigmoid, tanh."""
    after = node.attributes.get_int("linear_before_reset", False)

    def step(x: ir.Value, states: list[ir.Value], recurrent: ir.Value, bias: ir.Value) -> list[ir.Value]:
        (hidden,) = states
        size = shape_of(hidden)[-1]
        z, r, h = _gates(tape, x, 3)
        parts = [tape.Slice(recurrent, [i * size], [(i + 1) * size], [1]) for i in range(3)]
        biases = [tape.Slice(bias, [i * size], [(i + 1) * size], [0]) for i in range(3)]
        update, reset = (
            tape.Sigmoid(tape.Add(gate, tape.Add(tape.MatMul(hidden, part), own)))
            for gate, part, own in zip((z, r), parts, biases, strict=False)
        )
        if after:
            past = tape.Mul(reset, tape.Add(tape.MatMul(hidden, parts[2]), biases[2]))
        else:
            past = tape.Add(tape.MatMul(tape.Mul(reset, hidden), parts[2]), biases[2])
        new = tape.Tanh(tape.Add(h, past))
        return [tape.Add(tape.Mul(tape.Sub(1.0, update), new), tape.Mul(update, hidden))]

    return _recurrent(tape, node, gates=3, states=1, step=step)


def _rnn(tape: Tape, node: ir.Node) -> list[ir.Value]:
    def step(x: ir.Value, states: list[ir.Value], recurrent: ir.Value, bias: ir.Value) -> list[ir.Value]:
        return [tape.Tanh(tape.Add(x, tape.Add(tape.MatMul(states[0], recurrent), bias)))]

    return _recurrent(tape, node, gates=1, states=1, step=step)


Cell = Callable[[ir.Value, list[ir.Value], ir.Value, ir.Value], list[ir.Value]]


def _recurrent(tape: Tape, node: ir.Node, gates: int, states: int, step: Cell) -> list[ir.Value]:
    """Unrolled over the sequence: Y [T, directions, N, H], and the last states [directions, N, H]."""
    image, weight, recurrent = operands(node, 3)
    (bias,) = optional(node, [3])
    given = optional(node, [5, 6][:states])
    _check_plain(node)
    size = shape_of(recurrent)[-1]
    length, batch, _ = shape_of(image)
    outputs, last = [], []
    for direction in range(shape_of(weight)[0]):
        w, r, b = (None if v is None else _of_direction(tape, v, direction) for v in (weight, recurrent, bias))
        own, past = (tape.zeros((gates * size,)),) * 2
        if b is not None:
            own, past = (tape.Slice(b, [i * gates * size], [(i + 1) * gates * size], [0]) for i in (0, 1))
        inputs = tape.Add(tape.MatMul(image, tape.Transpose(w, perm=[1, 0])), own)
        turned = tape.Transpose(r, perm=[1, 0])
        state = [tape.zeros((batch, size)) if v is None else _of_direction(tape, v, direction) for v in given]
        results: dict[int, ir.Value] = {}
        backwards = direction == 1 or node.attributes.get_string("direction", "forward") == "reverse"
        for moment in reversed(range(length)) if backwards else range(length):
            x = tape.Squeeze(tape.Slice(inputs, [moment], [moment + 1], [0]), [0])
            state = step(x, state, turned, past)
            results[moment] = state[0]
        outputs.append(tape.Concat(*(tape.Unsqueeze(results[i], [0]) for i in range(length)), axis=0))
        last.append(state)
    together = tape.Concat(*(tape.Unsqueeze(v, [1]) for v in outputs), axis=1)
    return [together, *(tape.Concat(*(tape.Unsqueeze(s[i], [0]) for s in last), axis=0) for i in range(states))]


def _gates(tape: Tape, value: ir.Value, count: int) -> list[ir.Value]:
    size = shape_of(value)[-1] // count
    return [tape.Slice(value, [i * size], [(i + 1) * size], [-1]) for i in range(count)]


def _of_direction(tape: Tape, value: ir.Value, direction: int) -> ir.Value:
    return tape.Squeeze(tape.Slice(value, [direction], [direction + 1], [0]), [0])


def _check_plain(node: ir.Node) -> None:
    changed = [name for name in ("activations", "clip", "input_forget") if name in node.attributes]
    changed += ["layout"] if node.attributes.get_int("layout", False) else []
    changed += ["sequence_lens"] if optional(node, [4])[0] is not None else []
    changed += ["peepholes"] if node.op_type == "LSTM" and optional(node, [7])[0] is not None else []
    if changed:
        raise NetworkError(f"{described(node)}: with {', '.join(changed)}, expected the operator's defaults")


EXPANSIONS: dict[str, Expansion] = {"GRU": _gru, "LSTM": _lstm, "RNN": _rnn}
