"""Comparing our frames with an oracle's, and finding the reason of what differs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .answers import FAULT, Frames, NoAnswer, Oracle, first, ours
from .reasons import difference_reason, refusal_reason

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
        frames = ours(path)
    except NoAnswer as refused:
        return [_refused(path, name, str(refused), oracles)]
    rows: list[Row] = []
    silent: list[str] = []
    for oracle, answer in first(oracles, path):
        if isinstance(answer, str):
            silent.append(f"{oracle.name}: {answer}")
            continue
        difference = largest_difference(frames, answer)
        if difference == 0:
            return [*rows, Row(name, described(frames), oracle.name, "equal")]
        far = f"has {described(answer)}" if np.isinf(difference) else f"differs by {difference:g} at most"
        known = difference_reason(name, oracle.name, difference)
        rows.append(Row(name, described(frames), oracle.name, far, known.text if known else UNEXPLAINED))
        if known and np.isfinite(known.bound):
            return rows
    if rows:  # an oracle that is wrong needs another that is equal
        return [*rows, Row(name, described(frames), "others", "none is equal", UNEXPLAINED)]
    alone = difference_reason(name, "none", 0)
    said = "read by us alone: " + "; ".join(silent)
    return [Row(name, described(frames), "none", said, alone.text if alone else UNEXPLAINED)]


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
    for oracle, answer in first(oracles, path):
        if not isinstance(answer, str):
            known = refusal_reason(name, said)
            text = known.text if known else UNEXPLAINED
            return Row(name, f"refused: {said}", oracle.name, f"has {described(answer)}", text)
    fault = said.startswith(FAULT)
    return Row(name, f"refused: {said}", "all", "refused", UNEXPLAINED if fault else "no oracle reads it")
