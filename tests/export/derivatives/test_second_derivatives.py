"""Whole small networks differentiated twice, one of each family, against torch autograd in float64."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch import Tensor, nn

from fisherlens.export.derivatives.reverse import cotangents
from fisherlens.export.graph.tape import Tape, shape_of
from fisherlens.export.network.normalise import normalise
from fisherlens.export.network.source import from_modules

from ..float64 import run, widened

SHAPE = (1, 1, 16, 16)
TOLERANCE = 1e-9


class Convolutional(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 4, 3, padding=1), nn.Softplus(), nn.AvgPool2d(2), nn.Conv2d(4, 6, 3, stride=2), nn.GELU(),
            nn.MaxPool2d(2, 1), nn.Flatten(), nn.Linear(24, 3),
        )  # fmt: skip


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.entry = nn.Conv2d(1, 4, 3, stride=2, padding=1)
        self.block = nn.Sequential(nn.BatchNorm2d(4), nn.SiLU(), nn.Conv2d(4, 4, 3, padding=1), nn.Tanh())
        self.head = nn.Linear(4, 3)

    def forward(self, image: Tensor) -> Tensor:
        x = self.entry(image)
        return self.head((x + self.block(x)).mean(dim=(2, 3)))


class UShaped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.outer = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.InstanceNorm2d(4, affine=True), nn.PReLU())
        self.inner = nn.Sequential(nn.Conv2d(4, 4, 3, stride=2, padding=1), nn.ELU(), nn.ConvTranspose2d(4, 4, 2, 2))
        self.last = nn.Conv2d(8, 2, 1)

    def forward(self, image: Tensor) -> Tensor:
        x = self.outer(image)
        small = nn.functional.interpolate(nn.functional.avg_pool2d(x, 4), scale_factor=4.0, mode="bilinear")
        return self.last(torch.cat([self.inner(x), x * small], dim=1))


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 8, 4, stride=4)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.first, self.second = nn.LayerNorm(8), nn.LayerNorm(8)
        self.wide = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8))
        self.head = nn.Linear(8, 3)

    def forward(self, image: Tensor) -> Tensor:
        x = self.patches(image).flatten(2).transpose(1, 2)
        y = self.first(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return self.head((x + self.wide(self.second(x))).mean(dim=1))


@pytest.mark.parametrize("family", [Convolutional, Residual, UShaped, Transformer])
def test_a_whole_network_can_be_differentiated_twice(family: type[nn.Module]) -> None:
    torch.manual_seed(0)
    module = family().eval()
    rng = np.random.default_rng(0)
    image, direction = rng.normal(size=SHAPE), rng.normal(size=SHAPE)
    (network,) = from_modules(module, SHAPE, "network")
    model = widened(normalise(network.model, SHAPE, "network"))
    result = model.graph.outputs[0]
    weights = rng.normal(size=shape_of(result))
    first, second = _twice(model, weights, direction)(image)
    expected_first, expected_second = _by_autograd(module.double(), image, weights, direction)
    for have, want in ((first, expected_first), (second, expected_second)):
        assert np.abs(have - want).max() <= TOLERANCE * max(1.0, np.abs(want).max())
    assert np.abs(expected_second).max() > 1e-6


def _twice(model: ir.Model, weights: np.ndarray, direction: np.ndarray):  # type: ignore[no-untyped-def]
    """A function of the image: the gradient of sum(weights * result), and the derivative of the
    gradient's product with the direction."""
    graph = model.graph
    (image,), result = graph.inputs, graph.outputs[0]
    tape = Tape(graph, ir.DataType.DOUBLE)
    first = tape.Identity(cotangents(tape, {result: tape.floats(weights)}, [image])[image])
    second = tape.Identity(cotangents(tape, {first: tape.floats(direction)}, [image])[image])
    graph.outputs[:] = []
    graph.outputs.extend([first, second])
    return lambda x: run(model, {str(image.name): x})


def _by_autograd(
    module: nn.Module, image: np.ndarray, weights: np.ndarray, direction: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    x = torch.tensor(image, requires_grad=True)
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        score = (torch.from_numpy(weights) * module(x)).sum()
    (first,) = torch.autograd.grad(score, x, create_graph=True)
    (second,) = torch.autograd.grad((first * torch.from_numpy(direction)).sum(), x)
    return first.detach().numpy(), second.numpy()
