"""The map inside the bundle: computed where somebody looks at it, and nowhere else."""

from __future__ import annotations

import onnx_ir as ir

from fisherlens.edge.bundle.manifest import Map

from ..fisher.fisher_graph import FisherGraph
from ..graph.tape import Tape, shape_of
from . import MAPS
from .compact import compacted


def add_map(graph: FisherGraph, values: ir.Value, flagged: ir.Value, spec: Map) -> tuple[ir.Value, ir.Value]:
    """Add the compact map inside an If: computed where something is flagged or `explain` asks, with whatever of
    the graph only the map needs. values: the map of the image [1, C, H, W] that its kind has written.

    Adds the input `explain`, and returns the outputs `map` and `map_range`, both of zero size where
    nothing was computed.
    """
    explain = ir.val("explain", dtype=ir.DataType.BOOL, shape=())
    graph.tape.graph.inputs.append(explain)
    computed, left_out = (ir.Graph([], [], nodes=[], name=name) for name in ("map", "no_map"))
    codes = compacted(Tape(computed), values, shape_of(graph.image), spec, MAPS[spec.kind].pooled)
    empty = Tape(left_out)
    nothing = empty.Cast(empty.zeros((0, 0)), to=ir.DataType.UINT8), empty.zeros((0,))
    for branch, results in ((computed, codes), (left_out, nothing)):
        results[0].dtype, results[1].dtype = ir.DataType.UINT8, ir.DataType.FLOAT
        branch.outputs.extend(results)
    wanted = graph.tape.Or(flagged, explain)
    codes, ends = graph.tape.If(wanted, outputs=2, then_branch=computed, else_branch=left_out)
    return codes, ends
