"""The evidence on paper: tables as Markdown, ROC curves as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import roc_curve

from fisherlens.edge.storage import write_whole

from .attacks import ATTACKS
from .detection import Auroc, Rate

if TYPE_CHECKING:
    from .study import Evidence, Scores


def write_evidence(evidence: Evidence, scores: Scores, out: Path) -> None:
    """NAME.md and NAME.png in the folder."""
    write_whole(out / f"{evidence.network}.md", _page(evidence).encode())
    figure = _curves(scores)
    figure.savefig(out / f"{evidence.network}.png", dpi=110)


def mean_over_attacks(evidence: Evidence) -> dict[str, float]:
    """Mean AUROC of each score over all attacks."""
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


def _table(evidence, found, titles, cell, means) -> str:  # type: ignore[no-untyped-def]
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
