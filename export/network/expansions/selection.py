"""Small operators without a body in the standard: chosen elements, determinants, spectrograms."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import onnx_ir as ir

from ...errors import NetworkError
from ...graph.nodes import described
from ...graph.tape import Tape, shape_of
from .expansion import Expansion, known, operands, optional

MOST_ROWS = 6
"""Determinants of larger matrices are refused: expansion by minors takes 2^n products."""


def _compress(tape: Tape, node: ir.Node) -> list[ir.Value]:
    """Elements where a condition holds, which has to be a constant: else their number is open."""
    (image,) = operands(node, 1)
    chosen = np.flatnonzero(known(node, 1, "the condition"))
    axis = node.attributes.get("axis")
    if axis is None:
        return [tape.Gather(tape.Reshape(image, [-1]), tape.constant(chosen), axis=0)]
    return [tape.Gather(image, tape.constant(chosen), axis=axis.as_int())]


def _det(tape: Tape, node: ir.Node) -> list[ir.Value]:
    """Laplace's expansion, row by row, every minor once."""
    (matrix,) = operands(node, 1)
    size = shape_of(matrix)[-1]
    if size > MOST_ROWS:
        raise NetworkError(f"{described(node)}: matrices of {size} rows, expected at most {MOST_ROWS}")

    def entry(row: int, column: int) -> ir.Value:
        return tape.Squeeze(tape.Slice(matrix, [row, column], [row + 1, column + 1], [-2, -1]), [-2, -1])

    minors: dict[tuple[int, ...], ir.Value] = {(column,): entry(size - 1, column) for column in range(size)}
    for rows in range(2, size + 1):
        larger = {}
        for columns in combinations(range(size), rows):
            terms = [
                tape.Mul(tape.Mul(entry(size - rows, column), minors[columns[:i] + columns[i + 1 :]]), (-1.0) ** i)
                for i, column in enumerate(columns)
            ]
            larger[columns] = tape.Sum(*terms)
        minors = larger
    return [minors[tuple(range(size))]]


def _stft(tape: Tape, node: ir.Node) -> list[ir.Value]:
    """Frames of the signal [N, samples, 1 or 2], each windowed and transformed."""
    (signal,) = operands(node, 1)
    step = int(known(node, 1, "the frame step"))
    window, length = optional(node, [2, 3])
    if window is None and length is None:
        raise NetworkError(f"{described(node)}: neither a window nor a frame length, expected one of them")
    size = shape_of(window)[0] if window is not None else int(known(node, 3, "the frame length"))
    frames = 1 + (shape_of(signal)[1] - size) // step
    indices = np.arange(frames)[:, None] * step + np.arange(size)[None]
    cut = tape.Gather(signal, tape.constant(indices), axis=1)
    if window is not None:
        cut = tape.Mul(cut, tape.Reshape(window, [size, 1]))
    axis = tape.constant(np.array(2, np.int64))
    return [tape.DFT(cut, None, axis, onesided=node.attributes.get_int("onesided", 1))]


EXPANSIONS: dict[str, Expansion] = {"Compress": _compress, "Det": _det, "STFT": _stft}
