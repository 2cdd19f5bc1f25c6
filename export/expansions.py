"""Operators written out in others: bodies, as the standard has for some operators, for those that it
has none for and whose derivative then needs no rule.

Each is a function of the tape and the node, which writes the operators and returns the node's results.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import onnx_ir as ir

from .errors import NetworkError
from .registry import described
from .tape import Tape, shape_of

Expansion = Callable[[Tape, ir.Node], Sequence[ir.Value]]


def _grid_sample(tape: Tape, node: ir.Node) -> list[ir.Value]:
    """Bilinear sampling of an image [N, C, H, W] at places [N, h, w, 2], x before y, in [-1, 1]."""
    image, grid = _operands(node, 2)
    mode, padding = (node.attributes.get_string(name, "") for name in ("mode", "padding_mode"))
    if mode not in ("", "linear", "bilinear") or padding not in ("", "zeros", "border") or len(shape_of(image)) != 4:
        raise NetworkError(
            f"{described(node)}: mode {mode}, padding {padding}, expected linear sampling of an image [N, C, H, W] "
            "with padding zeros or border"
        )
    n, c, height, width = shape_of(image)
    _, rows, columns, _ = shape_of(grid)
    corners = bool(node.attributes.get_int("align_corners", False))
    flat = tape.Reshape(image, [n, c, height * width])
    at = [_pixels(tape, grid, axis, size, corners, padding) for axis, size in ((0, width), (1, height))]
    total = None
    for across, down in ((0, 0), (1, 0), (0, 1), (1, 1)):
        (x, of_x), (y, of_y) = (_neighbour(tape, at[i], side, size)
                                for i, side, size in ((0, across, width), (1, down, height)))  # fmt: skip
        index = tape.Cast(tape.Add(tape.Mul(y, float(width)), x), to=ir.DataType.INT64)
        picked = tape.GatherElements(flat, tape.Expand(index, [n, c, rows * columns]), axis=2)
        term = tape.Mul(picked, tape.Mul(of_x, of_y))
        total = term if total is None else tape.Add(total, term)
    return [tape.Reshape(total, [n, c, rows, columns])]


def _pixels(tape: Tape, grid: ir.Value, axis: int, size: int, corners: bool, padding: str) -> ir.Value:
    """Places along one axis in pixels, [N, 1, places]."""
    n, rows, columns, _ = shape_of(grid)
    place = tape.Reshape(tape.Slice(grid, [axis], [axis + 1], [3]), [n, 1, rows * columns])
    if corners:
        pixels = tape.Mul(tape.Add(place, 1.0), (size - 1) / 2)
    else:
        pixels = tape.Sub(tape.Mul(tape.Add(place, 1.0), size / 2), 0.5)
    return tape.Clip(pixels, 0.0, float(size - 1)) if padding == "border" else pixels


def _neighbour(tape: Tape, pixels: ir.Value, side: int, size: int) -> tuple[ir.Value, ir.Value]:
    """The pixel on one side, moved into the image, and its weight, zero outside the image."""
    low = tape.Floor(pixels)
    beyond = tape.Sub(pixels, low)
    weight = beyond if side else tape.Sub(1.0, beyond)
    pixel = tape.Add(low, float(side))
    inside = tape.And(tape.GreaterOrEqual(pixel, 0.0), tape.LessOrEqual(pixel, float(size - 1)))
    return tape.Clip(pixel, 0.0, float(size - 1)), tape.Mul(weight, tape.Cast(inside, to=tape.dtype))


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
    image, weight, recurrent = _operands(node, 3)
    (bias,) = _optional(node, [3])
    given = _optional(node, [5, 6][:states])
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
    changed += ["sequence_lens"] if _optional(node, [4])[0] is not None else []
    changed += ["peepholes"] if node.op_type == "LSTM" and _optional(node, [7])[0] is not None else []
    if changed:
        raise NetworkError(f"{described(node)}: with {', '.join(changed)}, expected the operator's defaults")


def _operands(node: ir.Node, count: int) -> list[ir.Value]:
    found = [value for value in node.inputs[:count] if value is not None]
    assert len(found) == count
    return found


def _optional(node: ir.Node, places: Sequence[int]) -> list[ir.Value | None]:
    return [node.inputs[i] if i < len(node.inputs) else None for i in places]


EXPANSIONS: dict[str, Expansion] = {
    "GRU": _gru,
    "GridSample": _grid_sample,
    "LSTM": _lstm,
    "RNN": _rnn,
}


def expand(graph: ir.Graph) -> None:
    """Replace the nodes of a graph that have an expansion, in place."""
    for node in [node for node in graph if not node.domain and node.op_type in EXPANSIONS]:
        part = ir.Graph([], [], nodes=[], name=str(node.name))
        results = EXPANSIONS[node.op_type](Tape(part), node)
        for output, result in zip(node.outputs, results, strict=False):
            ir.convenience.replace_all_uses_with(output, result, replace_graph_outputs=True)
        nodes, initializers = list(part), list(part.initializers.values())
        part.remove(nodes)
        part.initializers.clear()
        for value in [*initializers, *(output for inner in nodes for output in inner.outputs)]:
            value.name = f"{node.name}.{value.name}"
        for initializer in initializers:
            graph.register_initializer(initializer)
        graph.insert_before(node, nodes)
        graph.remove(node, safe=True)
