"""What rivals see of a network's forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Weighted = nn.Conv2d | nn.Linear
"""Layers with weights."""


@dataclass(frozen=True)
class Pass:
    """One member's forward pass of n images. logits: [n, K], or what else the member gives, [n, ...]. features: the
    channels' means of what the last layer reads, [n, D]. stages: activations behind each stage, [n, C, h, w] or [n, C],
    empty where passes were joined. stage_means, layer_means: of each channel over the image, [n, C], of the stages and
    of what activations read (see `layers_of`). weight, bias: of the last layer, [K, D] and [K]."""

    logits: Tensor
    features: Tensor
    stages: tuple[Tensor, ...]
    stage_means: tuple[Tensor, ...]
    layer_means: tuple[Tensor, ...]
    weight: Tensor
    bias: Tensor


def forward_pass(member: nn.Module, images: Tensor) -> Pass:
    """Run a member whose last layer, linear or a convolution of one pixel, gives its result, and keep what it shows."""
    stages = stages_of(member)
    watched = dict.fromkeys([*stages, *_normalisations(member), *_weighted(member)])
    seen: dict[nn.Module, Tensor] = {}
    read: dict[nn.Module, Tensor] = {}

    def keep(module: nn.Module, given: Any, result: Tensor) -> None:
        seen[module], read[module] = result, given[0]

    hooks = [module.register_forward_hook(keep) for module in watched]
    try:
        logits = member(images)
    finally:
        for hook in hooks:
            hook.remove()
    layers, last = layers_of(member, list(seen)), last_layer(list(seen))
    return Pass(
        logits=logits,
        features=channel_means(read[last]),
        stages=tuple(seen[module] for module in stages),
        stage_means=tuple(channel_means(seen[module]) for module in stages),
        layer_means=tuple(channel_means(seen[module]) for module in layers),
        weight=last.weight.flatten(1),
        bias=last.bias if last.bias is not None else last.weight.new_zeros(len(last.weight)),
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


def last_layer(run: Sequence[nn.Module]) -> Weighted:
    """Find the layer that gives the result: the last one with weights of those that were run, in their order."""
    return [module for module in run if isinstance(module, Weighted)][-1]


def stages_of(member: nn.Module) -> list[nn.Module]:
    """Find the activations of a network's layers and blocks: its own ReLUs, and its blocks of several layers."""
    children = [
        part for child in member.children() for part in (child if isinstance(child, nn.ModuleList) else [child])
    ]
    return [child for child in children if isinstance(child, nn.ReLU) or list(child.children())]


def layers_of(member: nn.Module, run: Sequence[nn.Module]) -> list[nn.Module]:
    """Find what an activation reads: each batch normalisation, or each convolution and linear layer but the last where
    there is none, of the modules that were run."""
    weighted = [module for module in _weighted(member) if module in run]
    return _normalisations(member) or [module for module in weighted if module is not last_layer(run)]


def _normalisations(member: nn.Module) -> list[nn.Module]:
    return [module for module in member.modules() if isinstance(module, nn.BatchNorm2d)]


def _weighted(member: nn.Module) -> list[nn.Module]:
    return [module for module in member.modules() if isinstance(module, Weighted)]
