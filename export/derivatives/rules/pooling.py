"""Maximum and average over windows."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ...graph.tape import shape_of
from ..registry import Step, rule
from .convolution import transposed
from .geometry import Window
from .singular import infinite_for_zero

_MAX_POOL_ATTRIBUTES = ("auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "storage_order", "strides")


def _max_pool(s: Step) -> ir.Value:
    """The cotangent goes to the place that won: the pool is asked again, for indices into the
    flattened image."""
    attributes = {name: s.attribute(name, None) for name in _MAX_POOL_ATTRIBUTES}
    given = {name: value for name, value in attributes.items() if value is not None}
    _, winners = s.op.MaxPool(s.x(), outputs=2, **given)
    size = int(np.prod(s.shape()))
    flat = s.op.ScatterElements(
        s.op.zeros((size,)), s.op.Reshape(winners, [-1]), s.op.Reshape(s.ct, [-1]), axis=0, reduction="add"
    )
    return s.op.Reshape(flat, list(s.shape()))


def _average_pool(s: Step) -> ir.Value:
    """An average is a convolution, channel by channel, with ones, divided by the number of pixels."""
    window = Window.of(s, tuple(s.attribute("kernel_shape", ())))
    size, out, channels = s.shape()[2:], shape_of(s.y)[2:], s.shape()[1]
    counts = _counts(window, size, out, bool(s.attribute("count_include_pad", 0)))
    ones = s.op.floats(np.ones((channels, 1, *window.kernel)))
    left_over = window.left_over(out, size)
    half = len(size)
    # With ceil_mode the last window may reach beyond the padding: widen it by what is missing.
    pads = [*window.pads[:half], *(p + max(0, -m) for p, m in zip(window.pads[half:], left_over, strict=True))]
    depthwise = Window(window.kernel, window.strides, pads, window.dilations, group=channels)
    return transposed(s.op, s.op.Div(s.ct, s.op.floats(counts)), ones, depthwise, out, size)


def _counts(window: Window, size: tuple[int, ...], out: tuple[int, ...], with_padding: bool) -> NDArray[np.float64]:
    """How many pixels each average is over: float64 [*out]."""
    counts = np.ones(())
    half = len(size)
    for axis in range(half):
        start = np.arange(out[axis])[:, None] * window.strides[axis] - window.pads[axis]
        places = start + np.arange(window.kernel[axis]) * window.dilations[axis]
        low, high = (-window.pads[axis], size[axis] + window.pads[axis + half]) if with_padding else (0, size[axis])
        along = ((places >= low) & (places < high)).sum(axis=1)
        counts = counts[..., None] * along
    return counts


def _powered_slope(s: Step, p: int) -> ir.Value:
    """d|x|^p / dx over p."""
    size = s.op.Abs(s.x())
    powered = size if p == 2 else s.op.Pow(size, float(p - 1))
    return s.op.Sign(s.x()) if p == 1 else s.op.Mul(s.op.Sign(s.x()), powered)


def _root_slope(s: Step, p: int) -> ir.Value:
    """ct y^(1-p), of the p-th root y; zero where all of a window is, as torch has it."""
    return s.ct if p == 1 else s.op.Div(s.ct, s.op.Pow(infinite_for_zero(s.op, s.y), float(p - 1)))


def _lp_pool(s: Step) -> ir.Value:
    """The p-th root of a sum over windows of |x|^p."""
    p = s.attribute("p", 2)
    window = Window.of(s, tuple(s.attribute("kernel_shape", ())))
    size, out, channels = s.shape()[2:], shape_of(s.y)[2:], s.shape()[1]
    ones = s.op.floats(np.ones((channels, 1, *window.kernel)))
    depthwise = Window(window.kernel, window.strides, window.pads, window.dilations, group=channels)
    return s.op.Mul(_powered_slope(s, p), transposed(s.op, _root_slope(s, p), ones, depthwise, out, size))


def _global_lp_pool(s: Step) -> ir.Value:
    p = s.attribute("p", 2)
    return s.op.Mul(_powered_slope(s, p), _root_slope(s, p))


def _max_unpool(s: Step) -> ir.Value:
    """Indices count within the flattened result."""
    flat = s.op.GatherElements(s.op.Reshape(s.ct, [-1]), s.op.Reshape(s.x(1), [-1]), axis=0)
    return s.op.Reshape(flat, list(s.shape()))


rule("LpPool", _lp_pool)
rule("GlobalLpPool", _global_lp_pool)
rule("MaxUnpool", _max_unpool, None, None)
rule("MaxPool", _max_pool)
rule("AveragePool", _average_pool)
