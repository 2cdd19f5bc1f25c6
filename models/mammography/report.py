"""The demo's report: one HTML file with everything in it."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import matplotlib

from fisherlens.edge.manifest import Manifest
from fisherlens.edge.picture import as_png, overlay_picture
from fisherlens.edge.storage import write_whole
from fisherlens.edge.verdict import Verdict

from .observer import DIAMETERS_MM, EUREF_ACCEPTABLE_UM, EUREF_ACHIEVABLE_UM

if TYPE_CHECKING:
    from .demo import Scored

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes


def write_report(path: Path, scored: list[Scored], manifest: Manifest) -> Path:
    """Write the report and return its path. Every picture is inside the file."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined
    )
    html = environment.get_template("report.html").render(
        manifest=manifest,
        bundle=scored[0].verdict.bundle,
        software=scored[0].verdict.software,
        overview=_overview(scored),
        scenes=[_scene(entry) for entry in scored],
    )
    write_whole(path, html.encode())
    return path


def _scene(entry: Scored) -> dict[str, Any]:
    shown = entry.image is not None and entry.verdict.map is not None
    return {
        "description": entry.scene.description,
        "verdict": entry.verdict,
        "curve": _curve(entry),
        "overlay": _inline(as_png(overlay_picture(entry.verdict.map, entry.image, 384))) if shown else None,  # type: ignore[arg-type]
    }


def _overview(scored: list[Scored]) -> str:
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    _limits(axes)
    for entry in scored:
        if entry.verdict.outcome == "accepted":
            _measured(axes, entry.verdict, label=entry.scene.description)
    axes.set_title("Accepted images")
    axes.legend(fontsize=8)
    return _drawn(figure)


def _curve(entry: Scored) -> str:
    figure, axes = plt.subplots(figsize=(4.4, 3.4), layout="constrained")
    _limits(axes)
    if entry.verdict.results:
        _measured(axes, entry.verdict, label="measured, U at 95 %", color="C0")
    if entry.scene.truth is not None:
        axes.plot(DIAMETERS_MM, entry.scene.truth, "kx", label="truth of the simulation")
    axes.legend(fontsize=7)
    return _drawn(figure)


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
    axes.errorbar(DIAMETERS_MM, values, yerr=expanded, marker="o", ms=3, lw=1, capsize=2, **style)


def _drawn(figure: Any) -> str:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    plt.close(figure)
    return _inline(buffer.getvalue())


def _inline(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
