"""What rivals see of a network's forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Pass:
    """One member's forward pass of n images. logits: [n, K]. features: what the last linear layer reads, [n, D].
    stages: activations behind each stage, [n, C, h, w] or [n, C], empty where passes were joined. stage_means,
    layer_means: of each channel over the image, [n, C], of the stages and of what activations read (see `layers_of`).
    weight, bias: of the last linear layer, [K, D] and [K]."""

    logits: Tensor
    features: Tensor
    stages: tuple[Tensor, ...]
    stage_means: tuple[Tensor, ...]
    layer_means: tuple[Tensor, ...]
    weight: Tensor
    bias: Tensor


def forward_pass(member: nn.Module, images: Tensor) -> Pass:
    """Run a member whose last linear layer gives its logits, and keep what it shows."""
    stages, layers, last = stages_of(member), layers_of(member), last_linear(member)
    seen: dict[nn.Module, Tensor] = {}

    def keep(module: nn.Module, given: Any, result: Tensor) -> None:
        seen[module] = result

    hooks = [module.register_forward_hook(keep) for module in dict.fromkeys([*stages, *layers])]
    read: list[Tensor] = []
    hooks.append(last.register_forward_pre_hook(lambda module, given: read.append(given[0])))
    try:
        logits = member(images)
    finally:
        for hook in hooks:
            hook.remove()
    return Pass(
        logits=logits,
        features=read[0],
        stages=tuple(seen[module] for module in stages),
        stage_means=tuple(channel_means(seen[module]) for module in stages),
        layer_means=tuple(channel_means(seen[module]) for module in layers),
        weight=last.weight,
        bias=last.bias,
    )


def forward_passes(members: Sequence[nn.Module], images: Tensor, batch: int = 50) -> list[Pass]:
    """Run all members over many images without gradients: one pass a member, without activations, which would not fit
    into memory."""
    with torch.no_grad():
        return [_joined([forward_pass(member, part) for part in images.split(batch)]) for member in members]


def channel_means(values: Tensor) -> Tensor:
    """The mean of each channel over the image: of [n, C, h, w], or of [n, C] itself, [n, C]."""
    return values.mean(dim=(2, 3)) if values.dim() == 4 else values


def _joined(parts: Sequence[Pass]) -> Pass:
    def columns(name: str) -> tuple[Tensor, ...]:
        return tuple(torch.cat(values) for values in zip(*(getattr(part, name) for part in parts), strict=True))

    logits, features = (torch.cat([getattr(part, name) for part in parts]) for name in ("logits", "features"))
    first = parts[0]
    return Pass(logits, features, (), columns("stage_means"), columns("layer_means"), first.weight, first.bias)


def last_linear(member: nn.Module) -> nn.Linear:
    """Find the layer that gives the logits: the last linear one."""
    return [module for module in member.modules() if isinstance(module, nn.Linear)][-1]


def stages_of(member: nn.Module) -> list[nn.Module]:
    """Find the activations of a chain of layers and blocks: its own ReLUs, and its blocks of several layers."""
    return [child for child in member.children() if isinstance(child, nn.ReLU) or list(child.children())]


def layers_of(member: nn.Module) -> list[nn.Module]:
    """Find what an activation reads: each batch normalisation, or each convolution and linear layer but the last where
    there is none."""
    normalised: list[nn.Module] = [module for module in member.modules() if isinstance(module, nn.BatchNorm2d)]
    weighted = [module for module in member.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    return normalised or [module for module in weighted if module is not last_linear(member)]
