"""The Fisher information along the direction in which the prediction's entropy falls, and what it is
sensitive to in the image.

    vᵀ F v,  v = -grad H / ||grad H||        Fisher form (Martin & Elster 2019, arXiv 1909.05527)
    |d(vᵀ F v) / dx|, v held fixed           Fisher information sensitivity (Martin & Elster 2020,
                                             arXiv 2006.08278)

with gradients in all weights and biases. F = Jᵀ LᵀL J needs the product J v: the reverse pass is linear in
its seed, so that differentiating it in the seed gives the forward one.
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from ..derivatives.reverse import cotangents
from ..graph.tape import TINY, shape_of
from ..heads import Readout
from ..network.forward import Forward


@dataclass(frozen=True)
class FisherForm:
    """form: vᵀ F v, a scalar. direction: v, for each parameter."""

    form: ir.Value
    direction: dict[ir.Value, ir.Value]


def fisher_form(forward: Forward, readout: Readout) -> FisherForm:
    """Write the Fisher form of the members' mean information."""
    tape = forward.tape
    roots = list(readout.roots)
    of_entropy = cotangents(tape, {readout.entropy: tape.floats(1.0)}, roots)
    seeds = {
        root: tape.Identity(of_entropy[root]) if root in of_entropy else tape.zeros(shape_of(root)) for root in roots
    }
    for root, seed in seeds.items():
        seed.shape, seed.dtype = root.shape, tape.dtype
    gradients = cotangents(tape, seeds, _parameters(forward))
    squares = [tape.ReduceSumSquare(gradient, keepdims=0) for gradient in gradients.values()]
    norm = tape.Sqrt(tape.Max(tape.Sum(*squares), TINY))
    direction = {parameter: tape.Neg(tape.Div(gradient, norm)) for parameter, gradient in gradients.items()}
    along = cotangents(tape, {gradients[p]: v for p, v in direction.items()}, list(seeds.values()))
    products = {root: along.get(seed, tape.zeros(shape_of(root))) for root, seed in seeds.items()}
    return FisherForm(readout.metric(tape, products), direction)


def sensitivity(forward: Forward, found: FisherForm) -> ir.Value:
    """The Fisher information sensitivity of each pixel, [1, C, H, W]."""
    tape = forward.tape
    held = list(found.direction.values())
    slope = cotangents(tape, {found.form: tape.floats(1.0)}, [forward.image], held)[forward.image]
    return tape.Abs(slope)


def _parameters(forward: Forward) -> list[ir.Value]:
    """Weights and biases of all layers."""
    found: dict[ir.Value, None] = {}
    for use in [use for layer in forward.layers for use in layer.uses]:
        for node, index in ((use.node, use.weight), *use.biases):
            value = node.inputs[index]
            assert value is not None
            found[value] = None
    return list(found)
