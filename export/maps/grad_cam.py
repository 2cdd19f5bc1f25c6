"""Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391, eqs. 1 and 2)."""

from __future__ import annotations

import onnx_ir as ir

from ..derivatives.reverse import cotangents
from ..errors import NetworkError
from ..fisher.fisher_graph import FisherGraph
from ..graph.tape import shape_of


def grad_cam(graph: FisherGraph) -> ir.Value:
    """Grad-CAM at each member's last convolution with more than one place, resampled to the image, [1, 1, H, W].

    Raises NetworkError for a network without one.
    """
    tape, explained = graph.tape, graph.readout.explained
    places = _last_convolutions(graph)
    slopes = cotangents(tape, {explained.target: tape.floats(1.0)}, places, explained.held)
    terms = []
    for activation in places:
        weights = tape.ReduceMean(slopes[activation], [2, 3], keepdims=1)
        coarse = tape.Relu(tape.ReduceSum(tape.Mul(weights, activation), [1], keepdims=1))
        sizes = [1, 1, *shape_of(graph.image)[2:]]
        terms.append(tape.Resize(coarse, None, None, sizes, mode="linear"))
    return terms[0] if len(terms) == 1 else tape.Sum(*terms)


def _last_convolutions(graph: FisherGraph) -> list[ir.Value]:
    """Of each member."""
    found = []
    for layers in graph.forward.members:
        results = [use.output for layer in layers for use in layer.uses]
        spread = [result for result in results if len(shape_of(result)) == 4 and max(shape_of(result)[2:]) > 1]
        if not spread:
            raise NetworkError("no convolution with more than one place; Grad-CAM needs one. Choose another map.")
        found.append(spread[-1])
    return found
