"""What became of the frames that were sent: nothing lost, nothing doubled, nothing wrong without a word."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fisherlens.edge import Runtime
from fisherlens.edge.verdict import Verdict

from .session import Frame
from .verdict_lines import Told

_SAME = 1e-3
"""Relative difference that two machines may make: several times what the bundles' parity tests allow."""

SILENT_ERROR = 2.0
"""An accepted result that is further from the truth than this many times its expanded uncertainty is wrong without
a warning: for a normal distribution, which k = 2 covers with 95 %, the chance is 6e-5."""


@dataclass(frozen=True)
class Sent:
    """A frame that was sent. at: when the service had answered, time.monotonic in seconds."""

    frame: Frame
    acknowledged: bool
    at: float


@dataclass
class Account:
    """Identities of frames by what became of them.

    lost: acknowledged, without a verdict. doubled: more than one verdict by one bundle. different: a verdict that is
    not what the bundle says of this frame when the rig runs it. silent: accepted and wrong. strangers: verdicts on
    what was not sent. outcomes: of each frame's verdict. largest_error: of accepted results in their
    U, NaN without any.
    """

    sent: int = 0
    acknowledged: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    outcomes: dict[str, str] = field(default_factory=dict)
    largest_error: float = math.nan


class Reference:
    """What bundles say of frames where nothing is in between: the same files, run by the rig itself."""

    def __init__(self) -> None:
        self._runtimes: dict[str, Runtime] = {}
        self._said: dict[tuple[str, str], Verdict] = {}

    def add(self, bundle: Path) -> str:
        """Know a bundle by its digest, which is returned."""
        runtime = Runtime.open(bundle)
        self._runtimes[runtime.bundle.digest] = runtime
        return runtime.bundle.digest

    def differs(self, frame: Frame, verdict: Verdict) -> str:
        """In what a verdict is not the bundle's own on this frame; empty where it is."""
        runtime = self._runtimes.get(verdict.bundle.digest)
        if runtime is None:
            return f"a bundle that was never given, {verdict.bundle.digest}"
        key = frame.digest, verdict.bundle.digest
        if key not in self._said:
            self._said[key] = next(iter(runtime.score_file(frame.path, explain="never")))
        own = self._said[key]
        if own.outcome != verdict.outcome:
            return f"{verdict.outcome}, expected {own.outcome}"
        if len(own.results) != len(verdict.results):
            return f"{len(verdict.results)} results, expected {len(own.results)}"
        for mine, theirs in zip(own.results, verdict.results, strict=True):
            for name in ("value", "u", "U"):
                if not math.isclose(getattr(mine, name), getattr(theirs, name), rel_tol=_SAME):
                    return f"{mine.name}: {name} {getattr(theirs, name):g}, expected {getattr(mine, name):g}"
        return ""


def normalised_errors(frame: Frame, verdict: Verdict) -> list[float]:
    """|value - truth| / U of each result (E_n of ISO 13528 with a truth that is known); empty without a truth."""
    if frame.truth is None:
        return []
    return [abs(result.value - true) / result.U for result, true in zip(verdict.results, frame.truth, strict=False)]


def account(sent: Iterable[Sent], told: Iterable[Told], differs: Callable[[Frame, Verdict], str]) -> Account:
    """Hold what was delivered against what was sent; a frame that was sent several times counts once."""
    by_identity: dict[str, dict[str, Verdict]] = defaultdict(dict)
    for line in told:
        by_identity[line.verdict.source][line.id] = line.verdict
    found = Account()
    errors = []
    frames: dict[str, Frame] = {}
    acknowledged = set()
    for entry in sent:
        frames[entry.frame.identity] = entry.frame
        if entry.acknowledged:
            acknowledged.add(entry.frame.identity)
    found.sent, found.acknowledged = len(frames), len(acknowledged)
    for identity, frame in frames.items():
        verdicts = list(by_identity.pop(identity, {}).values())
        if identity in acknowledged and not verdicts:
            found.lost.append(identity)
        if len({verdict.bundle.digest for verdict in verdicts}) < len(verdicts):
            found.doubled.append(identity)
        for verdict in verdicts:
            found.outcomes[identity] = verdict.outcome
            if said := differs(frame, verdict):
                found.different.append(f"{identity}: {said}")
            off = normalised_errors(frame, verdict)
            if verdict.outcome == "accepted":
                errors += off
                if any(error > SILENT_ERROR for error in off):
                    found.silent.append(f"{identity}: off by {max(off):.1f} U, {frame.description}")
    found.strangers = list(by_identity)
    if errors:
        found.largest_error = float(np.max(errors))
    return found
