"""The discrete Fourier transform: linear, its adjoint the transform the other way."""

from __future__ import annotations

import onnx_ir as ir

from ...errors import NetworkError
from ...graph.nodes import described
from ...graph.tape import shape_of
from ..registry import Step, rule


def _dft(s: Step) -> ir.Value:
    """y = F x has the adjoint Fᴴ = N F⁻¹, and y = F⁻¹ x has F / N, over N samples along the axis."""
    inverse, onesided = bool(s.attribute("inverse", 0)), bool(s.attribute("onesided", 0))
    if inverse and onesided:
        raise NetworkError(f"{described(s.node)}: inverse and onesided, expected not more than one of them")
    have = s.shape()
    axis = int(s.known(2, default=-2)) % len(have)
    length = int(s.known(1, default=have[axis]))
    ct = _resized(s, s.ct, axis, length) if onesided else s.ct
    back = s.op.DFT(ct, None, s.op.constant(s.known(2, default=-2)), inverse=int(not inverse))
    scaled = s.op.Mul(back, 1.0 / length if inverse else float(length))
    whole = _resized(s, scaled, axis, have[axis])
    return whole if have[-1] == 2 else s.op.Slice(whole, [0], [1], [-1])


def _resized(s: Step, value: ir.Value, axis: int, length: int) -> ir.Value:
    """Cut, or filled up with zeros, along one axis."""
    have = shape_of(value)
    if have[axis] == length:
        return value
    if have[axis] > length:
        return s.op.Slice(value, [0], [length], [axis])
    pads = [0] * 2 * len(have)
    pads[len(have) + axis] = length - have[axis]
    return s.op.Pad(value, pads)


rule("DFT", _dft, None, None)
