"""Whole networks of public libraries: every Fisher quantity against torch autograd."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
import torch
from torch import Tensor, nn

from fisherlens.export.fisher.fisher_graph import fisher_graph
from fisherlens.export.graph.tape import Tape
from fisherlens.export.heads import Softmax
from fisherlens.export.heads.readout import Directions
from fisherlens.export.network.normalise import normalised
from fisherlens.export.network.source import from_modules, select

from .architectures import ARCHITECTURES, build, smooth_images

TOLERANCE = 1e-3
LAYERS = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)


IMAGES = 4
"""A ReLU or pool whose operands tie within float32 decides either way, on the device as in torch: such
an image differs by more than rounding. A wrong rule differs on all."""


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_information_of_every_layer_and_input_gradient_agree_with_autograd(name: str) -> None:
    module, shape = build(name)
    image = smooth_images(1, shape)
    probes = None if _logits(module, image).dim() == 2 else 1
    run = _bundle(module, image, probes)
    errors = []
    for _ in range(IMAGES):
        errors.append(_worst_difference(run(image), _by_autograd(module, image, probes)))
        if errors[-1] <= TOLERANCE:
            return
        image = smooth_images(1, shape)
    pytest.fail(f"relative differences {errors}, expected at most {TOLERANCE}")


def _worst_difference(ours: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> float:
    """Relative, over the trace, every layer's information and the map in its norm."""
    differences = [abs(ours["trace"] / theirs["parameters"].sum() - 1)]
    for quantity in ("parameters", "activations"):
        # Exporters name weights as they like: layers are compared in the order of their information.
        a, b = np.sort(ours[quantity]), np.sort(theirs[quantity])
        assert a.shape == b.shape
        differences += list(np.abs(a - b) / np.maximum(b, 1e-10 * b.max()))
    differences.append(np.linalg.norm(ours["map"] - theirs["map"]) / np.linalg.norm(theirs["map"]))
    return float(max(differences))


def _logits(module: nn.Module, image: Tensor) -> Tensor:
    result: Any = module(image)
    while not isinstance(result, Tensor):
        result = result[0]
    return result


def _bundle(module: nn.Module, image: Tensor, probes: int | None) -> Callable[[Tensor], dict[str, np.ndarray]]:
    (network,) = from_modules(module, tuple(image.shape), "network")
    graph = fisher_graph([normalised(select(network, [0]), tuple(image.shape))], Softmax(), probes)
    outputs = {
        "trace": graph.trace,
        "parameters": _stacked(graph.tape, graph.information.parameters),
        "activations": graph.tape.Concat(*graph.information.activations, axis=0),
        "map": graph.information.map,
    }
    session = graph.session(outputs)
    return lambda x: dict(zip(outputs, session.run(list(outputs), {"image": x.numpy()}), strict=True))


def _stacked(tape: Tape, scalars: list[ir.Value]) -> ir.Value:
    return tape.Concat(*(tape.Unsqueeze(scalar, [0]) for scalar in scalars), axis=0)


def _by_autograd(module: nn.Module, image: Tensor, probes: int | None) -> dict[str, np.ndarray]:
    """In float64, with batch normalisation in the weights of the convolution before it, as the device
    runs it: dL/d(s W) = dL/dW / s with s = gamma / sqrt(variance + epsilon), and the bias of the folded
    convolution takes the gradient of beta."""
    module, image = deepcopy(module).double(), image.double().requires_grad_()
    results: dict[nn.Module, Tensor] = {}
    folded: dict[nn.Module, nn.BatchNorm2d] = {}

    def keep(layer: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(layer, nn.BatchNorm2d):
            before = next((m for m, result in results.items() if result is inputs[0]), None)
            if before is None:
                return
            folded[before], layer = layer, before
        results[layer] = output

    moving = _moving(module, image)
    hooks = [m.register_forward_hook(keep) for m in module.modules() if isinstance(m, (*LAYERS, nn.BatchNorm2d))]
    logits = _logits(module, image)
    for hook in hooks:
        hook.remove()
    p = logits.detach().softmax(dim=1)
    layers = [_Layer(m, result, folded.get(m)) for m, result in results.items() if m in moving]
    parameters, activations = np.zeros(len(layers)), np.zeros(len(layers))
    about_image = torch.zeros_like(image)
    for row in Directions.choose(logits.numel(), probes).rows:
        weighted = torch.from_numpy(row).reshape(logits.shape) * p.sqrt()
        score = ((weighted - weighted.sum(dim=1, keepdim=True) * p) * logits).sum()
        pixel, *found = torch.autograd.grad(
            score, [image, *(t for layer in layers for t in layer.wanted)], retain_graph=True
        )
        about_image += pixel**2
        for i, layer in enumerate(layers):
            of_result, of_weight, *of_bias = (found.pop(0) for _ in layer.wanted)
            activations[i] += float((of_result**2).sum())
            parameters[i] += float(((of_weight / layer.scale) ** 2).sum() + sum((b**2).sum() for b in of_bias))
    return {"parameters": parameters, "activations": activations, "map": about_image.numpy()}


class _Layer:
    """What is differentiated of one layer: its result, weight and bias, and by what its weight is scaled."""

    def __init__(self, module: Any, result: Tensor, norm: Any) -> None:
        bias = module.bias if norm is None else norm.bias
        self.wanted = [result, module.weight] + ([] if bias is None else [bias])
        self.scale: Any = 1.0
        if norm is not None:
            view = (1, -1, 1, 1) if isinstance(module, nn.ConvTranspose2d) else (-1, 1, 1, 1)
            self.scale = (norm.weight / (norm.running_var + norm.eps).sqrt()).detach().reshape(view)


def _moving(module: nn.Module, image: Tensor) -> set[nn.Module]:
    """Layers whose result depends on the image: of the others (tables of positions passed through a
    network) the device has only the result."""
    seen: dict[nn.Module, list[Tensor]] = {}
    hooks = [
        m.register_forward_hook(lambda m, _, output: seen.setdefault(m, []).append(output))
        for m in module.modules()
        if isinstance(m, LAYERS)
    ]
    with torch.no_grad():
        for scale in (1.0, 0.5):
            module(image * scale)
    for hook in hooks:
        hook.remove()
    return {m for m, (first, *_, second) in seen.items() if not torch.equal(first, second)}
