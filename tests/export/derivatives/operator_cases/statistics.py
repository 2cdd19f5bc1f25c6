"""Reductions, softmax and normalisation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import strategies as st

from .drawing import Case, Draw, ints, shapes, values


def softmax(function: Callable[..., Any]) -> Callable[[Draw], Case]:
    def case(draw: Draw) -> Case:
        x = values(draw, draw(shapes()))
        axis = draw(st.integers(-x.ndim, x.ndim - 1))
        return Case(lambda x: function(x, dim=axis), [x], attributes={"axis": axis})

    return case


def reduction(function: Callable[..., Any]) -> Callable[[Draw], Case]:
    def case(draw: Draw) -> Case:
        x = values(draw, draw(shapes()))
        axes = draw(st.lists(st.integers(0, x.ndim - 1), min_size=1, max_size=x.ndim, unique=True))
        keep = draw(st.booleans())
        signed = [axis - draw(st.sampled_from((0, x.ndim))) for axis in axes]
        return Case(lambda x: function(x, axes, keep), [x], {1: ints(*signed)}, {"keepdims": int(keep)})

    return case


def extreme(function: Callable[..., Any]) -> Callable[[Draw], Case]:
    return reduction(lambda x, axes, keep: function(x, axes, keep))


def product(draw: Draw) -> Case:
    x = values(draw, draw(shapes()))
    axis = draw(st.integers(0, x.ndim - 1))
    keep = draw(st.booleans())
    if draw(st.booleans()):  # a zero among the factors: the others' product is its derivative
        x.flat[0] = 0.0
    return Case(lambda x: x.prod(dim=axis, keepdim=keep), [x], {1: ints(axis)}, {"keepdims": int(keep)})


def global_pool(function: Callable[..., Any]) -> Callable[[Draw], Case]:
    def case(draw: Draw) -> Case:
        spatial = draw(st.integers(1, 3))
        return Case(function, [values(draw, draw(shapes(spatial + 2, spatial + 2)))])

    return case


def global_lp(draw: Draw) -> Case:
    p = draw(st.sampled_from((1, 2, 3)))
    x = values(draw, draw(shapes(4, 4)))
    return Case(lambda x: (x.abs() ** p).sum(dim=(2, 3), keepdim=True) ** (1 / p), [x], attributes={"p": p})


def batch_normalisation(draw: Draw) -> Case:
    n, c = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    spatial = draw(st.lists(st.integers(2, 4), min_size=1, max_size=2))
    epsilon = float(np.float32(1e-3))
    inputs = [
        values(draw, [n, c, *spatial]),
        values(draw, [c]),
        values(draw, [c]),
        values(draw, [c]),
        values(draw, [c], 0.5, 2.0),
    ]
    return Case(
        lambda x, s, b, m, v: _normalised(x, s, b, m, v, epsilon),
        inputs,
        attributes={"epsilon": epsilon},
    )


def _normalised(  # torch's own takes no derivative in the statistics
    x: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor, mean: torch.Tensor, variance: torch.Tensor, epsilon: float
) -> torch.Tensor:
    view = (1, -1, *(1,) * (x.dim() - 2))
    slope = scale / (variance + epsilon).sqrt()
    return (x - mean.reshape(view)) * slope.reshape(view) + bias.reshape(view)


def instance_normalisation(draw: Draw) -> Case:
    n, c = draw(st.integers(1, 2)), draw(st.integers(1, 3))
    x = values(draw, [n, c, draw(st.integers(2, 4)), draw(st.integers(2, 4))])
    epsilon = float(np.float32(1e-2))
    return Case(
        lambda x, s, b: F.instance_norm(x, weight=s, bias=b, eps=epsilon),
        [x, values(draw, [c]), values(draw, [c])],
        attributes={"epsilon": epsilon},
    )


def layer_normalisation(draw: Draw) -> Case:
    shape = [draw(st.integers(2, 4)) for _ in range(draw(st.integers(2, 4)))]
    axis = draw(st.integers(1, len(shape) - 1))
    epsilon = float(np.float32(1e-2))
    inside = shape[axis:]
    return Case(
        lambda x, s, b: F.layer_norm(x, inside, s, b, epsilon),
        [values(draw, shape), values(draw, inside), values(draw, inside)],
        attributes={"axis": axis - draw(st.sampled_from((0, len(shape)))), "epsilon": epsilon},
    )


def local_response(draw: Draw) -> Case:
    size = draw(st.sampled_from((1, 3, 5)))  # torch's window is placed differently for even sizes
    alpha, beta, bias = (float(np.float32(v)) for v in (0.3, 0.75, 1.5))
    x = values(draw, [draw(st.integers(1, 2)), draw(st.integers(2, 6)), 2, 3])
    return Case(
        lambda x: F.local_response_norm(x, size, alpha, beta, bias),
        [x],
        attributes={"size": size, "alpha": alpha, "beta": beta, "bias": bias},
    )


def unit_norm(draw: Draw) -> Case:
    x = values(draw, draw(shapes(2, 3)))
    axis, p = draw(st.integers(-x.ndim, x.ndim - 1)), draw(st.sampled_from((1, 2)))
    return Case(lambda x: x / x.norm(p, dim=axis, keepdim=True), [x], attributes={"axis": axis, "p": p})


CASES: dict[str, Callable[[Draw], Case]] = {
    "BatchNormalization": batch_normalisation,
    "GlobalAveragePool": global_pool(lambda x: x.mean(dim=tuple(range(2, x.ndim)), keepdim=True)),
    "GlobalLpPool": global_lp,
    "GlobalMaxPool": global_pool(lambda x: x.amax(dim=tuple(range(2, x.ndim)), keepdim=True)),
    "InstanceNormalization": instance_normalisation,
    "LRN": local_response,
    "LayerNormalization": layer_normalisation,
    "LogSoftmax": softmax(torch.log_softmax),
    "LpNormalization": unit_norm,
    "ReduceMax": extreme(torch.amax),
    "ReduceMean": reduction(lambda x, axes, keep: x.mean(dim=axes, keepdim=keep)),
    "ReduceMin": extreme(torch.amin),
    "ReduceProd": product,
    "ReduceSum": reduction(lambda x, axes, keep: x.sum(dim=axes, keepdim=keep)),
    "ReduceSumSquare": reduction(lambda x, axes, keep: (x * x).sum(dim=axes, keepdim=keep)),
    "Softmax": softmax(torch.softmax),
}
