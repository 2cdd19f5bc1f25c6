"""What a check may cost: of all profiles that fit within a multiple of the forward pass the one that
tells a stand-in perturbation from usual images best.

A reverse pass costs what lies between the outputs and the last layer that it reaches, so that layers
are left out from the image's side; a layer's parameters cost about as much as its activations again.
What each design detects is measured on the calibration images, what it costs on this machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from fisherlens.edge.bundle import Session
from fisherlens.edge.bundle.manifest import Budget, Design
from fisherlens.edge.p_value import p_values

from ..calibration.collect import collect
from ..calibration.finite import require_finite
from ..calibration.images import COUNTING, FITTING, Images
from ..errors import CalibrationError
from ..fisher.fisher_graph import FisherGraph
from ..fisher.profile import Selection
from ..progress import Progress
from .kind import evaluated
from .profile import fitted_profile
from .roc import area_under_roc

PERTURBED = 100
"""Images that are perturbed to measure detection."""

SIZES = tuple(2.0 ** (-k / 2) for k in range(20, 0, -1))
"""Perturbations tried, from small to large, as shares of the images' standard deviation, until
everything together detects `DETECTED` of them: then designs differ."""

DETECTED = 0.7
PROBES = (1, 2, 4)
RUNS = 15


@dataclass(frozen=True)
class _Candidate:
    """A design with what it detects; cost and graph are measured when its turn comes."""

    graph: FisherGraph
    probes: int
    power: float
    auroc: float


class _Whole:
    """The graph with everything in it, and the features of images by it."""

    def __init__(self, graph: FisherGraph) -> None:
        self.graph = graph
        self._session = graph.session({"features": graph.features, "regressors": graph.readout.regressors})

    def features(self, images: Images, progress: Progress) -> tuple[NDArray, NDArray]:
        """Features and regressors, [images, ...] each."""
        found = collect(self._session, images, progress, "measure detection")
        return found["features"], found["regressors"]


def choose(
    build: Callable[[int], FisherGraph], images: Images, limit: float, alpha: float, progress: Progress
) -> tuple[FisherGraph, Budget]:
    """The best design whose graph takes at most `limit` times as long as the forward pass.

    build: the whole graph with so many probes. Raises CalibrationError where not even the cheapest
    design fits, or no design can be fitted to so few images.
    """
    wholes = {probes: _Whole(build(probes)) for probes in progress(PROBES, "differentiate")}
    whole = wholes[1].graph
    forward = _Timed(whole, images[0]())
    cheapest = forward.ratio(whole.with_only(min(_selections(whole.selection), key=lambda selection: selection.size)))
    if cheapest > limit:  # told before detection is measured, which takes longer
        raise _too_dear(limit, cheapest)
    size, perturbed = _perturbed(wholes[1], images, alpha, progress)
    candidates = [c for p, whole in wholes.items() for c in _candidates(whole, p, images, perturbed, alpha, progress)]
    if not candidates:
        raise CalibrationError(f"{len(images)} calibration images are too few for any profile. Give more images.")
    candidates.sort(key=lambda c: (-c.auroc, c.probes, c.graph.selection.size))
    chosen, cost = _first_within(candidates, forward, limit, progress)
    if chosen is None:
        raise _too_dear(limit, cheapest)
    best = candidates[0]
    budget = Budget(
        limit=limit,
        chosen=_design(chosen, cost),
        best=_design(best, forward.ratio(best.graph)),
        perturbation=f"{size:.2g} standard deviations of the image along the sign of a score factor's gradient",
        images=len(perturbed),
    )
    return chosen.graph, budget


def _too_dear(limit: float, cheapest: float) -> CalibrationError:
    return CalibrationError(
        f"a cost of {limit:g} times the forward pass cannot be kept: the cheapest check takes {cheapest:.3g} times"
    )


def _perturbed(
    whole: _Whole, images: Images, alpha: float, progress: Progress
) -> tuple[float, list[NDArray[np.float32]]]:
    """Images that are changed the way that changes the network's result most, by as little as the whole
    profile detects: their size, and they themselves."""
    counted = [read() for read in images[COUNTING][:PERTURBED]]
    session = whole.graph.session({"gradient": whole.graph.information.gradient}, threads=1)
    signs = [np.sign(session.run(None, {"image": image})[0]) for image in progress(counted, "perturb")]
    scale = float(np.std(np.stack(counted)))
    usual = whole.features(images, progress)
    measured = [whole.graph.features, whole.graph.readout.regressors]
    require_finite("check fisher_profile", measured, usual, images, whole.graph.model)
    for size in SIZES:
        changed = [(c + size * scale * s).astype(np.float32) for c, s in zip(counted, signs, strict=True)]
        features = whole.features([lambda x=x: x for x in changed], progress)  # type: ignore[misc]
        found = _detection(usual, features, list(range(usual[0].shape[1])), alpha)
        if found is None or found[0] >= DETECTED:
            break
    return size, changed


def _candidates(
    whole: _Whole,
    probes: int,
    images: Images,
    perturbed: Sequence[NDArray[np.float32]],
    alpha: float,
    progress: Progress,
) -> list[_Candidate]:
    usual = whole.features(images, progress)
    changed = whole.features([lambda x=x: x for x in perturbed], progress)  # type: ignore[misc]
    graph, found = whole.graph, []
    for selection in _selections(graph.selection):
        detected = _detection(usual, changed, selection.columns(graph.information), alpha)
        if detected is not None and (probes == 1 or selection.activations):
            found.append(_Candidate(graph.with_only(selection), probes, *detected))
    return found


def _selections(whole: Selection) -> list[Selection]:
    """Selections to try: the last `depth` layers' activations, the last `inner` of these layers' parameters, all
    energies after the first `skipped`. Layers near the image cost most."""
    count = len(whole.activations)
    depths = sorted({round(count * share) for share in (0, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 1)} | {1})
    return [
        Selection(whole.parameters[count - inner :], whole.activations[count - depth :], whole.energies[skipped:])
        for depth, inner, skipped in product(depths, depths, (0, count // 2, 3 * count // 4))
        if inner <= depth
    ]


def _detection(
    usual: tuple[NDArray, NDArray], changed: tuple[NDArray, NDArray], columns: list[int], alpha: float
) -> tuple[float, float] | None:
    """Share of changed images flagged at alpha, and the area under the ROC curve; None where there are
    too few images for so many features."""
    features, regressors = usual[0][:, columns], usual[1]
    try:
        statistic = fitted_profile([features[FITTING], regressors[FITTING]])
    except CalibrationError:
        return None
    of_usual = evaluated(statistic, [features[COUNTING], regressors[COUNTING]])
    of_changed = evaluated(statistic, [changed[0][:, columns], changed[1]])
    power = float(np.mean(p_values(of_usual, of_changed) <= alpha))
    return power, area_under_roc(of_usual, of_changed)


class _Timed:
    """Time of graphs as a multiple of one forward pass, run by run in turn."""

    def __init__(self, reference: FisherGraph, image: NDArray[np.float32]) -> None:
        self._image = image
        self._reference = reference.session(reference.outputs, threads=1)

    def ratio(self, graph: FisherGraph) -> float:
        other = graph.session({**graph.outputs, "features": graph.features}, threads=1)
        pairs = [(self._seconds(other), self._seconds(self._reference)) for _ in range(RUNS)]
        return float(np.median([ours / theirs for ours, theirs in pairs[2:]]))

    def _seconds(self, session: Session) -> float:
        start = time.perf_counter()
        session.run(None, {"image": self._image})
        return time.perf_counter() - start


def _first_within(
    candidates: Sequence[_Candidate], forward: _Timed, limit: float, progress: Progress
) -> tuple[_Candidate | None, float]:
    """The first candidate within the limit, and its cost."""
    costly: list[_Candidate] = []
    for candidate in progress(candidates, "measure cost"):
        if any(_includes(candidate, other) for other in costly):
            continue
        cost = forward.ratio(candidate.graph)
        if cost <= limit:
            return candidate, cost
        costly.append(candidate)
    return None, float("nan")


def _includes(one: _Candidate, other: _Candidate) -> bool:
    """Whether one design computes all that the other does."""
    a, b = one.graph.selection, other.graph.selection
    pairs = ((a.parameters, b.parameters), (a.activations, b.activations), (a.energies, b.energies))
    return one.probes >= other.probes and all(set(more) >= set(less) for more, less in pairs)


def _design(candidate: _Candidate, cost: float) -> Design:
    names = [layer.name for layer in candidate.graph.forward.layers]
    selection = candidate.graph.selection
    return Design(
        probes=candidate.probes if selection.activations else 0,
        parameters=tuple(names[i] for i in selection.parameters),
        activations=tuple(names[i] for i in selection.activations),
        energies=tuple(names[i] for i in selection.energies if i < len(names)),
        cost=cost,
        power=candidate.power,
        auroc=candidate.auroc,
    )
