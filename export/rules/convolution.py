"""Convolution and its transpose, in any number of spatial dimensions, with groups."""

from __future__ import annotations

import onnx_ir as ir

from ..errors import NetworkError
from ..registry import Step, described, rule
from ..tape import Tape, shape_of
from .geometry import Window


def _conv_input(s: Step) -> ir.Value:
    window = Window.of(s, s.shape(1)[2:])
    return transposed(s.op, s.ct, s.x(1), window, shape_of(s.y)[2:], s.shape()[2:])


def transposed(
    op: Tape, ct: ir.Value, weight: ir.Value, window: Window, ct_size: tuple[int, ...], size: tuple[int, ...]
) -> ir.Value:
    """The transpose of a convolution, giving spatial `size`.

    Rows at the far end that the strides skipped get zeros: that is `output_padding`.
    """
    return op.ConvTranspose(
        ct, weight, strides=window.strides, pads=window.pads, dilations=window.dilations, group=window.group,
        output_padding=window.left_over(ct_size, size),
    )  # fmt: skip


def weight_gradient(
    op: Tape,
    image: ir.Value,
    image_shape: tuple[int, ...],
    ct: ir.Value,
    ct_shape: tuple[int, ...],
    window: Window,
) -> ir.Value:
    """Gradient of sum(ct * conv(image, weight)) in the weight [M, C/group, *kernel].

    It is a convolution itself: the cotangent is the kernel, images and channels change places, and
    strides and dilations change places. Groups stay groups.
    """
    n, c, *size = image_shape
    ct_size = ct_shape[2:]
    g = window.group
    spatial = list(range(3, 3 + len(size)))
    if g == 1:
        swapped = op.Transpose(image, perm=[1, 0, *(axis - 1 for axis in spatial)])
    else:
        split = op.Reshape(image, [n, g, c // g, *size])
        swapped = op.Reshape(op.Transpose(split, perm=[2, 1, 0, *spatial]), [c // g, g * n, *size])
    kernel = op.Transpose(ct, perm=[1, 0, *(axis - 1 for axis in spatial)])
    result = op.Conv(
        swapped, kernel, strides=window.dilations, dilations=window.strides, pads=window.pads, group=g,
        kernel_shape=ct_size,
    )  # fmt: skip
    axes = list(range(2, 2 + len(size)))
    result = op.Slice(result, [0] * len(size), list(window.kernel), axes)
    return op.Transpose(result, perm=[1, 0, *axes])


def _conv_weight(s: Step) -> ir.Value:
    window = Window.of(s, s.shape(1)[2:])
    return weight_gradient(s.op, s.x(), s.shape(), s.ct, shape_of(s.y), window)


def bias_gradient(s: Step) -> ir.Value:
    """The cotangent summed over everything but the channels."""
    axes = [0, *range(2, len(shape_of(s.y)))]
    return s.op.ReduceSum(s.ct, axes, keepdims=0)


def _transposed_input(s: Step) -> ir.Value:
    window = _transposed_window(s)
    return s.op.Conv(
        s.ct, s.x(1), strides=window.strides, pads=window.pads, dilations=window.dilations, group=window.group
    )


def _transposed_weight(s: Step) -> ir.Value:
    return weight_gradient(s.op, s.ct, shape_of(s.y), s.x(), s.shape(), _transposed_window(s))


def _transposed_window(s: Step) -> Window:
    if s.attribute("output_shape", None) or s.attribute("auto_pad", "NOTSET") != "NOTSET":
        raise NetworkError(
            f"{described(s.node)}: padding given by output_shape or auto_pad, expected pads. "
            "Export the network with explicit pads."
        )
    return Window.of(s, s.shape(1)[2:])


rule("Conv", _conv_input, _conv_weight, bias_gradient)
rule("ConvTranspose", _transposed_input, _transposed_weight, bias_gradient)
