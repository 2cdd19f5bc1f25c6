"""One reverse pass for several seeds: side by side along axis 0 where the network allows it, else one
after the other in an ONNX Scan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from ..errors import NetworkError
from ..graph.nodes import described
from ..graph.tape import Tape, move, shape_of
from .batching import batch
from .reverse import cotangents, where_derivatives_end

Roots = Mapping[ir.Value, ir.Value]
"""Values whose derivatives are asked for, each with its seeds stacked, [S, *shape of the value]."""


@dataclass(frozen=True)
class ReversePass:
    """A reverse pass in a graph of its own, whose inputs are one seed for each root."""

    graph: ir.Graph
    tape: Tape
    cotangents: dict[ir.Value, ir.Value]


def reverse_pass(dtype: ir.DataType, roots: Roots, wanted: Sequence[ir.Value]) -> tuple[ReversePass, list[ir.Value]]:
    """The pass, and its inputs in the roots' order.

    Raises NetworkError where the last of the wanted values is not reached.
    """
    rows = [ir.val(f"factor_{i}", dtype=dtype, shape=shape_of(root)) for i, root in enumerate(roots)]
    graph = ir.Graph(rows, [], nodes=[], name="score_factor")
    inner = Tape(graph, dtype)
    found = cotangents(inner, dict(zip(roots, rows, strict=True)), wanted)
    if wanted[-1] not in found:
        ends = ", ".join(described(node) for node in where_derivatives_end(roots))
        raise NetworkError(
            f"the outputs do not depend on the image by any way that has a derivative: it ends at {ends}. Export the "
            "network in floating point."
        )
    return ReversePass(graph, inner, found), rows


def side_by_side(tape: Tape, part: ReversePass, roots: Roots, rows: Sequence[ir.Value]) -> dict[ir.Value, ir.Value]:
    """A batched pass on the tape itself, its inputs the roots' rows [S, 1, ...] as [S, ...]."""
    found = dict(part.cotangents)
    for row, (root, factors) in zip(rows, roots.items(), strict=True):
        shape = shape_of(factors)
        seed = tape.Reshape(factors, [shape[0], *shape_of(root)[1:]])
        found = {value: seed if ct is row else ct for value, ct in found.items()}
        ir.convenience.replace_all_uses_with(row, seed)
    part.graph.inputs.clear()
    move(part.graph, tape.graph, prefix="reverse_")
    return found


def jacobian(tape: Tape, roots: Roots, wanted: ir.Value) -> ir.Value:
    """Derivatives of each seeded combination of the roots in `wanted` [1, ...]: [S, ...].

    Raises NetworkError where there is no way with a derivative.
    """
    part, rows = reverse_pass(tape.dtype, roots, [wanted])
    count = shape_of(next(iter(roots.values())))[0]
    if count == 1 or batch(part.graph, count):
        return side_by_side(tape, part, roots, rows)[wanted]
    part.graph.outputs.append(part.cotangents[wanted])
    stacked = tape.Scan(*roots.values(), body=part.graph, num_scan_inputs=len(rows))
    stacked.shape, stacked.dtype = ir.Shape((count, *shape_of(wanted))), tape.dtype
    return tape.Reshape(stacked, [count, *shape_of(wanted)[1:]])
