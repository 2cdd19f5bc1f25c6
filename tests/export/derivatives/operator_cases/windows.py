"""Pools and resampling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import strategies as st

from .drawing import Case, Draw, ints, values


def _pool(draw: Draw, attributes: dict[str, Any]) -> tuple[np.ndarray, dict[str, Any], list[int]]:
    kernel = [draw(st.integers(1, 3)) for _ in range(2)]
    strides = [draw(st.integers(1, 3)) for _ in range(2)]
    pads = [draw(st.integers(0, k // 2)) for k in kernel]
    x = values(draw, [draw(st.integers(1, 2)), draw(st.integers(1, 3)), *(draw(st.integers(5, 8)) for _ in range(2))])
    return x, {"kernel_shape": kernel, "strides": strides, "pads": pads + pads, **attributes}, pads


def max_pool(draw: Draw) -> Case:
    dilations = [draw(st.integers(1, 2)) for _ in range(2)]
    x, attributes, pads = _pool(draw, {"dilations": dilations})
    return Case(
        lambda x: F.max_pool2d(x, attributes["kernel_shape"], attributes["strides"], pads, dilations),
        [x],
        attributes=attributes,
    )


def average_pool(draw: Draw) -> Case:
    with_padding = draw(st.booleans())
    x, attributes, pads = _pool(draw, {"count_include_pad": int(with_padding)})
    return Case(
        lambda x: F.avg_pool2d(
            x, attributes["kernel_shape"], attributes["strides"], pads, count_include_pad=with_padding
        ),
        [x],
        attributes=attributes,
    )


def lp_pool(draw: Draw) -> Case:
    p = draw(st.sampled_from((1, 2, 3)))
    x, attributes, pads = _pool(draw, {"p": p})
    kernel, strides = attributes["kernel_shape"], attributes["strides"]
    count = kernel[0] * kernel[1]
    return Case(
        lambda x: (F.avg_pool2d(x.abs() ** p, kernel, strides, pads) * count) ** (1 / p), [x], attributes=attributes
    )


def max_unpool(draw: Draw) -> Case:
    x = values(draw, [1, draw(st.integers(1, 2)), 2, 3])
    places = np.random.default_rng(draw(st.integers(0, 99))).permutation(x.size * 4)[: x.size].reshape(x.shape)
    shape = (*x.shape[:2], 4, 6)

    def function(x: torch.Tensor) -> torch.Tensor:
        flat = torch.zeros(x.numel() * 4, dtype=x.dtype).scatter(0, torch.from_numpy(places.ravel()), x.reshape(-1))
        return flat.reshape(shape)

    return Case(
        function, [x], {1: places.astype(np.int64), 2: ints(*shape)}, {"kernel_shape": [2, 2], "strides": [2, 2]}
    )


def resize(draw: Draw) -> Case:
    """By factors whose weights are exact in float32, in which ONNX Runtime resamples."""
    x = values(draw, [1, draw(st.integers(1, 2)), draw(st.integers(2, 4)), draw(st.integers(2, 4))])
    mode = draw(st.sampled_from(("nearest", "linear", "cubic")))
    factor = draw(st.sampled_from((2, 4)))
    size = [n * factor for n in x.shape[2:]]
    torch_mode = {"nearest": "nearest", "linear": "bilinear", "cubic": "bicubic"}[mode]
    how = {} if mode == "nearest" else {"align_corners": False}
    attributes = {
        "mode": mode,
        "nearest_mode": "floor",
        "coordinate_transformation_mode": "asymmetric" if mode == "nearest" else "half_pixel",
        "cubic_coeff_a": -0.75,
    }
    given = {2: np.array([1, 1, factor, factor], np.float32)}
    if draw(st.booleans()):
        given = {3: ints(*x.shape[:2], *size)}
    return Case(lambda x: F.interpolate(x, size=size, mode=torch_mode, **how), [x], given, attributes)


def folded(draw: Draw) -> Case:
    block, strides, pads, dilations = ((draw(st.integers(low, 2)), draw(st.integers(low, 2))) for low in (1, 1, 0, 1))
    size = (draw(st.integers(5, 7)), draw(st.integers(5, 7)))
    spans = [size[i] + 2 * pads[i] - dilations[i] * (block[i] - 1) - 1 for i in range(2)]
    blocks = (spans[0] // strides[0] + 1) * (spans[1] // strides[1] + 1)
    x = values(draw, [draw(st.integers(1, 2)), draw(st.integers(1, 2)) * block[0] * block[1], blocks])
    return Case(
        lambda x: F.fold(x, size, block, dilations, pads, strides),
        [x],
        {1: ints(*size), 2: ints(*block)},
        {"strides": list(strides), "pads": [*pads, *pads], "dilations": list(dilations)},
    )


CASES: dict[str, Callable[[Draw], Case]] = {
    "AveragePool": average_pool,
    "Col2Im": folded,
    "LpPool": lp_pool,
    "MaxPool": max_pool,
    "MaxUnpool": max_unpool,
    "Resize": resize,
}
