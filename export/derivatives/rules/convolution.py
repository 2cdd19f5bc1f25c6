"""Convolution and its transpose, in any number of spatial dimensions, with groups."""

from __future__ import annotations

from itertools import product
from math import prod

import onnx_ir as ir

from ...errors import NetworkError
from ...graph.nodes import described
from ...graph.tape import Tape, shape_of
from ..registry import Step, rule
from .geometry import Window


def _conv_input(s: Step) -> ir.Value:
    window = Window.of(s, s.shape(1)[2:])
    return transposed(s.op, s.ct, s.x(1), window, shape_of(s.y)[2:], s.shape()[2:])


def transposed(
    op: Tape, ct: ir.Value, weight: ir.Value, window: Window, ct_size: tuple[int, ...], size: tuple[int, ...]
) -> ir.Value:
    """The transpose of a convolution, giving spatial `size`.

    Without strides it is a convolution itself, with the kernel turned round and its channels swapped:
    ONNX Runtime is faster at it, and does the turning once, when it loads the file. Otherwise rows at
    the far end that the strides skipped get zeros: that is `output_padding`.
    """
    half = len(size)
    pads = [window.extent(i % half) - 1 - pad for i, pad in enumerate(window.pads)]
    if all(stride == 1 for stride in window.strides) and min(pads) >= 0:
        turned = _turned(op, weight, window)
        return op.Conv(ct, turned, pads=pads, dilations=window.dilations, group=window.group)
    return op.ConvTranspose(
        ct, weight, strides=window.strides, pads=window.pads, dilations=window.dilations, group=window.group,
        output_padding=window.left_over(ct_size, size),
    )  # fmt: skip


def _turned(op: Tape, weight: ir.Value, window: Window) -> ir.Value:
    """A kernel [M, C/group, ...] as [C, M/group, ...], each spatial axis backwards."""
    m, c, *kernel = shape_of(weight)
    spatial = list(range(2, 2 + len(kernel)))
    if window.group == 1:
        swapped = op.Transpose(weight, perm=[1, 0, *spatial])
    else:
        groups = op.Reshape(weight, [window.group, m // window.group, c, *kernel])
        swapped = op.Reshape(
            op.Transpose(groups, perm=[0, 2, 1, *(axis + 1 for axis in spatial)]),
            [window.group * c, m // window.group, *kernel],
        )
    long = [axis for axis, size in zip(spatial, kernel, strict=True) if size > 1]
    if not long:
        return swapped
    return op.Slice(swapped, [-1] * len(long), [-(2**62)] * len(long), long, [-1] * len(long))


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


def _unfolded(s: Step) -> ir.Value:
    """The transpose of adding up blocks [N, C * places in a block, blocks] into an image: reading them
    out of it again."""
    size, block = ([int(n) for n in s.known(i)] for i in (1, 2))
    half, (n, channels) = len(block), shape_of(s.y)[:2]
    ones = [1] * half
    strides, dilations = s.attribute("strides", ones), s.attribute("dilations", ones)
    pads = s.attribute("pads", [0] * (2 * half))
    image = s.op.Pad(s.ct, [0, 0, *pads[:half], 0, 0, *pads[half:]]) if any(pads) else s.ct
    spans = [size[i] + pads[i] + pads[i + half] - dilations[i] * (block[i] - 1) - 1 for i in range(half)]
    counts = [span // stride + 1 for span, stride in zip(spans, strides, strict=True)]
    axes = list(range(2, 2 + half))
    places = []
    for place in product(*(range(length) for length in block)):
        start = [at * dilation for at, dilation in zip(place, dilations, strict=True)]
        stop = [s0 + (count - 1) * stride + 1 for s0, count, stride in zip(start, counts, strides, strict=True)]
        read = s.op.Slice(image, start, stop, axes, list(strides))
        places.append(s.op.Reshape(read, [n, channels, 1, prod(counts)]))
    return s.op.Reshape(s.op.Concat(*places, axis=2), list(s.shape()))


rule("Col2Im", _unfolded, None, None)
rule("Conv", _conv_input, _conv_weight, bias_gradient)
rule("ConvTranspose", _transposed_input, _transposed_weight, bias_gradient)
