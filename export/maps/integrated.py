"""Integrated gradients, and those that are kept by their orientation.

Integrated gradients (Sundararajan et al. 2017, arXiv 1703.01365, eq. 1) split the difference between the
target on the image and on a baseline into contributions of the pixels. Oriented, modified integrated
gradients (Amanova, Martin & Elster 2022, doi 10.1088/2632-2153/ac7a03) take a baseline without the
details that the quality rests on, and keep contributions by whether they speak for better or for worse
quality. From there: the baseline without details and the orientation. Ours: that the baseline is
estimated from the image itself, by smoothing over an eighth of its longer side, twice, so that it stays
the same acquisition; and that all of it stands in the bundle's graph.

The path is cut into segments, each by the trapezoidal rule. A network with kinks leaves a remainder in
each, which is known, since the target is: it is spread over the pixels in proportion to the size of
their contributions, so that these add up.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ..derivatives.reverse import cotangents
from ..fisher.fisher_graph import FisherGraph
from ..graph.tape import TINY, Tape, shape_of
from ..network.forward import repeated

SEGMENTS = 32
"""Of the path from baseline to image."""

SMOOTHED = 8
"""Part of the longer side that the baseline is smoothed over."""


def integrated_gradients(graph: FisherGraph) -> ir.Value:
    """The contribution of each pixel to the head's target, [1, C, H, W]: they add up to the target on the
    image less that on the baseline."""
    tape, image = graph.tape, graph.image
    baseline = without_details(tape, image)
    shape = shape_of(image)
    kinds = {"total": shape, "last_slope": shape, "last_target": (), "place": (), "share": ()}
    inputs = [ir.val(name, dtype=tape.dtype, shape=size) for name, size in kinds.items()]
    body = ir.Graph(inputs, [], nodes=[], name="segment")
    inner = Tape(body, tape.dtype)
    total, last_slope, last_target, place, share = inputs
    difference = inner.Sub(image, baseline)
    target, slope = _at(inner, graph, inner.Add(baseline, inner.Mul(difference, place)))
    plain = inner.Mul(difference, inner.Mul(inner.Add(slope, last_slope), inner.Mul(share, 0.5)))
    begun = inner.Sign(share)
    remainder = inner.Sub(inner.Mul(inner.Sub(target, last_target), begun), inner.ReduceSum(plain, keepdims=0))
    size = inner.Abs(plain)
    spread = inner.Div(remainder, inner.Max(inner.ReduceSum(size, keepdims=0), TINY))
    body.outputs.extend([inner.Add(total, inner.Add(plain, inner.Mul(size, spread))), slope, target])
    ends = [tape.floats(array) for array in (np.arange(SEGMENTS + 1) / SEGMENTS, _shares())]
    start = [tape.zeros(shape), tape.zeros(shape), tape.floats(0.0)]
    contributions, _, _ = tape.Scan(*start, *ends, outputs=3, body=body, num_scan_inputs=2)
    contributions.shape, contributions.dtype = ir.Shape(shape), tape.dtype
    return contributions


def _at(tape: Tape, graph: FisherGraph, image: ir.Value) -> tuple[ir.Value, ir.Value]:
    """The target of another image, and its derivative in that."""
    explained = graph.readout.explained
    kept = {value: value for value in explained.held}
    (target,) = repeated(tape, [explained.target], {graph.image: image, **kept})
    return target, cotangents(tape, {target: tape.floats(1.0)}, [image], explained.held)[image]


def _shares() -> NDArray[np.float64]:
    """Of the path behind each end of a segment: nothing behind the first."""
    return np.concatenate([[0.0], np.full(SEGMENTS, 1.0 / SEGMENTS)])


def oriented_integrated_gradients(graph: FisherGraph, raising: bool) -> ir.Value:
    """The contributions that raise the target, or the size of those that lower it, [1, C, H, W]."""
    tape = graph.tape
    contributions = integrated_gradients(graph)
    return tape.Relu(contributions if raising else tape.Neg(contributions))


def without_details(tape: Tape, image: ir.Value) -> ir.Value:
    """The image's slow changes: means over windows, taken twice."""
    size = max(3, max(shape_of(image)[2:]) // SMOOTHED | 1)
    height, width = (min(size, (side - 1) | 1) for side in shape_of(image)[2:])
    for _ in range(2):
        image = tape.AveragePool(
            image,
            kernel_shape=[height, width],
            pads=[height // 2, width // 2] * 2,
            strides=[1, 1],
            count_include_pad=0,
        )
    return image
