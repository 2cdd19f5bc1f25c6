"""Leading eigen-component of the information about the image, by the small Gram matrix of the score
factors' derivatives (Sengupta & Anastasio 2026, arXiv 2606.16362).

The information F_x = Rᵀ R of S rows R has the non-zero eigenvalues of R Rᵀ, [S, S]. Its largest, lambda,
is a local robustness radius: a change of norm d in the worst direction changes the predicted distribution
by a Kullback-Leibler divergence of lambda d^2 / 2, so that one nat takes sqrt(2 / lambda).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from ..graph.tape import TINY, Tape, shape_of

SQUARINGS = 12
"""Each squares the Gram matrix: 4,096 steps of the power iteration."""


@dataclass(frozen=True)
class Leading:
    """eigenvalue: the largest, a scalar. component: its unit eigenvector, as an image [1, C, H, W]."""

    eigenvalue: ir.Value
    component: ir.Value


def leading(tape: Tape, rows: ir.Value) -> Leading:
    """Write the leading eigen-component of the information that the rows [S, C, H, W] make up."""
    count, *size = shape_of(rows)
    flat = tape.Reshape(rows, [count, int(np.prod(size))])
    gram = tape.MatMul(flat, tape.Transpose(flat, perm=[1, 0]))
    power = gram
    for _ in range(SQUARINGS):
        power = tape.Div(power, tape.Max(tape.ReduceMax(tape.Abs(power), keepdims=0), TINY))
        power = tape.MatMul(power, power)
    # Every column is the eigenvector times one of its entries: the one of the largest is taken.
    lengths = tape.ReduceSumSquare(power, [0], keepdims=1)
    chosen = tape.Gather(power, tape.ArgMax(lengths, axis=1, keepdims=0), axis=1)
    vector = tape.Div(chosen, tape.Max(tape.Sqrt(tape.ReduceSumSquare(chosen, keepdims=0)), TINY))
    turned = tape.Transpose(vector, perm=[1, 0])
    eigenvalue = tape.Squeeze(tape.MatMul(turned, tape.MatMul(gram, vector)), [0, 1])
    image = tape.Div(tape.MatMul(turned, flat), tape.Sqrt(tape.Max(eigenvalue, TINY)))
    return Leading(eigenvalue, tape.Reshape(image, [1, *size]))
