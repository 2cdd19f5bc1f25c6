"""The squared norm of a layer's parameter gradient, without more of the gradient than it takes.

A weight's gradient is a product of two matrices: what the layer read, patch by patch [P, K], and the
cotangent [N, P] of what it made of each patch. Where there are few patches, the norm comes from their
Gram matrix: ||B A||^2 = sum((B A Aᵀ) * B).

Cotangents carry `rows` score factors along axis 0, over which the squares are summed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from math import prod

import onnx_ir as ir

from ..derivatives.registry import RULES, Step
from ..derivatives.rules.geometry import Window
from ..graph.tape import Tape, shape_of
from ..network.layers import Layer, Use


def squared_gradient(
    tape: Tape, layer: Layer, cts: Mapping[ir.Value, ir.Value], energy: ir.Value, rows: int
) -> ir.Value:
    """Squared norm of the gradient in all parameters of a layer, a scalar, summed over the rows.

    cts: cotangents of the outputs of its uses, [rows, ...] for rows > 1, else of the output's own shape.
    energy: squared norm of what the layer acts on.
    """
    uses = [use for use in layer.uses if use.output in cts]
    if len(uses) == 1:
        terms = _of_use(tape, uses[0], cts[uses[0].output], energy, rows)
    else:
        terms = _of_shared(tape, uses, cts, rows) or [tape.floats(0.0)]
    return terms[0] if len(terms) == 1 else tape.Sum(*terms)


def _of_use(tape: Tape, use: Use, ct: ir.Value, energy: ir.Value, rows: int) -> list[ir.Value]:
    of_weight = SQUARED_GRADIENTS.get(use.node.op_type, _not_special)
    terms = [of_weight(tape, use.node, ct, energy, rows) or _by_rule(tape, [(use.node, use.weight, ct)], rows)]
    return terms + [_of_bias(tape, node, index, ct, rows) for node, index in use.biases]


def _of_shared(tape: Tape, uses: Sequence[Use], cts: Mapping[ir.Value, ir.Value], rows: int) -> list[ir.Value]:
    """Of parameters with several uses: their gradients are added before they are squared."""
    places: dict[ir.Value | None, list[_Place]] = {}
    for use in uses:
        for node, index in ((use.node, use.weight), *use.biases):
            places.setdefault(node.inputs[index], []).append((node, index, cts[use.output]))
    return [_by_rule(tape, found, rows) for found in places.values()]


def _squared(tape: Tape, value: ir.Value) -> ir.Value:
    return tape.ReduceSumSquare(value, keepdims=0)


_Place = tuple[ir.Node, int, ir.Value]
"""Where a parameter is used: the node, the number of its input, the cotangent of its result."""


def _by_rule(tape: Tape, places: Sequence[_Place], rows: int) -> ir.Value:
    """From a parameter's gradient itself, one row after the other."""
    squares = []
    for row in range(rows):
        gradients = []
        for node, index, ct in places:
            pull = RULES[node.op_type][min(index, len(RULES[node.op_type]) - 1)]
            assert pull is not None
            part = ct if rows == 1 else tape.Slice(ct, [row], [row + 1], [0])
            gradients.append(pull(Step(tape, node, (part,), index)))
        squares.append(_squared(tape, gradients[0] if len(gradients) == 1 else tape.Sum(*gradients)))
    return squares[0] if rows == 1 else tape.Sum(*squares)


def _of_bias(tape: Tape, node: ir.Node, index: int, ct: ir.Value, rows: int) -> ir.Value:
    """The cotangent summed over the axes along which the bias is repeated."""
    bias = node.inputs[index]
    assert bias is not None
    shape, have = shape_of(ct), shape_of(bias)
    per_channel = node.op_type in ("Conv", "ConvTranspose")
    aligned = (1, have[0], *(1,) * (len(shape) - 2)) if per_channel else (1,) * (len(shape) - len(have)) + have
    first = 0 if rows == 1 else 1
    axes = [i for i in range(first, len(shape)) if aligned[i] == 1 != shape[i]]
    scale = node.attributes.get_float("beta", 1.0) if node.op_type == "Gemm" else 1.0
    total = _squared(tape, tape.ReduceSum(ct, axes, keepdims=0) if axes else ct)
    return total if scale == 1.0 else tape.Mul(total, scale**2)


def _not_special(tape: Tape, node: ir.Node, ct: ir.Value, energy: ir.Value, rows: int) -> None:
    return None


def _by_gram(patches: int, columns: int, results: int) -> bool:
    """Whether the patches' Gram matrix takes fewer multiplications than the gradient itself."""
    return patches * (columns + results) < columns * results


def _of_matrix(tape: Tape, node: ir.Node, ct: ir.Value, energy: ir.Value, rows: int) -> ir.Value | None:
    """Of a matrix on the right, [K, N], acting on rows [..., K]."""
    image, weight = node.inputs[0], node.inputs[1]
    assert image is not None
    assert weight is not None
    if node.attributes.get_int("transA", 0) or len(shape_of(weight)) != 2 or weight not in node.inputs[1:2]:
        return None
    *lead, k = shape_of(image)
    n, patches = shape_of(ct)[-1], prod(lead)
    scale = node.attributes.get_float("alpha", 1.0) ** 2
    if patches == 1:
        total = tape.Mul(_squared(tape, ct), energy)
    else:
        read = tape.Reshape(image, [patches, k])
        made = tape.Reshape(ct, [rows, patches, n])
        turned = tape.Transpose(read, perm=[1, 0])
        if _by_gram(patches, k, rows * n):
            total = tape.ReduceSum(tape.Mul(tape.MatMul(tape.MatMul(read, turned), made), made), keepdims=0)
        else:
            total = _squared(tape, tape.MatMul(turned, made))
    return total if scale == 1.0 else tape.Mul(total, scale)


def _of_convolution(tape: Tape, node: ir.Node, ct: ir.Value, energy: ir.Value, rows: int) -> ir.Value | None:
    step = Step(tape, node, (ct,), 1)
    if len(step.shape(0)) != 4 or step.shape(0)[0] != 1:
        return None
    window = Window.of(step, step.shape(1)[2:])
    image, made = step.x(0), [rows * shape_of(node.outputs[0])[1], prod(shape_of(node.outputs[0])[2:])]
    if window.group == 1:
        return _of_patches(tape, image, tape.Reshape(ct, made), window, shape_of(node.outputs[0])[2:])
    return _of_groups(tape, image, ct, window, shape_of(node.outputs[0]), rows)


def _of_transposed(tape: Tape, node: ir.Node, ct: ir.Value, energy: ir.Value, rows: int) -> ir.Value | None:
    """Image and cotangent change places: what was read becomes the cotangent's patches."""
    step = Step(tape, node, (ct,), 1)
    if len(step.shape(0)) != 4 or step.shape(0)[0] != 1 or step.attribute("group", 1) != 1:
        return None
    window = Window.of(step, step.shape(1)[2:])
    _, channels, *size = step.shape(0)
    _, filters, *out = shape_of(node.outputs[0])
    image = tape.Reshape(ct, [1, rows * filters, *out])
    flat = tape.Reshape(step.x(0), [channels, prod(size)])
    return _of_patches(tape, image, flat, window, tuple(size))


def _of_patches(tape: Tape, image: ir.Value, made: ir.Value, window: Window, out: tuple[int, ...]) -> ir.Value:
    """made [N, P] times the patches of `image` [1, C, H, W] that gave an output of size `out`."""
    channels = shape_of(image)[1]
    places = prod(out)
    last = tape.Transpose(image, perm=[0, 2, 3, 1])
    taps = [tape.Reshape(tap, [places, channels]) for tap in _taps(tape, last, window, out, axes=[1, 2])]
    if _by_gram(places, channels * prod(window.kernel), shape_of(made)[0]):
        patches = taps[0] if len(taps) == 1 else tape.Concat(*taps, axis=1)
        gram = tape.MatMul(patches, tape.Transpose(patches, perm=[1, 0]))
        return tape.ReduceSum(tape.Mul(tape.MatMul(made, gram), made), keepdims=0)
    squares = [_squared(tape, tape.MatMul(made, tap)) for tap in taps]
    return squares[0] if len(squares) == 1 else tape.Sum(*squares)


def _of_groups(
    tape: Tape, image: ir.Value, ct: ir.Value, window: Window, shape: tuple[int, ...], rows: int
) -> ir.Value:
    """As `_of_patches`, group by group, as stacked matrices."""
    g, channels, filters, out = window.group, shape_of(image)[1], shape[1], shape[2:]
    made = tape.Reshape(ct, [rows, g, filters // g, prod(out)])
    made = tape.Reshape(tape.Transpose(made, perm=[1, 0, 2, 3]), [g, rows * (filters // g), prod(out)])
    squares = []
    for tap in _taps(tape, image, window, out, axes=[2, 3]):
        read = tape.Transpose(tape.Reshape(tap, [g, channels // g, prod(out)]), perm=[0, 2, 1])
        squares.append(_squared(tape, tape.MatMul(made, read)))
    return squares[0] if len(squares) == 1 else tape.Sum(*squares)


def _taps(tape: Tape, image: ir.Value, window: Window, out: tuple[int, ...], axes: list[int]) -> list[ir.Value]:
    """For each place in the kernel the pixels that it met, one for each output pixel."""
    if any(window.pads):
        pads = [0] * 8
        for i, axis in enumerate(axes):
            pads[axis], pads[axis + 4] = window.pads[i], window.pads[i + 2]
        image = tape.Pad(image, pads)
    taps = []
    for place in product(*(range(size) for size in window.kernel)):
        start = [at * dilation for at, dilation in zip(place, window.dilations, strict=True)]
        stop = [s + (n - 1) * stride + 1 for s, n, stride in zip(start, out, window.strides, strict=True)]
        whole = all(shape_of(image)[axis] == n for axis, n in zip(axes, stop, strict=True)) and not any(start)
        plain = whole and all(stride == 1 for stride in window.strides)
        taps.append(image if plain else tape.Slice(image, start, stop, axes, list(window.strides)))
    return taps


SQUARED_GRADIENTS: dict[str, Callable[[Tape, ir.Node, ir.Value, ir.Value, int], ir.Value | None]] = {
    "Conv": _of_convolution,
    "ConvTranspose": _of_transposed,
    "Gemm": _of_matrix,
    "MatMul": _of_matrix,
}
"""For each operator with weights, what writes a squared gradient without the gradient itself; it gives None where a
node is not of the usual form."""
