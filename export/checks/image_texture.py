"""The texture of the image as a check: what it is made of at several scales, before any network has seen it.

Means, spread and the logarithms of mean absolute differences, in few numbers what rich models of steganalysis have in
many (Fridrich & Kodovský 2012, IEEE Trans. Inf. Forensics Secur. 7). A perturbation of each pixel, noise, another
sharpness or another device change these first, whatever the network makes of them; the network has no part in it.
"""

from __future__ import annotations

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
    "diagonal": [[0, 0, 0], [0, 1, -1], [0, -1, 1]],
    "second": [[0, -1, 0], [-1, 4, -1], [0, -1, 0]],
}
"""Differences of neighbouring pixels, as kernels of a correlation."""

_LEAST = 1e-6
"""Share of the largest magnitude in the image below which a mean difference counts as this: a flat image has none."""


def texture_features(graph: FisherGraph) -> Measured:
    """The texture's features of each channel of the image [1, C, H, W], and the head's regressors [P]."""
    tape, image = graph.tape, graph.image
    channels = shape_of(image)[1]
    mean = tape.ReduceMean(image, [0, 2, 3], keepdims=1)
    deviation = tape.Sqrt(tape.ReduceMean(_squared(tape, tape.Sub(image, mean)), [0, 2, 3], keepdims=0))
    largest = tape.ReduceMax(image, [0, 2, 3], keepdims=0)
    smallest = tape.ReduceMin(image, [0, 2, 3], keepdims=0)
    parts = {
        "mean": tape.ReduceMean(image, [0, 2, 3], keepdims=0),
        "standard deviation": deviation,
        "largest pixel": largest,
        "smallest pixel": smallest,
    }
    magnitude = tape.ReduceMax(tape.Max(tape.Abs(largest), tape.Abs(smallest)), keepdims=0)
    floor = tape.Max(tape.Mul(magnitude, _LEAST), TINY)
    for halvings, level in enumerate(_levels(tape, image)):
        for name, found in zip(DIFFERENCES, _differences(tape, level), strict=True):
            parts[f"log difference {name}, {2**halvings} pixels"] = tape.Log(tape.Max(found, floor))
    watched = tuple(Watched(layer="image", quantity=name, count=channels) for name in parts)
    return Measured((tape.Concat(*parts.values(), axis=0), graph.readout.regressors), watched)


def _squared(tape: Tape, value: ir.Value) -> ir.Value:
    return tape.Mul(value, value)


def _levels(tape: Tape, image: ir.Value) -> list[ir.Value]:
    """The image, and means over 2 x 2, 4 x 4, ... of its pixels, as long as three rows and columns are left."""
    levels = [image]
    while len(levels) < SCALES and min(shape_of(levels[-1])[2:]) >= 6:
        levels.append(tape.AveragePool(levels[-1], kernel_shape=[2, 2], strides=[2, 2]))
    return levels


def _differences(tape: Tape, level: ir.Value) -> list[ir.Value]:
    """Mean absolute differences of each kind, [C] each."""
    channels, kinds = shape_of(level)[1], len(DIFFERENCES)
    kernels = np.tile(np.array(list(DIFFERENCES.values()), np.float32)[:, None], (channels, 1, 1, 1))
    found = tape.ReduceMean(tape.Abs(tape.Conv(level, kernels, group=channels)), [2, 3], keepdims=0)
    by_kind = tape.Reshape(found, [channels, kinds])
    return [tape.Squeeze(tape.Slice(by_kind, [kind], [kind + 1], [1]), [1]) for kind in range(kinds)]
