"""A network, a head and what is written on top of them, run by ONNX Runtime on one image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from torch import Tensor

from fisherlens.export.fisher.fisher_graph import FisherGraph, fisher_graph
from fisherlens.export.heads import Head
from fisherlens.export.heads.input_noise import InputNoise
from fisherlens.export.network.normalise import normalised
from fisherlens.export.network.source import from_modules

Outputs = Callable[[FisherGraph], dict[str, ir.Value]]


def evaluated(
    modules: Any,
    images: Tensor,
    head: Head,
    outputs: Outputs = lambda graph: graph.outputs,
    probes: int | None = None,
    input_noise: InputNoise | None = None,
    groups: int = 1,
) -> list[dict[str, np.ndarray]]:
    """What the named outputs are on each of the images [n, C, H, W]."""
    session, names = _session(modules, (1, *images.shape[1:]), head, outputs, probes, input_noise, groups)
    return [dict(zip(names, session.run(names, {"image": image[None].numpy()}), strict=True)) for image in images]


def _session(
    modules: Any,
    shape: tuple[int, ...],
    head: Head,
    outputs: Outputs,
    probes: int | None,
    input_noise: InputNoise | None,
    groups: int,
) -> tuple[Any, Sequence[str]]:
    networks = [normalised(network, shape) for network in from_modules(modules, shape, "network")]
    graph = fisher_graph(networks, head, probes, input_noise=input_noise, groups=groups)
    named = outputs(graph)
    return graph.session(named), list(named)
