"""Maps of derivatives: squares, so that cells hold their root mean; and of the Fisher form."""

from __future__ import annotations

import onnx_ir as ir

from ..derivatives.reverse import cotangents
from ..fisher.eigen import leading
from ..fisher.fisher_graph import FisherGraph
from ..fisher.form import fisher_form, sensitivity


def fisher_map(graph: FisherGraph) -> ir.Value:
    """The diagonal of the Fisher information about the image, [1, C, H, W]."""
    return graph.information.map


def gradient(graph: FisherGraph) -> ir.Value:
    """The squared derivative of the head's target in the image (Simonyan et al. 2014, arXiv 1312.6034,
    section 3), [1, C, H, W]."""
    tape, explained = graph.tape, graph.readout.explained
    slope = cotangents(tape, {explained.target: tape.floats(1.0)}, [graph.image], explained.held)[graph.image]
    return tape.Mul(slope, slope)


def eigen_component(graph: FisherGraph) -> ir.Value:
    """The leading eigenvector of the information about the image, squared and times its eigenvalue: how
    much of the information at each pixel is about one single change of the image, [1, C, H, W]."""
    tape = graph.tape
    found = leading(tape, graph.image_rows())
    return tape.Mul(tape.Mul(found.component, found.component), found.eigenvalue)


def input_sensitivity(graph: FisherGraph) -> ir.Value:
    """The Fisher information sensitivity, [1, C, H, W]: see `fisher_form`."""
    form = fisher_form(graph.forward, graph.readout)
    return sensitivity(graph.forward, form)
