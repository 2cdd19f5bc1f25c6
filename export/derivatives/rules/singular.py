"""Divisors that are zero where a function has a corner, as norms and roots have it: their quotients count as zero."""

from __future__ import annotations

import math

import onnx_ir as ir

from ...graph.tape import Tape


def infinite_for_zero(op: Tape, divisor: ir.Value) -> ir.Value:
    """A divisor with infinity in the place of zeros: quotients by it are zero there, and all derivatives of these too.

    NaN stays NaN.
    """
    return op.Where(op.Equal(divisor, 0.0), math.inf, divisor)
