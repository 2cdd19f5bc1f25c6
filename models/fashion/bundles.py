"""The networks as bundles, calibrated on usual images, and the bundles' statistics of many images."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from fisherlens.edge.bundle import Bundle, Session, open_bundle, open_session
from fisherlens.edge.bundle.manifest import Input
from fisherlens.export.checks.judgement import Procedure
from fisherlens.export.graph.model import session
from fisherlens.export.heads import Softmax
from fisherlens.export.network.source import Network, from_modules
from fisherlens.export.pipeline import Request, export
from fisherlens.export.progress import Progress

from . import dataset

CHECKS = ("fisher_trace", "fisher_profile")
SHAPE = (1, 1, 28, 28)
ALPHA = 0.01


def network_of(module: nn.Module, name: str) -> Network:
    """A torch module traced for one image."""
    (network,) = from_modules(module, SHAPE, name)
    return network


def exported(
    network: Network,
    path: Path,
    progress: Progress,
    checks: Sequence[str] = CHECKS,
    images: Tensor | None = None,
) -> Bundle:
    """Export a bundle whose exact checks, and their combination where there are several, are calibrated on the
    images [n, 1, 28, 28], by default on all calibration images."""
    if images is None:
        images, _ = dataset.calibration()
    readers = [lambda image=image: image[None].numpy() for image in images]
    request = Request(
        name=f"fashion, {path.stem}",
        version="1",
        head=Softmax(),
        input=Input(rows=28, columns=28),
        procedure=Procedure(tuple(checks), "together"),
        alpha=ALPHA,
        probes=0,
    )
    export([network], readers, None, request, path, progress)
    return open_bundle(path)


def statistics(bundle: Bundle, images: Tensor) -> tuple[dict[str, NDArray], dict[str, NDArray]]:
    """Statistic and p-value of each check on images [n, 1, 28, 28], by name, each [n]."""
    names = [check.name for check in bundle.manifest.checks]
    outputs = [bundle.run(image[None].numpy(), explain=False) for image in images]
    statistic, p_value = (np.stack([output[key] for output in outputs]).T for key in ("statistic", "p_value"))
    return dict(zip(names, statistic, strict=True)), dict(zip(names, p_value, strict=True))


def cost(bundle: Path, network: Network, runs: int = 200) -> float:
    """The time that a bundle takes without a map, as a multiple of the bare forward pass in ONNX Runtime, on one
    thread: the median ratio of runs in turn."""
    image = dataset.calibration()[0][:1].numpy()
    forward, whole = session(network.model.clone(), threads=1), open_session(bundle.read_bytes(), threads=1)
    name = forward.get_inputs()[0].name

    def seconds(opened: Session, feeds: dict[str, Any]) -> float:
        start = time.perf_counter()
        opened.run(None, feeds)
        return time.perf_counter() - start

    ratios = [
        seconds(whole, {"image": image, "explain": np.array(False)}) / seconds(forward, {name: image})
        for _ in range(runs)
    ]
    return median(ratios[10:])
