"""Fisher information in the graph: per layer, and about the image.

    tr F_l     = sum_s || d(l_s o) / d theta_l ||^2     parameters of layer l
    tr F_(a_l) = sum_s || d(l_s o) / d a_l ||^2         result of layer l
    g_i        = sum_s (d(l_s o) / d x_i)^2             Fisher map

over the score factors l_s. One of them takes one reverse pass; several go through it together, side
by side along axis 0 where the network allows it, else one after the other in an ONNX Scan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import onnx_ir as ir

from ..derivatives.batching import batch
from ..derivatives.jacobian import ReversePass, Roots, reverse_pass, side_by_side
from ..graph.tape import Tape, shape_of
from ..network.layers import Layer
from .channels import squares_by_group
from .squared_gradient import squared_gradient


@dataclass(frozen=True)
class Information:
    """Per layer, in the layers' order: of its parameters, a scalar; by groups of channels, [G], of its
    activations and the energy ||a||^2 of what it acts on, followed by those of the networks' outputs.

    map: the diagonal of the information about the image, [1, C, H, W]. gradient: in the image, of the sum
    of the score factors that share a reverse pass, of that shape. rows: the derivatives of each member's
    score factors one by one, [M * S, C, H, W], None where they went through the network one after the
    other.
    """

    parameters: list[ir.Value]
    activations: list[ir.Value]
    energies: list[ir.Value]
    map: ir.Value
    gradient: ir.Value
    rows: ir.Value | None


def information(
    tape: Tape,
    roots: Roots,
    layers: Sequence[Layer],
    results: Sequence[ir.Value],
    images: Sequence[ir.Value],
    groups: int,
) -> Information:
    """Write the information of all `layers` about a distribution with those `roots` (see Readout).

    images: the members' own inputs: members are independent, so their squares are added, not their
    derivatives. groups: of channels, at most, that activations and energies are told apart by.
    """
    energies = [squares_by_group(tape, [use.image for use in layer.uses], groups) for layer in layers]
    wanted = [*(use.output for layer in layers for use in layer.uses), *images]
    part, rows = reverse_pass(tape.dtype, roots, wanted)
    count = shape_of(next(iter(roots.values())))[0]
    if count == 1 or batch(part.graph, count):
        found = side_by_side(tape, part, roots, rows)
        measured = _measure(tape, layers, energies, images, found, count, groups)
        per_row = found[images[0]] if len(images) == 1 else tape.Concat(*(found[image] for image in images), axis=0)
    else:
        measured = _one_by_one(tape, part, roots, layers, energies, images, rows, groups)
        per_row = None
    of_results = [squares_by_group(tape, [result], groups) for result in results]
    parameters, activations, about_image, gradient = measured
    return Information(parameters, activations, energies + of_results, about_image, gradient, per_row)


_Measured = tuple[list[ir.Value], list[ir.Value], ir.Value, ir.Value]


def _measure(
    tape: Tape,
    layers: Sequence[Layer],
    energies: Sequence[ir.Value],
    images: Sequence[ir.Value],
    cts: Mapping[ir.Value, ir.Value],
    rows: int,
    groups: int,
) -> _Measured:
    """Parameters and activations of each layer, map and gradient [1, C, H, W], summed over the rows of
    the cotangents."""
    parameters, activations = [], []
    for layer, energy in zip(layers, energies, strict=True):
        parameters.append(squared_gradient(tape, layer, cts, tape.ReduceSum(energy, keepdims=0), rows))
        reached = [cts[use.output] for use in layer.uses if use.output in cts]
        activations.append(squares_by_group(tape, reached, groups) if reached else tape.floats([0.0]))
    gradients = [cts[image] for image in images]
    squares = [tape.Mul(gradient, gradient) for gradient in gradients]
    return parameters, activations, _total(tape, squares, rows), _total(tape, gradients, rows)


def _total(tape: Tape, members: Sequence[ir.Value], rows: int) -> ir.Value:
    total = members[0] if len(members) == 1 else tape.Sum(*members)
    return total if rows == 1 else tape.ReduceSum(total, [0], keepdims=1)


def _one_by_one(
    tape: Tape,
    part: ReversePass,
    roots: Roots,
    layers: Sequence[Layer],
    energies: Sequence[ir.Value],
    images: Sequence[ir.Value],
    rows: Sequence[ir.Value],
    groups: int,
) -> _Measured:
    """A Scan over the rows whose states are the sums: the file holds the pass once."""
    parameters, activations, *on_image = _measure(part.tape, layers, energies, images, part.cotangents, 1, groups)
    lone = [part.tape.Unsqueeze(value, [0]) for value in parameters]
    terms = [part.tape.Concat(*values, axis=0) for values in (lone, activations)] + list(on_image)
    states = [ir.val(f"sum_{i}", dtype=tape.dtype, shape=shape_of(term)) for i, term in enumerate(terms)]
    sums = [part.tape.Add(state, term) for state, term in zip(states, terms, strict=True)]
    part.graph.inputs[:] = [*states, *rows]
    part.graph.outputs.extend(sums)
    zeros = [tape.zeros(shape_of(state)) for state in states]
    totals = tape.Scan(*zeros, *roots.values(), outputs=len(sums), body=part.graph, num_scan_inputs=len(rows))
    for total, state in zip(totals, states, strict=True):
        total.shape, total.dtype = state.shape, state.dtype
    scalars = [tape.Squeeze(value, [0]) for value in _unstacked(tape, totals[0], [1] * len(parameters))]
    grouped = _unstacked(tape, totals[1], [shape_of(value)[0] for value in activations])
    return scalars, grouped, totals[2], totals[3]


def _unstacked(tape: Tape, vector: ir.Value, sizes: Sequence[int]) -> list[ir.Value]:
    ends = np.cumsum([0, *sizes])
    return [tape.Slice(vector, [int(a)], [int(b)], [0]) for a, b in pairwise(ends)]
