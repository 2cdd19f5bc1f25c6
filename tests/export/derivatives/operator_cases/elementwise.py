"""Operators that act on each element by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import strategies as st

from .drawing import Case, Draw, ints, pair, shapes, values


def unary(function: Callable[..., Any], low: float = -2.0, high: float = 2.0) -> Callable[[Draw], Case]:
    return lambda draw: Case(function, [values(draw, draw(shapes()), low, high)])


def binary(function: Callable[..., Any], low: float = -2.0) -> Callable[[Draw], Case]:
    def case(draw: Draw) -> Case:
        a, b = pair(draw)
        return Case(function, [values(draw, a), values(draw, b, low)])

    return case


def leaky(draw: Draw) -> Case:
    alpha = float(np.float32(draw(st.sampled_from((0.01, 0.3)))))  # as the file stores it
    x = values(draw, draw(shapes()))
    return Case(lambda x: F.leaky_relu(x, alpha), [x], attributes={"alpha": alpha})


def power(draw: Draw) -> Case:
    a, b = pair(draw)
    if draw(st.booleans()):  # a constant exponent, also of integer kind, and a base of any sign
        exponent = draw(st.sampled_from((np.array(2.0), np.array(3.0), np.array(1.0), ints(2)[0])))
        return Case(lambda x: x ** float(exponent), [values(draw, a)], {1: np.asarray(exponent)})
    return Case(torch.pow, [values(draw, a, 0.3), values(draw, b)])


def clip(draw: Draw) -> Case:
    return Case(lambda x: x.clamp(-1.0, 1.0), [values(draw, draw(shapes()))], {1: np.array(-1.0), 2: np.array(1.0)})


def where(draw: Draw) -> Case:
    a, b = pair(draw)
    shape = np.broadcast_shapes(a, b)
    condition = np.random.default_rng(draw(st.integers(0, 99))).random(shape) < 0.5
    mask = torch.from_numpy(np.asarray(condition))
    return Case(lambda x, y: torch.where(mask, x, y), [values(draw, a), values(draw, b)], {0: np.asarray(condition)})


def cast(draw: Draw) -> Case:
    return Case(lambda x: x, [values(draw, draw(shapes()))], attributes={"to": 11})


def prelu(draw: Draw) -> Case:
    channels = draw(st.integers(1, 3))
    x = values(draw, [draw(st.integers(1, 2)), channels, 3, 2])
    slope = values(draw, [channels, 1, 1], 0.1, 0.9)
    return Case(lambda x, a: torch.where(x > 0, x, a * x), [x, slope])


def elu(draw: Draw) -> Case:
    alpha = float(np.float32(draw(st.sampled_from((1.0, 0.3)))))
    return Case(lambda x: F.elu(x, alpha), [values(draw, draw(shapes()))], attributes={"alpha": alpha})


def gelu(draw: Draw) -> Case:
    how = draw(st.sampled_from(("none", "tanh")))
    return Case(lambda x: F.gelu(x, approximate=how), [values(draw, draw(shapes()))], attributes={"approximate": how})


def hard_sigmoid(draw: Draw) -> Case:
    alpha = 0.25
    x = values(draw, draw(shapes()), -4.0, 4.0)
    return Case(lambda x: (alpha * x + 0.5).clamp(0, 1), [x], attributes={"alpha": alpha, "beta": 0.5})


def modulus(draw: Draw) -> Case:
    a, b = pair(draw)
    return Case(torch.fmod, [values(draw, a, -4.0, 4.0), values(draw, b, 0.6, 1.4)], attributes={"fmod": 1})


def variadic(function: Callable[..., Any]) -> Callable[[Draw], Case]:
    return lambda draw: Case(function, [values(draw, shape) for shape in pair(draw)])


CASES: dict[str, Callable[[Draw], Case]] = {
    "Abs": unary(torch.abs),
    "Acos": unary(torch.acos, -0.9, 0.9),
    "Acosh": unary(torch.acosh, 1.2, 3.0),
    "Add": binary(torch.add),
    "Asin": unary(torch.asin, -0.9, 0.9),
    "Asinh": unary(torch.asinh),
    "Atan": unary(torch.atan),
    "Atanh": unary(torch.atanh, -0.9, 0.9),
    "Cast": cast,
    "Clip": clip,
    "Cos": unary(torch.cos),
    "Cosh": unary(torch.cosh),
    "Div": binary(torch.div, low=0.3),
    "Dropout": unary(lambda x: x * 1.0),
    "Elu": elu,
    "Erf": unary(torch.erf),
    "Exp": unary(torch.exp),
    "Gelu": gelu,
    "HardSigmoid": hard_sigmoid,
    "HardSwish": unary(F.hardswish, -4.0, 4.0),
    "Identity": unary(lambda x: x * 1.0),
    "LeakyRelu": leaky,
    "Log": unary(torch.log, low=0.3),
    "Max": variadic(torch.maximum),
    "Mean": variadic(lambda a, b: (a + b) / 2),
    "Min": variadic(torch.minimum),
    "Mod": modulus,
    "Mul": binary(torch.mul),
    "Neg": unary(torch.neg),
    "PRelu": prelu,
    "Pow": power,
    "Reciprocal": unary(torch.reciprocal, low=0.3),
    "Relu": unary(torch.relu),
    "Sigmoid": unary(torch.sigmoid),
    "Sin": unary(torch.sin),
    "Sinh": unary(torch.sinh),
    "Softplus": unary(F.softplus),
    "Sqrt": unary(torch.sqrt, low=0.3),
    "Sub": binary(torch.sub),
    "Sum": variadic(torch.add),
    "Tan": unary(torch.tan, -1.2, 1.2),
    "Tanh": unary(torch.tanh),
    "Where": where,
}
