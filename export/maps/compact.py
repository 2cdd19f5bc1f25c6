"""The compact map: a grid of codes instead of an image of derivatives."""

from __future__ import annotations

from typing import Literal

import numpy as np
import onnx_ir as ir

from fisherlens.edge.bundle.manifest import Map

from ..graph.tape import TINY, Tape, shape_of


def grid(image_shape: tuple[int, ...], budget: int, kind: str, quantity: str) -> Map:
    """The finest grid of square cells whose codes, a byte each, take at most `budget` bytes."""
    height, width = image_shape[2:]
    cell = next(c for c in range(1, max(height, width) + 1) if -(-height // c) * -(-width // c) <= budget)
    return Map(
        kind=kind,
        quantity=quantity,
        cell=cell,
        rows=-(-height // cell),
        columns=-(-width // cell),
    )


def compacted(
    tape: Tape,
    values: ir.Value,
    image_shape: tuple[int, ...],
    spec: Map,
    pooled: Literal["root mean square", "mean"],
) -> tuple[ir.Value, ir.Value]:
    """Codes uint8 [rows, columns] and their range float32 [2] of a map [1, C, H, W], whose channels add up.

    Of squares each cell holds the root of their mean: it has the unit of a derivative, and its codes
    keep detail that the squares would push to zero.
    """
    _, _, height, width = image_shape
    summed = tape.ReduceSum(values, [1], keepdims=1) if shape_of(values)[1] > 1 else values
    below, right = spec.rows * spec.cell - height, spec.columns * spec.cell - width
    padded = tape.Pad(summed, [0, 0, 0, 0, 0, 0, below, right]) if below or right else summed
    averages = tape.AveragePool(padded, kernel_shape=[spec.cell] * 2, strides=[spec.cell] * 2)
    means = tape.Mul(tape.Reshape(averages, [spec.rows, spec.columns]), tape.floats(_filled(spec, height, width)))
    root = tape.Sqrt(means) if pooled == "root mean square" else means
    low, high = tape.ReduceMin(root, keepdims=0), tape.ReduceMax(root, keepdims=0)
    span = tape.Max(tape.Sub(high, low), TINY)
    codes = tape.Round(tape.Mul(tape.Div(tape.Sub(root, low), span), 255.0))
    ends = tape.Concat(tape.Unsqueeze(low, [0]), tape.Unsqueeze(high, [0]), axis=0)
    return tape.Cast(codes, to=ir.DataType.UINT8), ends


def _filled(spec: Map, height: int, width: int) -> np.ndarray:
    """What turns the mean over a cell into the mean over its pixels on the image: border cells reach
    beyond it. float64 [rows, columns]."""
    of_rows = np.minimum(spec.cell, height - np.arange(spec.rows) * spec.cell)
    of_columns = np.minimum(spec.cell, width - np.arange(spec.columns) * spec.cell)
    return spec.cell**2 / np.outer(of_rows, of_columns)
