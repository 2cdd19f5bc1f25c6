"""The whole way of a study: sets of images, their scores by rivals and checks, costs, tables and picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.progress import track

from . import bundles, scores
from .cost import Forward
from .report import write_report
from .rivals import RIVALS, Score
from .scores import Scored
from .sets import ImageSet, Numbers, accuracy, image_sets
from .subject import Subject


def study(subject: Subject, numbers: Numbers, runs: int, out: Path) -> list[Scored]:
    """Attack and alter images, score all sets, measure costs, and write NAME.md and NAME.png into `out`."""
    sets = image_sets(subject, numbers, out)
    forward = Forward(subject, runs)
    found = [*_rivals(subject, sets, forward, out), *_checks(subject, sets, forward, out)]
    write_report(subject, accuracy(subject), sets, found, out)
    return found


def _rivals(subject: Subject, sets: Sequence[ImageSet], forward: Forward, out: Path) -> list[Scored]:
    fitted = scores.fitted_rivals(subject)
    kept = scores.of_rivals(subject, sets, fitted, out)
    chosen: dict[str, tuple[str, Score]] = {}
    for title in [title for title in RIVALS if any(title == of for of, _ in fitted)]:
        candidates = {setting: found for (of, setting), found in kept.items() if of == title}
        setting = scores.best_setting(candidates, sets)
        chosen[title] = (setting, fitted[title, setting])
    return [
        Scored(title, False, setting, kept[title, setting], forward.of_rival(title, score))
        for title, (setting, score) in track(list(chosen.items()), "cost of rivals")
    ]


def _checks(subject: Subject, sets: Sequence[ImageSet], forward: Forward, out: Path) -> list[Scored]:
    rows = bundles.rows_of(subject)
    kept = {title: scores.of_bundle(subject, sets, row, title, out) for title, row in rows.items()}
    opened = {title: bundles.exported(subject, title, out) for title in rows}
    return [
        Scored(title, True, "", kept[title], forward.of_bundle(bundle))
        for title, bundle in track(list(opened.items()), "cost of checks")
    ]
