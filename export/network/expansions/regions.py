"""Pooling over regions of interest, of one image."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ...errors import NetworkError
from ...graph.nodes import described
from ...graph.tape import Tape, shape_of
from .expansion import Expansion, operands
from .sampling import sampled

_LOWEST = -3e38
"""Below every pixel, in float32 too."""


def _roi_align(tape: Tape, node: ir.Node) -> list[ir.Value]:
    """Means of samples on a grid in each bin of a region (He et al. 2017, arXiv 1703.06870, section 3);
    regions [R, 4] as x1, y1, x2, y2."""
    image, regions, _ = operands(node, 3)
    samples = node.attributes.get_int("sampling_ratio", 0)
    if node.attributes.get_string("mode", "avg") != "avg" or samples < 1 or shape_of(image)[0] != 1:
        raise NetworkError(f"{described(node)}: expected mode avg, a fixed sampling_ratio and a batch of one")
    out = [node.attributes.get_int(name, 1) for name in ("output_height", "output_width")]
    count, channels = shape_of(regions)[0], shape_of(image)[1]
    places = []
    for first, bins, size in ((1, out[0], shape_of(image)[2]), (0, out[1], shape_of(image)[3])):
        places.append(_places(tape, node, regions, first, bins, samples, size))
    grid = [count, out[0] * samples, out[1] * samples]
    (y, inside_y), (x, inside_x) = (
        [tape.Reshape(tape.Expand(tape.Unsqueeze(v, [axis]), grid), [1, 1, int(np.prod(grid))]) for v in pair]
        for pair, axis in zip(places, (2, 1), strict=True)
    )
    values = tape.Mul(sampled(tape, image, y, x), tape.Mul(inside_y, inside_x))
    values = tape.Reshape(values, [channels, count, out[0], samples, out[1], samples])
    return [tape.Transpose(tape.ReduceMean(values, [3, 5], keepdims=0), perm=[1, 0, 2, 3])]


def _places(
    tape: Tape, node: ir.Node, regions: ir.Value, first: int, bins: int, samples: int, size: int
) -> tuple[ir.Value, ir.Value]:
    """Places [R, bins * samples] in pixels along one axis, moved into the image, and one where they were
    not more than a pixel outside, else zero."""
    half = node.attributes.get_string("coordinate_transformation_mode", "half_pixel") == "half_pixel"
    scaled = tape.Mul(regions, node.attributes.get_float("spatial_scale", 1.0))
    start, end = (tape.Slice(scaled, [i], [i + 1], [1]) for i in (first, first + 2))
    length = tape.Sub(end, start)
    if half:
        start = tape.Sub(start, 0.5)
    else:
        length = tape.Max(length, 1.0)
    shares = (np.arange(bins * samples) + 0.5) / (bins * samples)
    place = tape.Add(start, tape.Mul(length, tape.floats(shares[None])))
    inside = tape.And(tape.GreaterOrEqual(place, -1.0), tape.LessOrEqual(place, float(size)))
    return tape.Clip(place, 0.0, float(size - 1)), tape.Cast(inside, to=tape.dtype)


def _max_roi_pool(tape: Tape, node: ir.Node) -> list[ir.Value]:
    """The largest pixel in each bin of a region (Girshick 2015, arXiv 1504.08083, section 2.1), rows
    before columns; regions [R, 5] as batch, x1, y1, x2, y2."""
    image, regions = operands(node, 2)
    if shape_of(image)[0] != 1:
        raise NetworkError(f"{described(node)}: a batch of {shape_of(image)[0]}, expected one")
    bins = node.attributes["pooled_shape"].as_ints()
    count = shape_of(regions)[0]
    _, channels, height, width = shape_of(image)
    in_row, in_column = (
        _members(tape, node, regions, first, number, size)
        for first, number, size in ((2, bins[0], height), (1, bins[1], width))
    )
    lowest = tape.floats(_LOWEST)
    rows = tape.Reshape(in_row, [count, 1, bins[0], height, 1])
    tallest = tape.ReduceMax(
        tape.Where(rows, tape.Reshape(image, [1, channels, 1, height, width]), lowest), [3], keepdims=0
    )
    columns = tape.Reshape(in_column, [count, 1, 1, bins[1], width])
    tallest = tape.Reshape(tallest, [count, channels, bins[0], 1, width])
    largest = tape.ReduceMax(tape.Where(columns, tallest, lowest), [4], keepdims=0)
    empty = tape.LessOrEqual(largest, lowest)
    return [tape.Where(empty, tape.floats(0.0), largest)]


def _members(tape: Tape, node: ir.Node, regions: ir.Value, first: int, bins: int, size: int) -> ir.Value:
    """Which pixels along one axis lie in which bin, bool [R, bins, size]."""
    scale = node.attributes.get_float("spatial_scale", 1.0)
    # The operator rounds halves away from zero, Round to even: places are positive.
    start, end = (
        tape.Floor(tape.Add(tape.Mul(tape.Slice(regions, [i], [i + 1], [1]), scale), 0.5)) for i in (first, first + 2)
    )
    length = tape.Max(tape.Add(tape.Sub(end, start), 1.0), 1.0)
    low = tape.Add(tape.Floor(tape.Mul(length, tape.floats(np.arange(bins)[None] / bins))), start)
    high = tape.Add(tape.Ceil(tape.Mul(length, tape.floats((np.arange(bins)[None] + 1) / bins))), start)
    pixel = tape.floats(np.arange(size)[None, None])
    return tape.And(tape.GreaterOrEqual(pixel, tape.Unsqueeze(low, [2])), tape.Less(pixel, tape.Unsqueeze(high, [2])))


EXPANSIONS: dict[str, Expansion] = {"MaxRoiPool": _max_roi_pool, "RoiAlign": _roi_align}
