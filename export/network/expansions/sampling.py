"""Images sampled linearly at computed places."""

from __future__ import annotations

from math import prod

import numpy as np
import onnx_ir as ir

from ...errors import NetworkError
from ...graph.nodes import described
from ...graph.tape import Tape, shape_of
from .expansion import Expansion, operands, optional


def _grid_sample(tape: Tape, node: ir.Node) -> list[ir.Value]:
    """Bilinear sampling of an image [N, C, H, W] at places [N, h, w, 2], x before y, in [-1, 1]."""
    image, grid = operands(node, 2)
    mode, padding = (node.attributes.get_string(name, "") for name in ("mode", "padding_mode"))
    if mode not in ("", "linear", "bilinear") or padding not in ("", "zeros", "border") or len(shape_of(image)) != 4:
        raise NetworkError(
            f"{described(node)}: mode {mode}, padding {padding}, expected linear sampling of an image [N, C, H, W] "
            "with padding zeros or border"
        )
    n, c, height, width = shape_of(image)
    _, rows, columns, _ = shape_of(grid)
    corners = bool(node.attributes.get_int("align_corners", False))
    x, y = (_pixels(tape, grid, axis, size, corners, padding) for axis, size in ((0, width), (1, height)))
    return [tape.Reshape(sampled(tape, image, y, x), [n, c, rows, columns])]


def _pixels(tape: Tape, grid: ir.Value, axis: int, size: int, corners: bool, padding: str) -> ir.Value:
    """Places along one axis in pixels, [N, 1, places]."""
    n, rows, columns, _ = shape_of(grid)
    place = tape.Reshape(tape.Slice(grid, [axis], [axis + 1], [3]), [n, 1, rows * columns])
    if corners:
        pixels = tape.Mul(tape.Add(place, 1.0), (size - 1) / 2)
    else:
        pixels = tape.Sub(tape.Mul(tape.Add(place, 1.0), size / 2), 0.5)
    return tape.Clip(pixels, 0.0, float(size - 1)) if padding == "border" else pixels


def sampled(tape: Tape, image: ir.Value, y: ir.Value, x: ir.Value) -> ir.Value:
    """An image [N, C, H, W] at places y, x [N, 1, P] in pixels, linearly between its pixels and with
    zeros around it: [N, C, P]."""
    n, c, height, width = shape_of(image)
    places = shape_of(x)[-1]
    flat = tape.Reshape(image, [n, c, height * width])
    total = None
    for across, down in ((0, 0), (1, 0), (0, 1), (1, 1)):
        column, of_column = _neighbour(tape, x, across, width)
        row, of_row = _neighbour(tape, y, down, height)
        index = tape.Cast(tape.Add(tape.Mul(row, float(width)), column), to=ir.DataType.INT64)
        picked = tape.GatherElements(flat, tape.Expand(index, [n, c, places]), axis=2)
        term = tape.Mul(picked, tape.Mul(of_column, of_row))
        total = term if total is None else tape.Add(total, term)
    assert total is not None
    return total


def _neighbour(tape: Tape, pixels: ir.Value, side: int, size: int) -> tuple[ir.Value, ir.Value]:
    """The pixel on one side, moved into the image, and its weight, zero outside the image."""
    low = tape.Floor(pixels)
    beyond = tape.Sub(pixels, low)
    weight = beyond if side else tape.Sub(1.0, beyond)
    pixel = tape.Add(low, float(side))
    inside = tape.And(tape.GreaterOrEqual(pixel, 0.0), tape.LessOrEqual(pixel, float(size - 1)))
    return tape.Clip(pixel, 0.0, float(size - 1)), tape.Mul(weight, tape.Cast(inside, to=tape.dtype))


def _deform_conv(tape: Tape, node: ir.Node) -> list[ir.Value]:
    """A convolution whose taps are moved by offsets, y before x, and weighted by a mask (Zhu et al. 2019,
    arXiv 1811.11168, eq. 1): the taps are sampled, the rest is a product."""
    image, weight, offset = operands(node, 3)
    bias, mask = optional(node, [3, 4])
    shared, group = (node.attributes.get_int(name, 1) for name in ("offset_group", "group"))
    n, c, height, width = shape_of(image)
    filters, per_group, *kernel = shape_of(weight)
    *_, rows, columns = shape_of(offset)
    taps, places = prod(kernel), rows * columns
    moved = tape.Reshape(offset, [n * shared, taps, 2, places])
    grids = _taps(node, kernel, (rows, columns))
    y, x = (
        tape.Reshape(
            tape.Add(tape.Squeeze(tape.Slice(moved, [i], [i + 1], [2]), [2]), tape.floats(grids[i])),
            [n * shared, 1, taps * places],
        )
        for i in (0, 1)
    )
    values = sampled(tape, tape.Reshape(image, [n * shared, c // shared, height, width]), y, x)
    values = tape.Reshape(values, [n * shared, c // shared, taps, places])
    if mask is not None:
        values = tape.Mul(values, tape.Reshape(mask, [n * shared, 1, taps, places]))
    if group == 1:
        made = tape.MatMul(tape.Reshape(weight, [filters, c * taps]), tape.Reshape(values, [n, c * taps, places]))
    else:
        stacked = tape.Reshape(weight, [group, filters // group, per_group * taps])
        made = tape.MatMul(stacked, tape.Reshape(values, [n, group, per_group * taps, places]))
        made = tape.Reshape(made, [n, filters, places])
    if bias is not None:
        made = tape.Add(made, tape.Reshape(bias, [filters, 1]))
    return [tape.Reshape(made, [n, filters, rows, columns])]


def _taps(node: ir.Node, kernel: list[int], out: tuple[int, int]) -> list[np.ndarray]:
    """Where a plain convolution reads: rows and columns, each [taps, places]."""
    strides, dilations, pads = (
        list(node.attributes.get_ints(name, default))
        for name, default in (("strides", [1, 1]), ("dilations", [1, 1]), ("pads", [0] * 4))
    )
    at = [
        np.arange(k)[:, None] * dilation + np.arange(size)[None] * stride - pad
        for k, dilation, size, stride, pad in zip(kernel, dilations, out, strides, pads, strict=False)
    ]
    shape = (*kernel, *out)
    row = np.broadcast_to(at[0][:, None, :, None], shape)
    column = np.broadcast_to(at[1][None, :, None, :], shape)
    return [array.reshape(prod(kernel), prod(out)) for array in (row, column)]


EXPANSIONS: dict[str, Expansion] = {"DeformConv": _deform_conv, "GridSample": _grid_sample}
