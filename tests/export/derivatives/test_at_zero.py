"""Norms, deviations and roots at zero: the subgradient that torch takes, whichever way an exporter writes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fisherlens.export.derivatives.reverse import cotangents
from fisherlens.export.graph.tape import Tape, shape_of
from fisherlens.export.network.normalise import normalise
from fisherlens.export.network.source import from_modules

from ..float64 import run, widened
from .operator_cases import Case
from .test_rules import by_graph, placed

SHAPE = (1, 1, 3, 4)
TOLERANCE = 1e-9

OF_A_ROW: dict[str, Callable[[Tensor], Tensor]] = {
    "norm": lambda x: x.norm(dim=3),
    "4-norm": lambda x: x.norm(4, dim=3),
    "cosine similarity": lambda x: F.cosine_similarity(x, torch.arange(1.0, 5.0, dtype=x.dtype), dim=3, eps=2.0**-10),
    "deviation": lambda x: x.std(3),
    "root of the variance": lambda x: x.var(3, correction=0).sqrt(),
    "root of squares": lambda x: (x * x).sum(3).sqrt(),
    "magnitude": lambda x: (x[..., 0] ** 2 + x[..., 1] ** 2) ** 0.5,
    "normalised": lambda x: F.normalize(x, dim=3, eps=2.0**-10),
    "pool of squares": lambda x: F.lp_pool2d(x, 2, 2),
    "pool of fourth powers": lambda x: F.lp_pool2d(x, 4, (1, 4)),
    "root": lambda x: x.abs().sqrt(),
    "power below one": lambda x: x.abs() ** 0.25,
    "power below two": lambda x: x.abs() ** 1.5,
    "logarithm of exponentials": lambda x: torch.logsumexp(x, 3),
}
"""Functions with a corner, or worse, where the middle row of an image is zero. Their numbers are exact in float32, as
the file stores them."""


class All(nn.Module):
    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return tuple(function(image) for function in OF_A_ROW.values())


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    image = np.random.default_rng(0).normal(size=SHAPE)
    image[0, 0, 1] = 0.0
    return image


@pytest.fixture(scope="module")
def direction() -> np.ndarray:
    return np.random.default_rng(1).normal(size=SHAPE)


@pytest.fixture(scope="module")
def in_graph(image: np.ndarray, direction: np.ndarray) -> dict[str, list[np.ndarray]]:
    """Of each function's sum the gradient, and the derivative of that along the direction."""
    (network,) = from_modules(All(), SHAPE, "network")
    model = widened(normalise(network.model, SHAPE, "network"))
    graph = model.graph
    (x,), results = graph.inputs, list(graph.outputs)
    tape = Tape(graph, ir.DataType.DOUBLE)
    graph.outputs[:] = []
    for result in results:
        first = cotangents(tape, {result: tape.floats(np.ones(shape_of(result)))}, [x])[x]
        second = cotangents(tape, {first: tape.floats(direction)}, [x])[x]
        graph.outputs.extend([tape.Identity(first), tape.Identity(second)])
    found = run(model, {str(x.name): image})
    return {name: found[2 * i : 2 * i + 2] for i, name in enumerate(OF_A_ROW)}


@pytest.mark.parametrize("name", OF_A_ROW)
def test_derivatives_at_zero_are_those_of_torch_or_else_zero(
    name: str, image: np.ndarray, direction: np.ndarray, in_graph: dict[str, list[np.ndarray]]
) -> None:
    for have, want in zip(in_graph[name], _by_autograd(OF_A_ROW[name], image, direction), strict=True):
        known = np.isfinite(want)
        assert known[0, 0, ::2].all()
        np.testing.assert_allclose(have[known], want[known], atol=TOLERANCE * np.abs(want[known]).max())
        assert not have[~known].any()


def _by_autograd(
    function: Callable[[Tensor], Tensor], image: np.ndarray, direction: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    x = torch.tensor(image, requires_grad=True)
    (first,) = torch.autograd.grad(function(x).sum(), x, create_graph=True)
    (second,) = torch.autograd.grad((first * torch.from_numpy(direction)).sum(), x)
    return first.detach().numpy(), second.numpy()


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize(
    ("operator", "attributes"),
    [("LpNormalization", {"axis": 1}), ("LpPool", {"kernel_shape": [2, 2]}), ("GlobalLpPool", {})],
)
def test_operators_that_hold_a_norm_have_derivatives_of_zero_at_zero(
    operator: str, attributes: dict[str, Any], p: int
) -> None:
    """As ONNX Runtime gives zeros for the unit vector of zeros, which torch has no operator for."""
    case = Case(torch.abs, [np.zeros(SHAPE)], attributes={**attributes, "p": p})
    _, _, (output,) = placed(operator, case)
    first, second = by_graph(operator, case, [np.ones(shape_of(output))], [np.ones(SHAPE)])
    for derivative in (*first, *second):
        assert derivative is None or not derivative.any()
