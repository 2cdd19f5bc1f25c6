"""Scores of all sets by all checks and rivals, made once and kept beside the tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from fisherlens.edge.storage import write_whole
from fisherlens.export.calibration.images import FITTING
from fisherlens.export.checks.roc import area_under_roc

from . import bundles, rivals
from .sets import CHOOSING_ATTACKS, CHOOSING_UNUSUAL, COUNTED, ImageSet, digest_of_arrays
from .subject import Subject

Scores = dict[str, NDArray[np.float64]]
"""Scores [n] by name of the set of images, larger for more unusual."""


@dataclass(frozen=True)
class Scored:
    """A rival or check on all sets. ours: whether it is a check of ours. setting: what was chosen, "" where there is
    nothing to choose. scores: of every set, the counting one among them. cost: as a multiple of the bare forward
    pass."""

    title: str
    ours: bool
    setting: str
    scores: Scores
    cost: float


def of_rivals(
    subject: Subject, sets: Sequence[ImageSet], scores: Mapping[tuple[str, str], rivals.Score], folder: Path
) -> dict[tuple[str, str], Scores]:
    """Scores of all sets by all rivals, by title and setting."""
    weights = [value for member in (*subject.members, *subject.companions) for value in member.state_dict().values()]
    key = digest_of_arrays(*weights, subject.calibration.images)
    found: dict[tuple[str, str], Scores] = {name: {} for name in scores}
    for images in sets:

        def make(images: ImageSet = images) -> Scores:
            shown = partial(track, description=f"rivals, {images.name}")
            of_set = rivals.scored(subject.members, subject.companions, scores, images.images(), shown)
            return {_joined(*name): values for name, values in of_set.items()}

        kept = _kept(folder / f"{subject.name}-rivals-{key}" / _file(images), [_joined(*name) for name in scores], make)
        for name in scores:
            found[name][images.name] = kept[_joined(*name)]
    return found


def fitted_rivals(subject: Subject) -> dict[tuple[str, str], rivals.Score]:
    """All rivals that mean anything for the task, fitted on every other calibration image."""
    fitting = subject.calibration.taken(FITTING)
    usual = rivals.Usual.of(subject.members, fitting.images, subject.task.groups(fitting.known))
    return rivals.fitted(usual, subject.companions, rivals.meaningful(subject.task))


def of_bundle(subject: Subject, sets: Sequence[ImageSet], row: bundles.Row, title: str, folder: Path) -> Scores:
    """Scores of all sets by a row's check; of the images that count, those in the bundle."""
    bundle = bundles.exported(subject, row.within or title, folder)
    found = {COUNTED: bundles.counted(bundle)[row.check]}
    for images in [images for images in sets if images.name != COUNTED]:
        path = folder / f"{subject.name}-bundle-{bundle.digest.removeprefix('sha256:')[:8]}" / _file(images)

        def make(images: ImageSet = images) -> Scores:
            return bundles.statistics(bundle, images.images(), f"{row.within or title}, {images.name}")

        found[images.name] = _kept(path, [row.check], make)[row.check]
    return found


def best_setting(candidates: Mapping[str, Scores], sets: Sequence[ImageSet]) -> str:
    """The setting with the largest area under the ROC curve on the sets for choosing, the mean of the means over
    attacks and over other unusual images."""

    def quality(name: str) -> float:
        of_groups = [mean_area(candidates[name], sets, group) for group in (CHOOSING_ATTACKS, CHOOSING_UNUSUAL)]
        return float(np.nanmean(of_groups))

    return max(candidates, key=quality) if len(candidates) > 1 else next(iter(candidates))


def mean_area(scores: Scores, sets: Sequence[ImageSet], group: str) -> float:
    """Average over the sets of a group the area under the ROC curve against the usual images that count; NaN for a
    group without images."""
    of_group = [scores[images.name] for images in sets if images.group == group and len(scores[images.name])]
    return float(np.mean([area_under_roc(scores[COUNTED], values) for values in of_group])) if of_group else np.nan


def _file(images: ImageSet) -> str:
    return f"{images.group}, {images.name}, {images.key}.npz".replace("/", " of ")


def _joined(title: str, setting: str) -> str:
    return f"{title} | {setting}"


def _kept(path: Path, names: Sequence[str], make: Callable[[], Scores]) -> Scores:
    """What was kept, if it has all these names; else made anew."""
    if path.exists():
        kept = dict(np.load(path))
        if set(names) <= set(kept):
            return kept
    path.parent.mkdir(parents=True, exist_ok=True)
    made, buffer = make(), BytesIO()
    np.savez(buffer, **made)  # type: ignore[arg-type]
    write_whole(path, buffer.getvalue())
    return made
