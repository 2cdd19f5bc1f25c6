"""Comparing our frames with an oracle's, and finding the reason of what differs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .answers import Frames, NoAnswer, Oracle, apart, first, ours
from .reasons import REASONS, Reason

UNEXPLAINED = "NOT EXPLAINED"


@dataclass(frozen=True)
class Row:
    """A line of the table. ours: shape and type, or the refusal. outcome: equal, differs, refused, with the reason."""

    file: str
    ours: str
    oracle: str
    outcome: str
    reason: str = ""

    @property
    def explained(self) -> bool:
        """Whether nothing differs, or a reason is known."""
        return self.reason != UNEXPLAINED


def compare(path: Path, name: str, oracles: list[Oracle]) -> list[Row]:
    """Make the rows of a file: one for the first oracle that is equal, and one for each that was asked before and
    differs."""
    try:
        frames = apart(ours, path)
    except NoAnswer as refused:
        return [_refused(path, name, str(refused), oracles)]
    rows, silent = [], []
    for oracle, answer in first(oracles, path):
        if isinstance(answer, str):
            silent.append(f"{oracle.name}: {answer}")
            continue
        difference = largest_difference(frames, answer)
        if difference == 0:
            return [*rows, Row(name, described(frames), oracle.name, "equal")]
        outcome = "other frames or shape" if np.isinf(difference) else f"differs by {difference:g} at most"
        if np.isinf(difference):
            outcome = f"has {described(answer)}"
        reason = _reason(lambda known, who=oracle.name, far=difference: known.explains_difference(name, who, far))
        rows.append(Row(name, described(frames), oracle.name, outcome, reason))
        if np.isfinite(difference) and reason != UNEXPLAINED:
            return rows
    if rows:
        return rows
    reason = _reason(lambda known: known.explains_difference(name, "none", 0))
    return [Row(name, described(frames), "none", "read by us alone: " + "; ".join(silent), reason)]


def largest_difference(a: Frames, b: Frames) -> float:
    """Find the largest difference of values, infinite where frames or shapes are others; NaN is equal to NaN."""
    if [frame.shape for frame in a] != [frame.shape for frame in b]:
        return float("inf")
    return max((_difference(one, other) for one, other in zip(a, b, strict=True)), default=0.0)


def described(frames: Frames) -> str:
    """Say frames, shape and type."""
    shapes = dict.fromkeys(" x ".join(map(str, frame.shape)) + f" {frame.dtype}" for frame in frames)
    return (f"{len(frames)} frames of " if len(frames) > 1 else "") + ", ".join(shapes)


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    if np.array_equal(a, b):
        return 0.0
    with np.errstate(invalid="ignore"):
        apart = np.abs(a.astype(np.longdouble) - b.astype(np.longdouble))
    both = np.isnan(a.astype(np.float64)) & np.isnan(b.astype(np.float64))
    return float(np.where(both | (a == b), 0, np.nan_to_num(apart, nan=np.inf)).max())


def _refused(path: Path, name: str, said: str, oracles: list[Oracle]) -> Row:
    answers = []
    for oracle, answer in first(oracles, path):
        if not isinstance(answer, str):
            reason = _reason(lambda known: known.explains_refusal(name, said))
            return Row(name, f"refused: {said}", oracle.name, f"has {described(answer)}", reason)
        answers.append(f"{oracle.name}: {answer}")
    return Row(name, f"refused: {said}", "all", "refused", "no oracle reads it")


def _reason(explains: Callable[[Reason], bool]) -> str:
    return next((known.text for known in REASONS if explains(known)), UNEXPLAINED)
