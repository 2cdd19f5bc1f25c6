"""Control charts: single values in order, their centre line and their limits, as points of a picture."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

FEWEST = 20
"""Values that limits are estimated from; with fewer there are none."""
_LIMIT_FACTOR = 2.66
"""3 / d2 for moving ranges of two (ISO 7870-2:2023, individuals chart)."""
WIDTH, HEIGHT = 560.0, 150.0
_MARGIN = 0.08


@dataclass(frozen=True)
class Point:
    """One value in the picture: x from the left, y from the top; top, bottom: of its interval. beyond: outside
    of the limits."""

    x: float
    y: float
    top: float
    bottom: float
    beyond: bool
    title: str
    link: str


@dataclass(frozen=True)
class Line:
    """A horizontal line of a chart."""

    y: float
    kind: str


@dataclass(frozen=True)
class Chart:
    """One chart as the page's template draws it."""

    title: str
    points: list[Point]
    lines: list[Line]
    note: str


@dataclass(frozen=True)
class Value:
    """One value to be charted, with the ends of its interval. usual: of an image that was not flagged; only such
    say where limits lie and what the picture must hold."""

    value: float
    low: float
    high: float
    usual: bool
    title: str
    link: str


def limits(values: Sequence[float]) -> tuple[float, float, float] | None:
    """Give lower limit, centre and upper limit of an individuals chart: mean -+ 2.66 times the mean moving range (ISO
    7870-2). None for fewer than FEWEST values."""
    if len(values) < FEWEST:
        return None
    centre = math.fsum(values) / len(values)
    ranges = [abs(after - before) for before, after in itertools.pairwise(values)]
    spread = _LIMIT_FACTOR * math.fsum(ranges) / len(ranges)
    return centre - spread, centre, centre + spread


def measured_chart(title: str, values: Sequence[Value]) -> Chart:
    """Chart values of a measurand, oldest first, with their intervals."""
    usual = [value for value in values if value.usual] or values
    found = limits([value.value for value in usual])
    shown = [end for value in usual for end in (value.low, value.high)] + list(found or [])
    scale = _Scale(min(shown, default=0.0), max(shown, default=1.0))
    if found is None:
        return Chart(title, _points(values, scale, lambda value: False), [], f"limits from {FEWEST} values on")
    low, centre, high = found
    lines = [Line(scale(low), "limit"), Line(scale(centre), "centre"), Line(scale(high), "limit")]
    note = f"mean {centre:.4g}, limits {low:.4g} and {high:.4g}"
    return Chart(title, _points(values, scale, lambda value: not low <= value <= high), lines, note)


def p_value_chart(title: str, values: Sequence[Value], alpha: float) -> Chart:
    """Chart p-values of a check, oldest first, on a logarithmic scale, with the alpha below which it flags: 0 for one
    that is shown only."""
    smallest = min([alpha or 1.0, *(value.value for value in values)])
    scale = _Scale(math.log(max(smallest, 1e-6)), 0.0)

    def logarithmic(value: float) -> float:
        return scale(math.log(max(value, 1e-6)))

    end = Line(logarithmic(1.0), "end")
    lines = [Line(logarithmic(alpha), "limit"), end] if alpha else [end]
    note = f"flagged at {alpha:.2g} and below, logarithmic" if alpha else "shown only, logarithmic"
    return Chart(title, _points(values, logarithmic, lambda value: value <= alpha), lines, note)


class _Scale:
    """Turns values into the picture's y, with a margin at both ends."""

    def __init__(self, low: float, high: float) -> None:
        room = (high - low) * _MARGIN or 0.5
        self._low, self._high = low - room, high + room

    def __call__(self, value: float) -> float:
        """Values beyond the picture stand at its edge."""
        return round(HEIGHT * min(1.0, max(0.0, (self._high - value) / (self._high - self._low))), 1)


def _points(values: Sequence[Value], scale: Callable[[float], float], beyond: Callable[[float], bool]) -> list[Point]:
    step = WIDTH / max(len(values), FEWEST)
    return [
        Point(
            round((number + 0.5) * step, 1), scale(value.value), scale(value.high), scale(value.low),
            beyond(value.value), value.title, value.link,
        )
        for number, value in enumerate(values)
    ]  # fmt: skip
