"""What scores cost, as multiples of the studied network's bare forward pass."""

from __future__ import annotations

import time
from statistics import median
from typing import Any

import numpy as np
from torch import nn

from fisherlens.edge.bundle import Bundle, Session
from fisherlens.export.graph.model import session
from fisherlens.export.network.normalise import normalised
from fisherlens.export.network.source import from_modules

from .rivals import RivalNetwork, networks_of
from .rivals.usual import Score
from .subject import Subject

WARM = 5
"""Runs that are not counted."""


class Forward:
    """The bare forward pass of all members, in ONNX Runtime on one thread, and what others take beside it."""

    def __init__(self, subject: Subject, runs: int) -> None:
        self._subject, self._runs = subject, runs
        self._image = subject.calibration.images[:1]
        self._forward = self._opened(subject.network)

    def of_rival(self, title: str, score: Score) -> float:
        """The time of a rival's score, its forward pass included, exported as the network is."""
        opened = self._opened(RivalNetwork(networks_of(title, self._subject.members, self._subject.companions), score))
        return self._ratio(opened, {opened.get_inputs()[0].name: self._image.numpy()})

    def of_bundle(self, bundle: Bundle) -> float:
        """The time of a bundle, opened on one thread, without a map."""
        return self._ratio(bundle.session, {"image": self._image.numpy(), "explain": np.array(False)})

    def _opened(self, module: nn.Module) -> Session:
        shape = self._subject.image_shape
        (network,) = from_modules(module.eval(), shape, self._subject.name)
        # As a bundle's forward pass is: with batch normalisation folded, which the exporter leaves beside convolutions.
        return session(normalised(network, shape).model, threads=1)

    def _ratio(self, opened: Session, feeds: dict[str, Any]) -> float:
        bare = {self._forward.get_inputs()[0].name: self._image.numpy()}
        ratios = [_seconds(opened, feeds) / _seconds(self._forward, bare) for _ in range(WARM + self._runs)]
        return median(ratios[WARM:])


def _seconds(opened: Session, feeds: dict[str, Any]) -> float:
    start = time.perf_counter()
    opened.run(None, feeds)
    return time.perf_counter() - start
