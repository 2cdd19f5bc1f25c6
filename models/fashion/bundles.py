"""The networks as the export takes them, for explanations."""

from __future__ import annotations

from torch import nn

from fisherlens.export.network.source import Network, from_modules

SHAPE = (1, 1, 28, 28)


def network_of(module: nn.Module, name: str) -> Network:
    """A torch module traced for one image."""
    (network,) = from_modules(module, SHAPE, name)
    return network
