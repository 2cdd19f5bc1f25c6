"""Maps of derivatives: squares, so that cells hold their root mean; and of the Fisher form."""

from __future__ import annotations

import onnx_ir as ir

from ..derivatives.reverse import cotangents
from ..fisher.eigen import leading
from ..fisher.fisher_graph import Instrumented
from ..fisher.form import fisher_form, sensitivity


def fisher_map(instrumented: Instrumented) -> ir.Value:
    """The diagonal of the Fisher information about the image, [1, C, H, W]."""
    return instrumented.information.map


def gradient(instrumented: Instrumented) -> ir.Value:
    """The squared derivative of the head's target in the image (Simonyan et al. 2014, arXiv 1312.6034,
    section 3), [1, C, H, W]."""
    forward, readout = instrumented.forward, instrumented.readout
    tape = forward.tape
    slope = cotangents(tape, {readout.target: tape.floats(1.0)}, [forward.image], readout.held)[forward.image]
    return tape.Mul(slope, slope)


def eigen_component(instrumented: Instrumented) -> ir.Value:
    """The leading eigenvector of the information about the image, squared and times its eigenvalue: how
    much of the information at each pixel is about one single change of the image, [1, C, H, W]."""
    tape = instrumented.forward.tape
    found = leading(tape, instrumented.image_rows())
    return tape.Mul(tape.Mul(found.component, found.component), found.eigenvalue)


def input_sensitivity(instrumented: Instrumented) -> ir.Value:
    """The Fisher information sensitivity, [1, C, H, W]: see `fisher_form`."""
    form = fisher_form(instrumented.forward, instrumented.readout)
    return sensitivity(instrumented.forward, form)
