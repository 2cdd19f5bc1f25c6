"""The texture of the image as a check: what it is made of at several scales, before any network has seen it.

Means, spread and the logarithms of mean absolute differences, in few numbers what rich models of steganalysis have in
many (Fridrich & Kodovský 2012, IEEE Trans. Inf. Forensics Secur. 7). A perturbation of each pixel, noise, another
sharpness or another device change these first, whatever the network makes of them; the network has no part in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from fisherlens.edge.bundle.manifest import Watched

from ..fisher.fisher_graph import FisherGraph
from ..graph.tape import TINY, Tape, shape_of
from .kind import Measured

SCALES = 4
"""Halvings of the image at which differences are taken, the image itself among them."""

DIFFERENCES = {
    "across": [[0, 0, 0], [0, -1, 1], [0, 0, 0]],
    "down": [[0, 0, 0], [0, -1, 0], [0, 1, 0]],
    "second": [[0, -1, 0], [-1, 4, -1], [0, -1, 0]],
    "second of second": [[1, -2, 1], [-2, 4, -2], [1, -2, 1]],
}
"""Differences of neighbouring pixels, as kernels of a correlation. The last, second differences across of second
differences down, is zero on all that is quadratic, and leaves noise alone (Immerkær 1996, Comput. Vis. Image Underst.
64): a perturbation or a fine detail that drowns in the others' edges shows in it."""

MOMENTS = ("mean", "standard deviation", "largest value", "smallest value", "log share of zeros")

DENSE = 128
"""From so many rows and columns on, differences are taken at every second place of each: a quarter tells their mean."""


def texture_features(graph: FisherGraph) -> Measured:
    """The texture's features of each channel of the image [1, C, H, W], and the head's regressors [P]."""
    tape, image = graph.tape, graph.image
    levels, unmeasured = _levels(tape, image), _unmeasured(tape, image)
    moments = _moments(tape, levels[min(1, len(levels) - 1)], unmeasured)
    features = tape.Concat(moments, _log_differences(tape, levels, unmeasured), axis=0)
    names = [
        *MOMENTS,
        *(f"log difference {name}, {2**halvings} pixels" for halvings in range(len(levels)) for name in DIFFERENCES),
    ]
    watched = tuple(Watched(layer="image", quantity=name, count=shape_of(image)[1]) for name in names)
    return Measured((features, graph.readout.regressors), watched)


def _moments(tape: Tape, image: ir.Value, unmeasured: ir.Value) -> ir.Value:
    """MOMENTS by kind and channel, [kinds * C], of an image or of its means over 2 x 2 pixels, which cost a quarter.

    Pooling is quicker than reducing: ONNX Runtime has written it out for images.
    """
    mean = tape.GlobalAveragePool(image)
    centred = tape.Sub(image, mean)
    deviation = tape.Sqrt(tape.GlobalAveragePool(tape.Mul(centred, centred)))
    smallest = tape.Neg(tape.GlobalMaxPool(tape.Neg(image)))
    # One more zero: where a background of exact zeros is woken the logarithm falls far, and it is never infinite.
    zeros = tape.Log(tape.Add(tape.GlobalAveragePool(unmeasured), 1.0 / math.prod(shape_of(unmeasured)[2:])))
    return tape.Reshape(tape.Concat(mean, deviation, tape.GlobalMaxPool(image), smallest, zeros, axis=1), [-1])


def _levels(tape: Tape, image: ir.Value) -> list[ir.Value]:
    """The image, and means over 2 x 2, 4 x 4, ... of its pixels, as long as three rows and columns are left."""
    channels = shape_of(image)[1]
    quarters = np.full((channels, 1, 2, 2), 0.25, np.float32)  # as an AveragePool, which is slower
    levels = [image]
    while len(levels) < SCALES and min(shape_of(levels[-1])[2:]) >= 6:
        levels.append(tape.Conv(levels[-1], quarters, group=channels, strides=[2, 2]))
    return levels


def _unmeasured(tape: Tape, image: ir.Value) -> ir.Value:
    """One where a pixel is zero, as padding and all that nothing was measured of is, else zero: [1, C, H, W]."""
    zeros = tape.Cast(tape.Equal(image, 0.0), to=tape.dtype)
    zeros.shape = image.shape
    return zeros


def _log_differences(tape: Tape, levels: Sequence[ir.Value], unmeasured: ir.Value) -> ir.Value:
    """Logarithms of the mean absolute differences, by level, kind and channel: [levels * kinds * C]. Of pixels that
    were measured: the border of what was not is an edge beside which all others are small."""
    channels, kinds = shape_of(levels[0])[1], len(DIFFERENCES)
    # Output k of a grouped convolution is of channel k // kinds.
    kernels = np.tile(np.array(list(DIFFERENCES.values()), np.float32)[:, None], (channels, 1, 1, 1))
    means = []
    for number, level in enumerate(levels):
        strides = [2, 2] if min(shape_of(level)[2:]) >= DENSE else [1, 1]
        sizes = tape.Abs(tape.Conv(level, kernels, group=channels, strides=strides))
        unmeasured = tape.MaxPool(unmeasured, kernel_shape=[2, 2], strides=[2, 2]) if number else unmeasured
        measured = tape.Sub(1.0, tape.MaxPool(unmeasured, kernel_shape=[3, 3], strides=strides))
        means.append(_means_of_measured(tape, sizes, measured))
    by_channel = tape.Reshape(tape.Concat(*means, axis=0), [len(levels), channels, kinds])
    by_kind = tape.Reshape(tape.Transpose(by_channel, perm=[0, 2, 1]), [-1])
    return tape.Log(tape.Max(by_kind, TINY))


def _means_of_measured(tape: Tape, sizes: ir.Value, measured: ir.Value) -> ir.Value:
    """Means [C * kinds] of sizes [1, C * kinds, h, w] where a channel was measured, one in [1, C, h, w]; zero where it
    was measured nowhere."""
    channels = shape_of(measured)[1]
    kinds = shape_of(sizes)[1] // channels
    # A product of matrices adds up what is measured: quicker than to multiply and to reduce.
    sums = tape.MatMul(tape.Reshape(sizes, [channels, kinds, -1]), tape.Reshape(measured, [channels, -1, 1]))
    counts = tape.Reshape(tape.ReduceSum(measured, [2, 3], keepdims=0), [channels, 1, 1])
    return tape.Reshape(tape.Div(sums, tape.Max(counts, 1.0)), [-1])
