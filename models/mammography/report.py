"""The demo's report: one HTML file with everything in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fisherlens.edge.bundle.manifest import Manifest
from fisherlens.edge.maps.picture import as_png, overlay_picture
from fisherlens.edge.pages import inline, png, write_page
from fisherlens.edge.storage import write_whole
from fisherlens.edge.verdict import Verdict

from .acceptance import ScoredScene
from .conformity import conformity, decided
from .observer import DIAMETERS_MM, EUREF_ACCEPTABLE_UM, EUREF_ACHIEVABLE_UM


def write_report(path: Path, scored: list[ScoredScene], manifest: Manifest) -> Path:
    """Write the report and return its path. Every picture is inside the file."""
    write_page(
        path,
        Path(__file__).with_name("report.html"),
        manifest=manifest,
        bundle=scored[0].verdict.bundle,
        software=scored[0].verdict.software,
        overview=_overview(scored),
        scenes=[_scene(entry) for entry in scored],
    )
    return path


def _scene(entry: ScoredScene) -> dict[str, Any]:
    limits = conformity(entry.verdict.results) if entry.verdict.results else []
    shown = entry.image is not None and entry.verdict.map is not None
    return {
        "description": entry.scene.description,
        "verdict": entry.verdict,
        "curve": _curve(entry),
        "results": list(zip(entry.verdict.results, limits, strict=True)),
        "decided": decided(limits) if limits else None,
        "overlay": inline(as_png(overlay_picture(entry.verdict.map, entry.image, 384))) if shown else None,  # type: ignore[arg-type]
    }


def _overview(scored: list[ScoredScene]) -> str:
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    _limits(axes)
    for entry in scored:
        if entry.verdict.outcome == "accepted":
            _measured(axes, entry.verdict, label=entry.scene.description)
    axes.set_title("Accepted images")
    axes.legend(fontsize=8)
    return inline(png(figure))


def write_picture(path: Path, entry: ScoredScene) -> None:
    """Write one verdict as a PNG: the field with its map, and the curve with its uncertainty."""
    verdict = entry.verdict
    assert verdict.map is not None
    assert entry.image is not None
    figure = Figure(figsize=(9.6, 4.4), layout="constrained")
    field, curve = figure.subplots(1, 2, width_ratios=[1, 1.15])
    field.imshow(overlay_picture(verdict.map, entry.image, 512)[..., ::-1])
    field.set_axis_off()
    field.set_title(entry.scene.description, fontsize=10)
    _draw_curve(curve, entry)
    p_values = ", ".join(f"{check.name} p = {check.p_value:.2g}" for check in verdict.checks)
    figure.suptitle(f"{verdict.outcome}: {p_values}", fontsize=11)
    write_whole(path, png(figure))


def _curve(entry: ScoredScene) -> str:
    figure = Figure(figsize=(4.4, 3.4), layout="constrained")
    _draw_curve(figure.subplots(), entry)
    return inline(png(figure))


def _draw_curve(axes: Axes, entry: ScoredScene) -> None:
    _limits(axes)
    if entry.verdict.results:
        _measured(axes, entry.verdict, label="measured, U at 95 %", color="C0")
    if entry.scene.truth is not None:
        axes.plot(DIAMETERS_MM, entry.scene.truth, "kx", label="truth of the simulation")
    axes.legend(fontsize=7)


def _limits(axes: Axes) -> None:
    """The contrast-detail plane with the limits of the European guidelines."""
    axes.loglog(DIAMETERS_MM, EUREF_ACCEPTABLE_UM, "r--", lw=1, label="EUREF acceptable")
    axes.loglog(DIAMETERS_MM, EUREF_ACHIEVABLE_UM, "g--", lw=1, label="EUREF achievable")
    axes.set_xticks(DIAMETERS_MM, [f"{d:g}" for d in DIAMETERS_MM])
    axes.minorticks_off()
    axes.set_xlabel("disc diameter / mm")
    axes.set_ylabel("threshold gold thickness / µm")
    axes.grid(alpha=0.3)


def _measured(axes: Axes, verdict: Verdict, **style: Any) -> None:
    values = [result.value for result in verdict.results]
    expanded = [result.U for result in verdict.results]
    (line,) = axes.plot(DIAMETERS_MM, values, marker="o", ms=3, lw=1, **style)
    low, high = np.subtract(values, expanded), np.add(values, expanded)
    axes.fill_between(DIAMETERS_MM, low, high, color=line.get_color(), alpha=0.25, lw=0)
