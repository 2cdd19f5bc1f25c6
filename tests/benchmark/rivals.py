"""Other ways to the same quantities: PyTorch's autograd, JAX, and OpenVINO running our graph."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fisherlens.export.heads import Softmax

from .networks import Subject

Run = Callable[[], object]
LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


class Torch:
    """Autograd in channels-last layout. compiled: through torch.compile."""

    def __init__(self, subject: Subject, image: np.ndarray, compiled: bool) -> None:
        module: Any = subject.make().eval()
        self._module = module.to(memory_format=torch.channels_last)
        self._image = torch.from_numpy(image).to(memory_format=torch.channels_last)
        self._softmax = isinstance(subject.head, Softmax)
        self._forward: Any = torch.compile(self._module) if compiled else self._module

    def forward(self) -> Tensor:
        with torch.no_grad():
            return self._forward(self._image)

    def gradient(self) -> Tensor:
        """Of one probe in the image alone: every layer's activations are passed, none is kept."""
        image = self._image.clone().requires_grad_()
        for parameter in self._module.parameters():
            parameter.requires_grad_(False)
        (gradient,) = torch.autograd.grad(self._scores(image)[0], image)
        return gradient

    def parameters(self) -> Tensor:
        """Of one probe in the image and all parameters, their squared norms."""
        image = self._image.clone().requires_grad_()
        known = [p.requires_grad_() for p in self._module.parameters()]
        gradients = torch.autograd.grad(self._scores(image)[0], [image, *known], allow_unused=True)
        return torch.stack([(g**2).sum() for g in gradients if g is not None])

    def exact(self) -> Tensor:
        """The trace, a reverse pass for each class."""
        known = [p.requires_grad_() for p in self._module.parameters()]
        total = torch.zeros(())
        for score in self._scores(self._image, exact=True):
            gradients = torch.autograd.grad(score, known, retain_graph=True)
            total = total + torch.stack([(g**2).sum() for g in gradients]).sum()
        return total

    def _scores(self, image: Tensor, exact: bool = False) -> list[Tensor]:
        output = self._forward(image)
        if not self._softmax:
            return [output.sum()]
        p = output.detach().softmax(dim=1)
        signs = torch.eye(output.numel()) if exact else torch.ones(1, output.numel())
        weighted = signs.reshape(-1, *output.shape[1:]) * p.sqrt()
        factors = weighted - weighted.sum(dim=1, keepdim=True) * p
        return [(factor * output[0]).sum() for factor in factors]


def jax_residual(image: np.ndarray) -> dict[str, Run]:
    """The residual network in JAX, jitted: forward, and one probe with all parameters."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    rng = np.random.default_rng(0)

    def weights(outputs: int, inputs: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        scale = (inputs * size * size) ** -0.5
        return rng.normal(0, scale, (outputs, inputs, size, size)).astype(np.float32), np.zeros(outputs, np.float32)

    def conv(x: Any, w: Any, stride: int) -> Any:
        pad = w[0].shape[2] // 2
        y = lax.conv_general_dilated(x, w[0], (stride, stride), [(pad, pad)] * 2)
        return y + w[1][:, None, None]

    widths = [(16, 16, 1), (16, 32, 2), (32, 64, 2), (64, 128, 2)]
    parameters = {
        "stem": weights(16, 1, 5),
        "blocks": [(weights(b, a, 3), weights(b, b, 3), weights(b, a, 1) if s > 1 else None) for a, b, s in widths],
        "head": weights(10, 128, 1),
    }

    def network(parameters: Any, x: Any) -> Any:
        x = jax.nn.relu(conv(x, parameters["stem"], 2))
        for (first, second, skip), (_, _, stride) in zip(parameters["blocks"], widths, strict=True):
            aside = x if skip is None else conv(x, skip, stride)
            x = jax.nn.relu(conv(jax.nn.relu(conv(x, first, stride)), second, 1) + aside)
        return x.mean(axis=(2, 3)) @ parameters["head"][0][:, :, 0, 0].T + parameters["head"][1]

    def score(parameters: Any, x: Any) -> Any:
        logits = network(parameters, x)
        p = lax.stop_gradient(jax.nn.softmax(logits))
        return ((jnp.sqrt(p) - jnp.sqrt(p).sum() * p) * logits).sum()

    def squares(parameters: Any, x: Any) -> Any:
        of_parameters, of_image = jax.grad(score, argnums=(0, 1))(parameters, x)
        return sum((g**2).sum() for g in jax.tree_util.tree_leaves(of_parameters)), of_image

    forward, both = jax.jit(network), jax.jit(squares)
    return {
        "forward": lambda: forward(parameters, image).block_until_ready(),
        "parameters": lambda: jax.block_until_ready(both(parameters, image)),
    }


def openvino(model: bytes, feeds: dict[str, np.ndarray], threads: int) -> Run:
    """One of our graphs in OpenVINO."""
    import openvino

    core = openvino.Core()
    with tempfile.NamedTemporaryFile(suffix=".onnx") as file:
        Path(file.name).write_bytes(model)
        compiled = core.compile_model(
            core.read_model(file.name), "CPU", {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
        )
    request = compiled.create_infer_request()
    return lambda: request.infer(feeds)
