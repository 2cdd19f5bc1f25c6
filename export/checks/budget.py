"""What checks may cost: of all first and closer looks, and shares of images that get the latter, the best within a
multiple of the forward pass.

Every design begins with forward-only checks, and holds a Fisher-based one for the images that are doubtful by them.
The share of those is what the cost leaves for it. What a design detects is measured on the calibration images, what it
costs on this machine.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from fisherlens.edge.bundle import Session
from fisherlens.edge.bundle.manifest import Budget, Design
from fisherlens.edge.p_value import p_values

from ..calibration.collect import Columns, UsualRun, collect
from ..calibration.images import COUNTING, Images
from ..errors import CalibrationError
from ..fisher.fisher_graph import FisherGraph
from ..progress import Progress
from . import first_checks
from .judgement import Procedure, fitted_checks
from .kind import Measured, evaluated
from .roc import area_under_roc

CLOSER: tuple[tuple[str, ...], ...] = (("rao_score",), ("rao_score", "fisher_profile"))
"""What a doubtful image is looked at by, from the cheapest on."""


def firsts(members: int) -> list[tuple[str, ...]]:
    """First looks, for an ensemble of so many networks: all forward-only checks, or without the texture, which reads
    the image itself, or without the activations."""
    every = first_checks(members)
    return [
        tuple(name for name in every if name not in without)
        for without in (("image_texture", "activation_profile"), ("image_texture",), ("activation_profile",), ())
    ]


def checks(members: int) -> tuple[str, ...]:
    """All checks that designs are made of, for an ensemble of so many networks."""
    return (*first_checks(members), *CLOSER[-1])


LEAST_DOUBTFUL = 2.0
"""Images that are looked at more closely, at least, as a multiple of those that may be flagged."""

PERTURBED = 100
"""Images that are perturbed to measure detection."""

SIZES = tuple(2.0 ** (-k / 2) for k in range(20, 0, -1))
"""Perturbations tried, from small to large, as shares of the images' standard deviation, until everything together
detects `DETECTED` of them: then designs differ."""

DETECTED = 0.7
RUNS = 15


@dataclass(frozen=True)
class Looks:
    """A first and a closer look, and what they cost as multiples of the forward pass: the first alone, and both."""

    first: tuple[str, ...]
    closer: tuple[str, ...]
    cost: float
    whole: float

    def average(self, doubtful: float) -> float:
        """The mean cost, of a share of images that both are computed of."""
        return self.cost + doubtful * (self.whole - self.cost)

    def affordable(self, limit: float) -> float:
        """The share of images, at most 1, that both may be computed of within a mean cost."""
        return min(1.0, (limit - self.cost) / max(self.whole - self.cost, 1e-9))


def choose(
    graph: FisherGraph,
    written: Mapping[str, Measured],
    usual: UsualRun,
    images: Images,
    limit: float,
    alpha: float,
    progress: Progress,
) -> tuple[Procedure, Budget]:
    """The procedure that detects most of what takes at most `limit` times as long as the forward pass on average.

    written: all of `checks`, as usual measured them. Raises CalibrationError where not even the cheapest design fits.
    """
    looks = _looks(graph, written, images[0](), progress)
    least = LEAST_DOUBTFUL * alpha
    within = [look for look in looks if look.affordable(limit) >= least]
    if not within:
        raise CalibrationError(
            f"a cost of {limit:g} times the forward pass cannot be kept: the cheapest procedure takes "
            f"{min(look.average(least) for look in looks):.3g} times"
        )
    size, changed = _perturbed(graph, written, usual, images, alpha, progress)
    designs = [_design(written, usual, changed, look, look.affordable(limit), alpha) for look in within]
    best = max((_design(written, usual, changed, look, 1.0, alpha) for look in looks), key=_merit)
    chosen = max(designs, key=_merit)
    budget = Budget(
        limit=limit,
        chosen=chosen,
        best=max(best, chosen, key=_merit),
        perturbation=f"{size:.2g} standard deviations of the image along the sign of the result's gradient",
        images=len(next(iter(changed.values()))[0]),
    )
    return Procedure((*chosen.first, *chosen.closer), doubtful=chosen.doubtful), budget


def _looks(
    graph: FisherGraph, written: Mapping[str, Measured], image: NDArray[np.float32], progress: Progress
) -> list[Looks]:
    """All first and closer looks, timed by the graphs that they need."""
    timed = _Timed(graph, image)
    pairs = list(product(firsts(len(graph.forward.members)), ((), *CLOSER)))
    chains = [first + closer for first, closer in pairs]
    costs = {chain: timed.ratio([written[name] for name in chain]) for chain in progress(chains, "measure cost")}
    return [Looks(f, c, costs[f], max(costs[f + c], costs[f])) for f, c in pairs if c]


class _Timed:
    """Time of graphs as a multiple of one forward pass, run by run in turn."""

    def __init__(self, graph: FisherGraph, image: NDArray[np.float32]) -> None:
        self._graph, self._image = graph, image
        self._reference = graph.session(graph.outputs, threads=1)

    def ratio(self, checks: Sequence[Measured]) -> float:
        values = {f"{i}.{j}": value for i, check in enumerate(checks) for j, value in enumerate(check.values)}
        other = self._graph.session({**self._graph.outputs, **values}, threads=1)
        pairs = [(self._seconds(other), self._seconds(self._reference)) for _ in range(RUNS)]
        return float(np.median([ours / theirs for ours, theirs in pairs[2:]]))

    def _seconds(self, session: Session) -> float:
        start = time.perf_counter()
        session.run(None, {"image": self._image})
        return time.perf_counter() - start


def _perturbed(
    graph: FisherGraph,
    written: Mapping[str, Measured],
    usual: UsualRun,
    images: Images,
    alpha: float,
    progress: Progress,
) -> tuple[float, Mapping[str, Columns]]:
    """What is measured of images that are changed the way that changes the network's result most, by as little as
    everything together detects; and the size of that change."""
    counted = [read() for read in images[COUNTING][:PERTURBED]]
    session = graph.session({"gradient": graph.information.gradient}, threads=1)
    signs = [np.sign(session.run(None, {"image": image})[0]) for image in progress(counted, "perturb")]
    scale = float(np.std(np.stack(counted)))
    values = {f"{name}/{i}": value for name, check in written.items() for i, value in enumerate(check.values)}
    opened = graph.session(values)
    *_, whole = fitted_checks(written, usual, Procedure(tuple(written), "together"))
    for size in SIZES:
        changed = [(image + size * scale * sign).astype(np.float32) for image, sign in zip(counted, signs, strict=True)]
        found = collect(opened, [lambda x=x: x for x in changed], progress, "measure detection")  # type: ignore[misc]
        columns = {name: [found[f"{name}/{i}"] for i in range(len(c.values))] for name, c in written.items()}
        statistics = evaluated(whole.statistic, [column for name in written for column in columns[name]]).statistics
        if np.mean(p_values(whole.counting.statistics, statistics) <= alpha) >= DETECTED:
            break
    return size, columns


def _design(
    written: Mapping[str, Measured],
    usual: UsualRun,
    changed: Mapping[str, Columns],
    looks: Looks,
    doubtful: float,
    alpha: float,
) -> Design:
    checks = (*looks.first, *looks.closer)
    *_, check = fitted_checks({name: written[name] for name in checks}, usual, Procedure(checks, doubtful=doubtful))
    statistics = evaluated(check.statistic, [column for name in checks for column in changed[name]]).statistics
    return Design(
        first=looks.first,
        closer=looks.closer,
        doubtful=doubtful,
        cost=looks.average(doubtful),
        worst_cost=looks.whole,
        power=float(np.mean(p_values(check.counting.statistics, statistics) <= alpha)),
        auroc=area_under_roc(check.counting.statistics, statistics),
    )


def _merit(design: Design) -> tuple[float, float]:
    """What designs are chosen by: the area under the ROC curve, at equal areas the cost."""
    return (round(design.auroc, 3), -design.cost)
