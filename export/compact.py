"""The compact map: a grid of codes instead of an image of derivatives."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from fisherlens.edge.manifest import Map

from .tape import Tape


def grid(image_shape: tuple[int, ...], cells: int) -> Map:
    """The grid of square cells, `cells` along the image's longer side (fewer on a small image)."""
    height, width = image_shape[2:]
    cell = -(-max(height, width) // cells)
    return Map(
        kind="fisher",
        quantity="root mean Fisher information per pixel of the image, 1/image unit",
        cell=cell,
        rows=-(-height // cell),
        columns=-(-width // cell),
    )


def compacted(tape: Tape, fisher_map: ir.Value, image_shape: tuple[int, ...], spec: Map) -> tuple[ir.Value, ir.Value]:
    """Codes uint8 [rows, columns] and their range float32 [2] of a map [1, C, H, W].

    The root of a cell's mean information has the unit of a derivative; its codes keep detail that
    the squares would push to zero.
    """
    _, channels, height, width = image_shape
    summed = tape.ReduceSum(fisher_map, [1], keepdims=1) if channels > 1 else fisher_map
    below, right = spec.rows * spec.cell - height, spec.columns * spec.cell - width
    padded = tape.Pad(summed, [0, 0, 0, 0, 0, 0, below, right]) if below or right else summed
    pooled = tape.AveragePool(padded, kernel_shape=[spec.cell] * 2, strides=[spec.cell] * 2)
    means = tape.Mul(tape.Reshape(pooled, [spec.rows, spec.columns]), tape.floats(_filled(spec, height, width)))
    root = tape.Sqrt(means)
    low, high = tape.ReduceMin(root, keepdims=0), tape.ReduceMax(root, keepdims=0)
    span = tape.Max(tape.Sub(high, low), 1e-30)
    codes = tape.Round(tape.Mul(tape.Div(tape.Sub(root, low), span), 255.0))
    ends = tape.Concat(tape.Unsqueeze(low, [0]), tape.Unsqueeze(high, [0]), axis=0)
    return tape.Cast(codes, to=ir.DataType.UINT8), ends


def _filled(spec: Map, height: int, width: int) -> np.ndarray:
    """What turns the mean over a cell into the mean over its pixels on the image: border cells reach
    beyond it. float64 [rows, columns]."""
    of_rows = np.minimum(spec.cell, height - np.arange(spec.rows) * spec.cell)
    of_columns = np.minimum(spec.cell, width - np.arange(spec.columns) * spec.cell)
    return spec.cell**2 / np.outer(of_rows, of_columns)
