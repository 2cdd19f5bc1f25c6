"""The layers of a network whose information is watched: where they end, and what they learned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from .registry import RULES, Step
from .rules.geometry import Window
from .tape import Tape, shape_of

WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")


@dataclass(frozen=True)
class Layer:
    """A node with learned weights. `bias` is the Add behind a MatMul, where there is one.

    output: the layer's result a_l before any activation function; image: what it acts on.
    """

    node: ir.Node
    bias: ir.Node | None = None

    @property
    def name(self) -> str:
        weight = next(value for value in self.node.inputs if value is not None and value.is_initializer())
        return str(weight.name)

    @property
    def output(self) -> ir.Value:
        return (self.bias or self.node).outputs[0]

    @property
    def image(self) -> ir.Value:
        return next(value for value in self.node.inputs if value is not None and not value.is_initializer())


def layers(graph: ir.Graph) -> list[Layer]:
    """The layers of a normalised graph, in its order.

    Batch normalisation that was folded into a convolution counts with it: the information is about
    the weights that the device runs.
    """
    found = []
    for node in graph:
        weights = [value for value in node.inputs if value is not None and value.is_initializer()]
        if node.op_type in WEIGHTED and weights and len(weights) < len(node.inputs):
            found.append(Layer(node, _bias_behind(node)))
    return found


def _bias_behind(node: ir.Node) -> ir.Node | None:
    followers = node.outputs[0].consumers()
    if node.op_type != "MatMul" or len(followers) != 1 or followers[0].op_type != "Add":
        return None
    return followers[0] if any(v is not None and v.is_initializer() for v in followers[0].inputs) else None


def squared_gradient(tape: Tape, layer: Layer, ct: ir.Value, energy: ir.Value) -> ir.Value:
    """Squared norm of the gradient in all parameters of a layer, a scalar.

    ct: cotangent of the layer's output. energy: squared norm of what the layer acts on.
    """
    terms = [_SQUARED.get(layer.node.op_type, _by_rule)(tape, layer.node, ct, energy)]
    if layer.bias is not None:
        terms.append(_by_rule(tape, layer.bias, ct, energy))
    return terms[0] if len(terms) == 1 else tape.Add(*terms)


def _by_rule(tape: Tape, node: ir.Node, ct: ir.Value, energy: ir.Value) -> ir.Value:
    """From the gradient itself."""
    total = None
    for index, value in enumerate(node.inputs):
        pull = RULES[node.op_type][index]
        if value is not None and value.is_initializer() and pull is not None:
            term = _squared(tape, pull(Step(tape, node, (ct,), index)))
            total = term if total is None else tape.Add(total, term)
    assert total is not None
    return total


def _squared(tape: Tape, value: ir.Value) -> ir.Value:
    return tape.ReduceSumSquare(value, keepdims=0)


def _one_row(tape: Tape, node: ir.Node, ct: ir.Value, energy: ir.Value) -> ir.Value:
    """For one row x the weight's gradient is the outer product x ctᵀ: its norm is a product."""
    image = next(value for value in node.inputs if value is not None and not value.is_initializer())
    plain = not node.attributes.get_int("transA", 0) and node.inputs[0] is image
    if not plain or int(np.prod(shape_of(image)[:-1])) != 1 or node.attributes.get_float("alpha", 1.0) != 1.0:
        return _by_rule(tape, node, ct, energy)
    squared = _squared(tape, ct)
    has_bias = len(node.inputs) > 2 and node.inputs[2] is not None
    if has_bias and node.attributes.get_float("beta", 1.0) != 1.0:
        return _by_rule(tape, node, ct, energy)
    return tape.Mul(squared, tape.Add(energy, 1.0) if has_bias else energy)


def _shifted_products(tape: Tape, node: ir.Node, ct: ir.Value, energy: ir.Value) -> ir.Value:
    """A convolution's weight gradient as one matrix product for each place in the kernel: faster in
    ONNX Runtime than a convolution with the cotangent as a huge kernel."""
    step = Step(tape, node, (ct,), 1)
    image, weight = step.x(0), step.x(1)
    if len(shape_of(image)) != 4 or shape_of(image)[0] != 1 or step.attribute("group", 1) != 1:
        return _by_rule(tape, node, ct, energy)
    channels = shape_of(image)[1]
    filters, height, width = shape_of(node.outputs[0])[1:]
    window = Window.of(step, shape_of(weight)[2:])
    top, left, bottom, right = window.pads
    if any(window.pads):
        image = tape.Pad(image, [0, 0, top, left, 0, 0, bottom, right])
    flat_ct = tape.Reshape(ct, [filters, height * width])
    terms = []
    for row in range(window.kernel[0]):
        for column in range(window.kernel[1]):
            start = [row * window.dilations[0], column * window.dilations[1]]
            stop = [start[0] + (height - 1) * window.strides[0] + 1, start[1] + (width - 1) * window.strides[1] + 1]
            part = tape.Slice(image, start, stop, [2, 3], list(window.strides))
            flat = tape.Reshape(part, [channels, height * width])
            terms.append(_squared(tape, tape.Gemm(flat_ct, flat, transB=1)))
    if step.has(2):
        terms.append(_squared(tape, tape.ReduceSum(flat_ct, [1], keepdims=0)))
    return tape.Sum(*terms)


_SQUARED: dict[str, Callable[[Tape, ir.Node, ir.Value, ir.Value], ir.Value]] = {
    "Conv": _shifted_products,
    "Gemm": _one_row,
    "MatMul": _one_row,
}
