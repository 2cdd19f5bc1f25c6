"""Fisher information in the graph: per layer, and about the image.

One reverse pass a score factor, inside an ONNX Scan, so that the file holds the backward graph once
however many factors there are:

    tr F_l     = sum_s || d(l_s o) / d theta_l ||^2     parameters of layer l
    tr F_(a_l) = sum_s || d(l_s o) / d a_l ||^2         result of layer l
    g_i        = sum_s (d(l_s o) / d x_i)^2             Fisher map
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from .differentiate import cotangents
from .layers import Layer, squared_gradient
from .tape import Tape, shape_of


@dataclass(frozen=True)
class Information:
    """Per layer, in the layers' order: parameters [L], activations [L], energies ||a||^2 [L] of what
    each layer acts on, followed by those of the networks' outputs."""

    parameters: ir.Value
    activations: ir.Value
    energies: ir.Value


def information(
    tape: Tape, roots: Mapping[ir.Value, ir.Value], layers: Sequence[Layer], results: Sequence[ir.Value]
) -> Information:
    """Write the information of all `layers` about a distribution with those `roots` (see Readout)."""
    energies = [tape.ReduceSumSquare(layer.image, keepdims=0) for layer in layers]

    def body(inner: Tape, seeds: dict[ir.Value, ir.Value]) -> list[ir.Value]:
        cts = cotangents(inner, seeds, [layer.output for layer in layers])
        parameters, activations = [], []
        for layer, energy in zip(layers, energies, strict=True):
            ct = cts[layer.output]
            parameters.append(squared_gradient(inner, layer, ct, energy))
            activations.append(inner.ReduceSumSquare(ct, keepdims=0))
        return [_stacked(inner, parameters), _stacked(inner, activations)]

    parameters, activations = _over_rows(tape, roots, body, [(len(layers),)] * 2)
    of_results = [tape.ReduceSumSquare(result, keepdims=0) for result in results]
    return Information(parameters, activations, _stacked(tape, energies + of_results))


def fisher_map(tape: Tape, roots: Mapping[ir.Value, ir.Value], images: Sequence[ir.Value]) -> ir.Value:
    """The diagonal of the information about the image, [1, C, H, W].

    `images` are the members' own inputs: members are independent, so their squares are added, not
    their derivatives.
    """

    def body(inner: Tape, seeds: dict[ir.Value, ir.Value]) -> list[ir.Value]:
        gradients = cotangents(inner, seeds, images).values()
        squares = [inner.Mul(gradient, gradient) for gradient in gradients]
        return [squares[0] if len(squares) == 1 else inner.Sum(*squares)]

    (total,) = _over_rows(tape, roots, body, [shape_of(images[0])])
    return total


Body = Callable[[Tape, dict[ir.Value, ir.Value]], list[ir.Value]]


def _over_rows(
    tape: Tape, roots: Mapping[ir.Value, ir.Value], body: Body, shapes: Sequence[tuple[int, ...]]
) -> list[ir.Value]:
    """Run `body` for each score factor and add up what it gives: a Scan whose states are the sums."""
    states = [ir.val(f"sum_{i}", dtype=tape.dtype, shape=shape) for i, shape in enumerate(shapes)]
    rows = {root: ir.val(f"factor_{i}", dtype=tape.dtype, shape=shape_of(root)) for i, root in enumerate(roots)}
    graph = ir.Graph([*states, *rows.values()], [], nodes=[], name="score_factor")
    inner = Tape(graph, tape.dtype)
    terms = body(inner, dict(rows))
    sums = [inner.Add(state, term) for state, term in zip(states, terms, strict=True)]
    for value, shape in zip(sums, shapes, strict=True):
        value.shape, value.dtype = ir.Shape(shape), tape.dtype
    graph.outputs.extend(sums)
    zeros = [tape.zeros(shape) for shape in shapes]
    result = tape.Scan(*zeros, *roots.values(), outputs=len(shapes), body=graph, num_scan_inputs=len(rows))
    return [result] if len(shapes) == 1 else list(result)


def _stacked(tape: Tape, scalars: Sequence[ir.Value]) -> ir.Value:
    return tape.Concat(*(tape.Unsqueeze(scalar, [0]) for scalar in scalars), axis=0)
