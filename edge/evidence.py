"""Why a check flagged: the features that it watches which are furthest from what usual images reach."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from .bundle import Bundle
from .bundle.manifest import Manifest, Watched
from .verdict import Evidence, Verdict

MOST = 3
"""Features that are told of a check."""


@dataclass(frozen=True)
class Part:
    """A part of a check's features: one quantity of the channels of a layer. first: of them in the graph's `deviation`.
    member: "member 1", from 1, or nothing where there is but one; place: the layer in words, the same in all members.
    """

    watched: Watched
    first: int
    member: str
    place: str

    def evidence(self, channel: int, deviation: float, low: float, high: float) -> Evidence:
        """Tell of the channel of this number, from 0."""
        watched = self.watched
        where = [self.member, self.place, f"channel {channel + 1} of {watched.count}" if watched.count > 1 else ""]
        usual = f"(usual images {_number(low)} to {_number(high)})"
        return Evidence(
            layer=watched.layer,
            quantity=watched.quantity,
            channel=channel + 1,
            channels=watched.count,
            deviation=deviation if np.isfinite(deviation) else None,
            low=low,
            high=high,
            text=f"{', '.join(filter(None, where))}: {watched.quantity} {_how_far(deviation)} {usual}",
        )


@dataclass(frozen=True)
class WatchedFeatures:
    """The F features that a check watches, one part after the other, with the range of each on usual images, float64
    [F, 2]."""

    parts: tuple[Part, ...]
    ranges: NDArray[np.float64]

    def evidence(self, deviations: NDArray[np.float32]) -> list[Evidence]:
        """Tell of the features furthest outside of usual images' range, or where each is inside of those furthest from
        zero: MOST at most, and one of a quantity and a layer, whichever member's, so that they tell different things.

        deviations: the graph's `deviation` [D], of this check's features and others'.
        """
        first = self.parts[0].first
        found = deviations[first : first + len(self.ranges)].astype(np.float64)
        told: dict[tuple[str, str], Evidence] = {}
        for index in _furthest(found, self.ranges):
            part = next(part for part in reversed(self.parts) if part.first <= first + index)
            low, high = self.ranges[index].tolist()
            evidence = part.evidence(first + index - part.first, float(found[index]), low, high)
            told.setdefault((part.place, evidence.quantity), evidence)
            if len(told) == MOST:
                break
        return list(told.values())


def watched_features(bundle: Bundle) -> dict[str, WatchedFeatures]:
    """Give the features of each check that watches some, by its name; none where usual images' ranges are not told."""
    manifest = bundle.manifest
    watched = [(check.name, part) for check in manifest.checks for part in check.watched]
    firsts = accumulate((part.count for _, part in watched), initial=0)
    parts: dict[str, list[Part]] = {}
    for (name, part), first in zip(watched, firsts, strict=False):
        parts.setdefault(name, []).append(Part(part, first, *_in_words(part.layer, manifest)))
    return {name: WatchedFeatures(tuple(parts[name]), ranges) for name, ranges in bundle.ranges.items()}


def in_words(evidence: Sequence[Evidence]) -> str:
    """Say of a check's evidence what stands behind the check's meaning; nothing where there is none."""
    return f". {heading(evidence)}: {'; '.join(one.text for one in evidence)}" if evidence else ""


def heading(evidence: Sequence[Evidence]) -> str:
    """Say what features a check's evidence tells of."""
    if any(is_outside(one) for one in evidence):
        return "Outside usual images' range"
    return "No feature alone is outside usual images' range; furthest from the expected"


def reasons_alone(verdict: Verdict) -> list[str]:
    """Give a verdict's reasons without the evidence in them, for where it stands beside."""
    flagged = [check for check in verdict.checks if check.flagged]
    if len(flagged) != len(verdict.reasons):  # refused
        return verdict.reasons
    return [
        reason.removesuffix(in_words(check.evidence)) for reason, check in zip(verdict.reasons, flagged, strict=True)
    ]


def is_outside(evidence: Evidence) -> bool:
    """Say whether a feature is outside of usual images' range."""
    return evidence.deviation is None or not evidence.low <= evidence.deviation <= evidence.high


def _furthest(deviations: NDArray[np.float64], ranges: NDArray[np.float64]) -> list[int]:
    """The features outside of their range, the furthest first; where there are none all that are not zero, likewise."""
    beyond = np.maximum(deviations - ranges[:, 1], ranges[:, 0] - deviations)
    beyond[~np.isfinite(deviations)] = np.inf
    far = np.maximum(beyond, 0.0) if (beyond > 0).any() else np.abs(deviations)
    order = np.argsort(-far, kind="stable")
    return order[far[order] > 0].tolist()


_LAYER = re.compile(r"(input of )?(member(\d+)\..*)|(output) of member (\d+)", re.DOTALL)


def _in_words(layer: str, manifest: Manifest) -> tuple[str, str]:
    """The member and the place in it of a layer that features are of, both counted from 1."""
    match = _LAYER.fullmatch(layer)
    if match is None:
        return "", layer
    of_input, name, member, output, other = match.groups()
    number = int(member or other)
    own = [one for one in manifest.fisher.layers if one.startswith(f"member{number}.")]
    called = f"layer {own.index(name) + 1} of {len(own)}" if name in own else name
    return f"member {number + 1}" if manifest.members > 1 else "", output or f"{of_input or ''}{called}"


def _how_far(deviation: float) -> str:
    if not np.isfinite(deviation):
        return "is no finite number"
    return f"{_number(abs(deviation))} standard deviations {'high' if deviation > 0 else 'low'}"


def _number(value: float) -> str:
    """Three digits or more, so that a feature just beyond its range does not look as if it were at its end."""
    size = abs(value)
    return f"{value:.2f}" if size < 10 else f"{value:.1f}" if size < 100 else f"{value:.3g}"
