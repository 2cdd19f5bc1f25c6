"""What a study found: tables in Markdown, and detection against cost as a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from fisherlens.edge.storage import write_whole

from .detection import Auroc, Rate, detected
from .scores import Scored
from .sets import ATTACKS, CHOOSING_ATTACKS, CHOOSING_UNUSUAL, COUNTED, EVALUATION, KINDS, UNUSUAL, ImageSet
from .subject import Subject

HEADLINE = 0.01
"""The share of false alarms that the picture and the summary are about."""


@dataclass(frozen=True)
class Figures:
    """Figures of one score on a group of sets. areas: under the ROC curve against the evaluation images; at_1, at_5:
    detected at 1 % and 5 % false alarms by the images that count; all by name of the set."""

    areas: dict[str, Auroc]
    at_1: dict[str, Rate]
    at_5: dict[str, Rate]

    @classmethod
    def of(cls, found: Scored, names: Sequence[str], usual: str = EVALUATION) -> Figures:
        """Measure a score on the sets of these names. usual: name of the set that areas are against."""
        counted, scores = found.scores[COUNTED], found.scores
        return cls(
            {name: Auroc.of(scores[usual], scores[name]) for name in names},
            {name: detected(counted, scores[name], 0.01) for name in names},
            {name: detected(counted, scores[name], 0.05) for name in names},
        )

    @property
    def mean_area(self) -> float:
        return float(np.mean([area.value for area in self.areas.values()]))

    @property
    def least_area(self) -> float:
        return min(area.value for area in self.areas.values())

    @property
    def mean_at_1(self) -> float:
        return float(np.mean([rate.value for rate in self.at_1.values()]))

    @property
    def mean_at_5(self) -> float:
        return float(np.mean([rate.value for rate in self.at_5.values()]))


def write_report(
    subject: Subject, accuracy: float, sets: Sequence[ImageSet], found: Sequence[Scored], out: Path
) -> None:
    """Write NAME.md and NAME.png of a subject, and NAME-choosing.md, which is no evidence: settings were chosen by
    it."""
    groups = {
        group: [images.name for images in sets if images.group == group and len(found[0].scores[images.name])]
        for group in (KINDS, ATTACKS, UNUSUAL, CHOOSING_ATTACKS, CHOOSING_UNUSUAL)
    }
    reported = {group: groups[group] for group in (ATTACKS, UNUSUAL) if groups[group]}
    choosing = {group: groups[group] for group in (CHOOSING_ATTACKS, CHOOSING_UNUSUAL) if groups[group]}
    write_whole(out / f"{subject.name}.md", _page(subject, accuracy, found, reported, groups[KINDS]).encode())
    write_whole(out / f"{subject.name}-choosing.md", _choosing(subject, found, choosing).encode())
    buffer = BytesIO()
    picture(found, reported).savefig(buffer, format="png", dpi=110)
    write_whole(out / f"{subject.name}.png", buffer.getvalue())


def _page(
    subject: Subject, accuracy: float, found: Sequence[Scored], groups: dict[str, list[str]], kinds: list[str]
) -> str:
    sections = [
        f"# What is detected: {subject.title}",
        _method(subject, accuracy, found),
        "## Summary",
        summary(found, groups),
        f"![detection against cost]({subject.name}.png)",
    ]
    for group, names in groups.items():
        sections += _tables(found, group, names, EVALUATION)
    if kinds:
        sections += [f"## {KINDS.capitalize()}: flagged at 1 %, %", _alarms(found, kinds)]
    return "\n\n".join(sections) + "\n"


def _method(subject: Subject, accuracy: float, found: Sequence[Scored]) -> str:
    usual, counted = (len(found[0].scores[name]) for name in (EVALUATION, COUNTED))
    return (
        f"Printed by `python -m fisherlens.models.study {subject.name}`: {100 * accuracy:.1f} % of "
        f"{len(subject.evaluation)} evaluation images {subject.task.right_means}. Areas under the ROC curve are "
        f"against {usual} of these, with intervals of 95 % (Hanley & McNeil); thresholds are counted on {counted} "
        "other usual images, "
        "shares have intervals of 95 % (Clopper & Pearson). Costs are multiples of the bare forward pass of all "
        "members, all of them in ONNX Runtime on one thread: medians of runs in turn. Checks of this project are in "
        "bold."
    )


def _choosing(subject: Subject, found: Sequence[Scored], groups: dict[str, list[str]]) -> str:
    sections = [
        f"# Sets for choosing: {subject.title}",
        "No evidence: settings are chosen by these. Areas are against the usual images that count.",
        summary(found, groups, COUNTED),
    ]
    for group, names in groups.items():
        sections += _tables(found, group, names, COUNTED)
    return "\n\n".join(sections) + "\n"


def summary(found: Sequence[Scored], groups: dict[str, list[str]], usual: str = EVALUATION) -> str:
    """Tabulate the means over each group of sets, by ascending cost, in Markdown."""
    head = ["score", "cost", "usual images flagged at 1 %, %"]
    for group in groups:
        head += [f"{group}: mean area", "least area", "detected at 1 %, %", "at 5 %, %"]
    lines = [_line(head), _line(["---"] * len(head))]
    for score in sorted(found, key=lambda score: score.cost):
        alarms = detected(score.scores[COUNTED], score.scores[EVALUATION], HEADLINE)
        cells = [_title(score), f"{score.cost:.2f}", _percent(alarms)]
        for names in groups.values():
            figures = Figures.of(score, names, usual)
            cells += [f"{figures.mean_area:.3f}", f"{figures.least_area:.3f}"]
            cells += [f"{100 * figures.mean_at_1:.1f}", f"{100 * figures.mean_at_5:.1f}"]
        lines.append(_line(cells))
    return "\n".join(lines)


def _alarms(found: Sequence[Scored], kinds: list[str]) -> str:
    """Tabulate what share of usual images is flagged, of all as they come and of each kind, in Markdown."""
    names = [EVALUATION, *kinds]
    head = ["score", *(f"{name} ({len(found[0].scores[name])})" for name in names)]
    shares = [
        [_percent(detected(score.scores[COUNTED], score.scores[name], HEADLINE)) for name in names] for score in found
    ]
    rows = [_line([_title(score), *cells]) for score, cells in zip(found, shares, strict=True)]
    return "\n".join([_line(head), _line(["---"] * len(head)), *rows])


def _tables(found: Sequence[Scored], group: str, names: list[str], usual: str) -> list[str]:
    by_title = {_title(score): Figures.of(score, names, usual) for score in found}
    counts = {name: len(found[0].scores[name]) for name in names}
    order = sorted(by_title, key=lambda title: -by_title[title].mean_area)

    def table(cell: Callable[[Figures, str], str]) -> str:
        lines = [_line(["score", *(f"{name} ({counts[name]})" for name in names)]), _line(["---"] * (1 + len(names)))]
        return "\n".join(lines + [_line([t, *(cell(by_title[t], name) for name in names)]) for t in order])

    return [
        f"## {group.capitalize()}: area under the ROC curve",
        table(lambda figures, name: _area(figures.areas[name])),
        f"## {group.capitalize()}: detected at 1 % false alarms, %",
        table(lambda figures, name: _percent(figures.at_1[name])),
        f"## {group.capitalize()}: detected at 5 % false alarms, %",
        table(lambda figures, name: _percent(figures.at_5[name])),
    ]


def _title(score: Scored) -> str:
    name = f"**{score.title}**" if score.ours else score.title
    return f"{name} ({score.setting})" if score.setting else name


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _area(area: Auroc) -> str:
    return f"{area.value:.3f} ({area.low:.3f}–{area.high:.3f})"


def _percent(rate: Rate) -> str:
    return f"{100 * rate.value:.1f} ({100 * rate.low:.1f}–{100 * rate.high:.1f})"


def picture(found: Sequence[Scored], groups: dict[str, list[str]]) -> Figure:
    """Draw the mean share that is detected at 1 % false alarms against cost, one panel a group of sets, with the front
    of those that nothing cheaper beats."""
    figure = Figure(figsize=(7.5 * len(groups), 7), layout="constrained")
    panels = figure.subplots(1, len(groups), squeeze=False)[0]
    for axes, (group, names) in zip(panels, groups.items(), strict=True):
        points = [(score.cost, 100 * Figures.of(score, names).mean_at_1) for score in found]
        _front(axes, points)
        _dots(axes, found, points)
        axes.set(title=f"{group}, mean over {len(names)} kinds", xscale="log", xlabel="cost / forward passes")
        axes.xaxis.set_major_locator(FixedLocator([1, 1.5, 2, 3, 5, 10, 20, 50]))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set(ylabel="detected at 1 % false alarms / %")
        axes.grid(alpha=0.3, which="both")
    return figure


def front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points (cost, detection) that none of at most their cost exceeds, by ascending cost."""
    kept: list[tuple[float, float]] = []
    for cost, detection in sorted(points, key=lambda point: (point[0], -point[1])):
        if not kept or detection > kept[-1][1]:
            kept.append((cost, detection))
    return kept


def _front(axes: Axes, points: Sequence[tuple[float, float]]) -> None:
    costs, detections = zip(*front(points), strict=True)
    right = 1.6 * max(cost for cost, _ in points)
    axes.step([*costs, right], [*detections, detections[-1]], where="post", color="0.6", zorder=1)
    axes.set_xlim(min(0.9, 0.9 * costs[0]), right)


def _dots(axes: Axes, found: Sequence[Scored], points: Sequence[tuple[float, float]]) -> None:
    """Dots with labels beside, of the cheap ones to the right and of the dear ones to the left, moved up to where they
    do not overlap."""
    costs, detections = np.array(points).T
    room = 0.25 * (detections.max() - detections.min()) + 5.0
    low, high = detections.min() - 0.2 * room, detections.max() + room
    axes.set_ylim(low, high)
    gap, middle = (high - low) / 32, np.sqrt(costs.min() * costs.max())
    taken = {True: -np.inf, False: -np.inf}
    for (cost, detection), score in sorted(zip(points, found, strict=True), key=lambda row: row[0][1]):
        cheap = bool(cost <= middle)
        height = max(detection, taken[cheap] + gap)
        taken[cheap] = height
        colour, weight = ("C3", "bold") if score.ours else ("C0", "normal")
        axes.scatter([cost], [detection], color=colour, zorder=3)
        axes.annotate(
            score.title, (cost, detection), (cost * (1.08 if cheap else 0.93), height), fontsize=8,
            color=colour, weight=weight, va="center", ha="left" if cheap else "right",
            arrowprops={"arrowstyle": "-", "color": "0.85"}, zorder=2,
        )  # fmt: skip
