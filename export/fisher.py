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

import onnx_ir as ir

from .batching import batch
from .differentiate import cotangents, ends
from .errors import NetworkError
from .layers import Layer
from .registry import described
from .squared_gradient import squared_gradient
from .tape import Tape, move, shape_of

Roots = Mapping[ir.Value, ir.Value]


@dataclass(frozen=True)
class Information:
    """Scalars per layer, in the layers' order: of its parameters, of its activations, and the energy
    ||a||^2 of what it acts on, followed by those of the networks' outputs. map: the diagonal of the
    information about the image, [1, C, H, W]. gradient: in the image, of the sum of the score factors
    that share a reverse pass, of that shape."""

    parameters: list[ir.Value]
    activations: list[ir.Value]
    energies: list[ir.Value]
    map: ir.Value
    gradient: ir.Value


def information(
    tape: Tape, roots: Roots, layers: Sequence[Layer], results: Sequence[ir.Value], images: Sequence[ir.Value]
) -> Information:
    """Write the information of all `layers` about a distribution with those `roots` (see Readout).

    images: the members' own inputs: members are independent, so their squares are added, not their
    derivatives.
    """
    energies = [_squares(tape, [use.image for use in layer.uses]) for layer in layers]
    wanted = [*(use.output for layer in layers for use in layer.uses), *images]
    part, rows = _reverse_pass(tape.dtype, roots, wanted)
    count = shape_of(next(iter(roots.values())))[0]
    if count == 1 or batch(part.graph, count):
        found = _side_by_side(tape, part, roots, rows)
        measured = _measure(tape, layers, energies, images, found, count)
    else:
        measured = _one_by_one(tape, part, roots, layers, energies, images, rows)
    of_results = [tape.ReduceSumSquare(result, keepdims=0) for result in results]
    parameters, activations, about_image, gradient = measured
    return Information(parameters, activations, energies + of_results, about_image, gradient)


_Measured = tuple[list[ir.Value], list[ir.Value], ir.Value, ir.Value]


@dataclass(frozen=True)
class _Pass:
    """A reverse pass in a graph of its own, whose inputs are one score factor for each root."""

    graph: ir.Graph
    tape: Tape
    cotangents: dict[ir.Value, ir.Value]


def _reverse_pass(dtype: ir.DataType, roots: Roots, wanted: Sequence[ir.Value]) -> tuple[_Pass, list[ir.Value]]:
    rows = [ir.val(f"factor_{i}", dtype=dtype, shape=shape_of(root)) for i, root in enumerate(roots)]
    graph = ir.Graph(rows, [], nodes=[], name="score_factor")
    inner = Tape(graph, dtype)
    found = cotangents(inner, dict(zip(roots, rows, strict=True)), wanted)
    if wanted[-1] not in found:
        raise NetworkError(
            "the outputs do not depend on the image by any way that has a derivative: it ends at "
            + ", ".join(described(node) for node in ends(roots)) + ". Export the network in floating point."
        )  # fmt: skip
    return _Pass(graph, inner, found), rows


def _side_by_side(tape: Tape, part: _Pass, roots: Roots, rows: Sequence[ir.Value]) -> dict[ir.Value, ir.Value]:
    """The pass on the tape itself, its inputs the roots' rows [S, 1, ...] as [S, ...]."""
    found = dict(part.cotangents)
    for row, (root, factors) in zip(rows, roots.items(), strict=True):
        shape = shape_of(factors)
        seed = tape.Reshape(factors, [shape[0], *shape_of(root)[1:]])
        found = {value: seed if ct is row else ct for value, ct in found.items()}
        ir.convenience.replace_all_uses_with(row, seed)
    part.graph.inputs.clear()
    move(part.graph, tape.graph, prefix="reverse.")
    return found


def _measure(
    tape: Tape,
    layers: Sequence[Layer],
    energies: Sequence[ir.Value],
    images: Sequence[ir.Value],
    cts: Mapping[ir.Value, ir.Value],
    rows: int,
) -> _Measured:
    """Parameters and activations of each layer, map and gradient [1, C, H, W], summed over the rows of
    the cotangents."""
    parameters, activations = [], []
    for layer, energy in zip(layers, energies, strict=True):
        parameters.append(squared_gradient(tape, layer, cts, energy, rows))
        activations.append(_squares(tape, [cts[use.output] for use in layer.uses if use.output in cts]))
    gradients = [cts[image] for image in images]
    squares = [tape.Mul(gradient, gradient) for gradient in gradients]
    return parameters, activations, _total(tape, squares, rows), _total(tape, gradients, rows)


def _squares(tape: Tape, values: Sequence[ir.Value]) -> ir.Value:
    """Sum of the squares of all elements of some values, a scalar."""
    terms = [tape.ReduceSumSquare(value, keepdims=0) for value in values] or [tape.floats(0.0)]
    return terms[0] if len(terms) == 1 else tape.Sum(*terms)


def _total(tape: Tape, members: Sequence[ir.Value], rows: int) -> ir.Value:
    total = members[0] if len(members) == 1 else tape.Sum(*members)
    return total if rows == 1 else tape.ReduceSum(total, [0], keepdims=1)


def _one_by_one(
    tape: Tape,
    part: _Pass,
    roots: Roots,
    layers: Sequence[Layer],
    energies: Sequence[ir.Value],
    images: Sequence[ir.Value],
    rows: Sequence[ir.Value],
) -> _Measured:
    """A Scan over the rows whose states are the sums: the file holds the pass once."""
    parameters, activations, *on_image = _measure(part.tape, layers, energies, images, part.cotangents, 1)
    terms = [_stacked(part.tape, parameters), _stacked(part.tape, activations), *on_image]
    states = [ir.val(f"sum_{i}", dtype=tape.dtype, shape=shape_of(term)) for i, term in enumerate(terms)]
    sums = [part.tape.Add(state, term) for state, term in zip(states, terms, strict=True)]
    part.graph.inputs[:] = [*states, *rows]
    part.graph.outputs.extend(sums)
    zeros = [tape.zeros(shape_of(state)) for state in states]
    totals = tape.Scan(*zeros, *roots.values(), outputs=len(sums), body=part.graph, num_scan_inputs=len(rows))
    for total, state in zip(totals, states, strict=True):
        total.shape, total.dtype = state.shape, state.dtype
    return _unstacked(tape, totals[0]), _unstacked(tape, totals[1]), totals[2], totals[3]


def _stacked(tape: Tape, scalars: Sequence[ir.Value]) -> ir.Value:
    return tape.Concat(*(tape.Unsqueeze(scalar, [0]) for scalar in scalars), axis=0)


def _unstacked(tape: Tape, vector: ir.Value) -> list[ir.Value]:
    count = shape_of(vector)[0]
    return [tape.Squeeze(tape.Slice(vector, [i], [i + 1], [0]), [0]) for i in range(count)]
