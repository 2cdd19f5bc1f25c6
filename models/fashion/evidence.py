"""The evidence: what was found for one network, as JSON, as tables in Markdown, and as ROC curves."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from fisherlens.edge.storage import write_whole

from .attacks import ATTACKS
from .detection import Auroc, Rate

Scores = dict[str, dict[str, NDArray[np.float64]]]
"""Scores [n] by set of images, then by name of the score."""

Figures = TypeVar("Figures")


@dataclass(frozen=True)
class Evidence:
    """Figures of one network. accuracy: share of the test images that it recognises. auroc, at_1, at_5: by set of
    images, then by score; counts: images in a set. costs: as multiples of the forward pass. false_alarms: shares of
    usual images flagged. adaptive: by budget, shares of images with a wrong class, and of those that no check flags
    at 1 %, with those of the attack that does not know the check beside."""

    network: str
    accuracy: float
    auroc: dict[str, dict[str, Auroc]]
    at_1: dict[str, dict[str, Rate]]
    at_5: dict[str, dict[str, Rate]]
    counts: dict[str, int]
    costs: dict[str, float]
    false_alarms: dict[str, Rate]
    adaptive: dict[str, dict[str, Rate]]


def write_evidence(evidence: Evidence, scores: Scores, out: Path) -> None:
    """Write NAME.json, NAME.md and NAME.png of the network of that name into a folder."""
    write_whole(out / f"{evidence.network}.json", json.dumps(asdict(evidence), indent=1).encode())
    write_whole(out / f"{evidence.network}.md", _page(evidence).encode())
    _curves(scores).savefig(out / f"{evidence.network}.png", dpi=110)


def mean_over_attacks(evidence: Evidence) -> dict[str, float]:
    """Average the area under the ROC curve over all attacks, for each score by name."""
    titles = evidence.auroc[next(iter(ATTACKS))]
    return {title: float(np.mean([evidence.auroc[key][title].value for key in ATTACKS])) for title in titles}


def _page(evidence: Evidence) -> str:
    titles = sorted(mean_over_attacks(evidence), key=lambda title: -mean_over_attacks(evidence)[title])
    sections = [
        f"# Evidence, {evidence.network} network ({100 * evidence.accuracy:.1f} % of the test images right)",
        "Printed by `python -m fisherlens.models.fashion.study`. Intervals are of 95 %.",
        "## Area under the ROC curve",
        _table(evidence, evidence.auroc, titles, _area, mean_over_attacks(evidence)),
        "## Detected at 1 % false alarms, %",
        _table(evidence, evidence.at_1, titles, _percent, None),
        "## Detected at 5 % false alarms, %",
        _table(evidence, evidence.at_5, titles, _percent, None),
        "## Usual images flagged at alpha = 1 %",
        "\n".join(f"- {title}: {_percent(rate)} %" for title, rate in evidence.false_alarms.items()),
        "## An attacker who knows the check",
        _adaptive(evidence),
    ]
    return "\n\n".join(sections) + "\n"


def _table(
    evidence: Evidence,
    found: dict[str, dict[str, Figures]],
    titles: list[str],
    cell: Callable[[Figures], str],
    means: dict[str, float] | None,
) -> str:
    """Scores down, sets of images across."""
    keys = list(found)
    head = ["score", "cost", *(["mean over attacks"] if means else []), *(f"{k} ({evidence.counts[k]})" for k in keys)]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for title in titles:
        cells = [cell(found[key][title]) if title in found[key] else "" for key in keys]
        mean = [f"{means[title]:.3f}"] if means else []
        lines.append("| " + " | ".join([title, f"{evidence.costs[title]:.1f}", *mean, *cells]) + " |")
    return "\n".join(lines)


def _area(area: Auroc) -> str:
    return f"{area.value:.3f} ({area.low:.3f}–{area.high:.3f})"


def _percent(rate: Rate) -> str:
    return f"{100 * rate.value:.1f} ({100 * rate.low:.1f}–{100 * rate.high:.1f})"


def _adaptive(evidence: Evidence) -> str:
    lines = ["| largest change | " + " | ".join(next(iter(evidence.adaptive.values()))) + " |", "|---|---|---|---|"]
    for epsilon, rates in evidence.adaptive.items():
        lines.append(f"| {epsilon} | " + " | ".join(f"{_percent(rate)} %" for rate in rates.values()) + " |")
    return "\n".join(lines)


def _curves(scores: Scores) -> Figure:
    """One panel an attack; false alarms on a logarithmic axis."""
    figure = Figure(figsize=(13, 11), layout="constrained")
    panels = figure.subplots(3, 3, sharex=True, sharey=True).ravel()
    for axes, key in zip(panels, ATTACKS, strict=True):
        for title, usual in scores["usual"].items():
            labels = np.concatenate([np.zeros(len(usual)), np.ones(len(scores[key][title]))])
            alarms, hits, _ = roc_curve(labels, np.concatenate([usual, scores[key][title]]))
            wide = 2.5 if "combined" in title else 1.0
            axes.plot(np.maximum(alarms, 1e-3), hits, label=title, linewidth=wide)
        axes.set(title=key, xscale="log", xlim=(3e-3, 1), ylim=(0, 1.01))
        axes.grid(alpha=0.3)
    panels[0].legend(fontsize=7, loc="lower right")
    figure.supxlabel("false alarms, share of usual images")
    figure.supylabel("detected, share of attacked images")
    return figure
