"""The protocol's result: a JSON file for machines and a page for people, with everything in it."""

from __future__ import annotations

import json
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from fisherlens.edge.maps.picture import as_png, overlay_picture
from fisherlens.edge.pages import inline, png, write_page
from fisherlens.edge.reading import open_image
from fisherlens.edge.storage import write_whole

from .audit import SILENT_ERROR
from .evidence import Criterion, Evidence, Example

RESULT, PAGE = "result.json", "report.html"
_MATRIX = "fault matrix"
_MOST_EXAMPLES = 9
_CHARTED_WIDTHS = 4.0
"""How many expanded uncertainties of usual days the control chart shows; what lies beyond is told by its value."""


def write_reports(out: Path, evidence: Evidence) -> None:
    """Write RESULT and PAGE into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    told = {**evidence.identity, **_about_this_run()}
    failed = [criterion for criterion in evidence.criteria if not criterion.passed]
    passed = bool(evidence.criteria) and not failed
    result = {"passed": passed, "identity": told, **evidence.as_json()}
    write_whole(out / RESULT, json.dumps(result, indent=1, default=float).encode())
    parts = dict.fromkeys(c.part for c in evidence.criteria if c.part.startswith(_MATRIX))
    write_page(
        out / PAGE,
        Path(__file__).with_name(PAGE),
        passed=passed,
        identity=told,
        criteria=evidence.criteria,
        failed=failed,
        not_tested=evidence.not_tested,
        matrices=[_matrix(part, evidence.criteria) for part in parts],
        control_chart=_control_chart(evidence) if evidence.days else None,
        histogram=_histogram(evidence) if evidence.latencies else None,
        examples=[_example(example) for example in evidence.examples[-_MOST_EXAMPLES:]],
        silent=f"{SILENT_ERROR:g}",
    )


def _about_this_run() -> dict[str, str]:
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "software of the rig": f"fisherlens {version('fisherlens')}, labgrid {version('labgrid')}",
        "rig": f"{platform.node()}, {platform.platform()}",
    }


def _matrix(part: str, criteria: list[Criterion]) -> dict[str, Any]:
    """Faults by criteria, of one part."""
    own = [criterion for criterion in criteria if criterion.part == part]
    columns = list(dict.fromkeys(criterion.name for criterion in own))
    cells = {(criterion.subject, criterion.name): criterion for criterion in own}
    subjects = dict.fromkeys(criterion.subject for criterion in own)
    rows = [(subject, [cells.get((subject, name)) for name in columns]) for subject in subjects]
    return {"part": part, "columns": columns, "rows": rows}


def _control_chart(evidence: Evidence) -> str:
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    axes = figure.subplots()
    usual = [day for day in evidence.days if day.condition == "usual"]
    mean = float(np.mean([day.value for day in usual]))
    width = float(np.mean([day.U for day in usual]))
    for level, style in ((mean, "-"), (mean - width, "--"), (mean + width, "--")):
        axes.axhline(level, color="0.5", lw=1, ls=style)
    for outcome, colour in (("accepted", "C0"), ("flagged", "C1")):
        days = [day for day in evidence.days if day.outcome == outcome]
        axes.errorbar([d.day for d in days], [d.value for d in days], [d.U for d in days], fmt="o", ms=4, capsize=2,
                      color=colour, label=outcome)  # fmt: skip
    low, high = mean - _CHARTED_WIDTHS * width, mean + _CHARTED_WIDTHS * width
    for day in evidence.days:
        if not low <= day.value <= high:
            edge = high if day.value > high else low
            axes.annotate(f" {day.value:.3g} ", (day.day, edge), ha="center", rotation=90, color="C1",
                          va="top" if edge == high else "bottom")  # fmt: skip
    axes.set_ylim(low, high)
    axes.set_xlabel("day")
    axes.set_ylabel(evidence.measurand)
    axes.legend()
    return inline(png(figure))


def _histogram(evidence: Evidence) -> str:
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.hist(1e3 * np.array(evidence.latencies), bins=40)
    for percentile in (50, 95, 99):
        where = 1e3 * float(np.percentile(evidence.latencies, percentile))
        axes.axvline(where, color="0.4", lw=1, ls=":")
        axes.text(where, axes.get_ylim()[1], f" {percentile} %", va="bottom", ha="center", fontsize=8, rotation=90)
    if evidence.deadline is not None:
        axes.axvline(1e3 * evidence.deadline, color="C3", label="deadline")
        axes.legend()
    axes.set_xlabel("latency / ms")
    axes.set_ylabel("frames")
    return inline(png(figure))


def _example(example: Example) -> dict[str, Any]:
    picture = None
    if example.verdict.map is not None:
        image = open_image(example.frame.path).frame(0).pixels
        picture = inline(as_png(overlay_picture(example.verdict.map, _middle(image, example), 384)))
    return {
        "description": example.frame.description,
        "outcome": example.verdict.outcome,
        "reasons": "; ".join(example.verdict.reasons),
        "picture": picture,
    }


def _middle(image: np.ndarray, example: Example) -> np.ndarray:
    """The part in the middle that the map is of, as the graph's image [1, 1, rows, columns]."""
    assert example.verdict.map is not None
    shape = example.verdict.map.rows * example.verdict.map.cell, example.verdict.map.columns * example.verdict.map.cell
    top, left = ((size - wanted) // 2 for size, wanted in zip(image.shape, shape, strict=False))
    part = image[top : top + shape[0], left : left + shape[1]].astype(np.float32)
    return part[None, None]
