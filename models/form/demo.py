"""`fisherlens demo form`: usual and unusual measurements of an asphere, scored and explained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.progress import track

from fisherlens.edge import Runtime
from fisherlens.edge.pages import inline, png, write_page
from fisherlens.edge.reading.arrays import as_npy
from fisherlens.edge.storage import write_whole
from fisherlens.edge.verdict import Verdict
from fisherlens.edge.verdict_table import print_table

from . import BUNDLE
from .cases import CASES
from .linear import REGULARISATION, LinearInverse, root_mean_square
from .population import Measurement
from .surface import HALF_WIDTH_MM, SIZE, within_aperture

USUAL = 2


@dataclass(frozen=True)
class ScoredMeasurement:
    """One measurement with its verdict. data: path differences as they were stored."""

    name: str
    measurement: Measurement
    data: NDArray[np.float32]
    verdict: Verdict


def run(output: Path) -> Path:
    """Simulate measurements, score them, and write a report, whose path is returned."""
    folder = output / "measurements"
    folder.mkdir(parents=True, exist_ok=True)
    runtime = Runtime.open(BUNDLE)
    wanted = [(name, make(number)) for name, make in CASES.items() for number in range(USUAL if name == "usual" else 1)]
    scored = []
    for i, (name, measurement) in enumerate(track(wanted, "simulate and score")):
        data = measurement.data()
        path = folder / f"{i}-{_file_name(name)}.npy"
        write_whole(path, as_npy(data[None]))  # one frame of nine samples
        (verdict,) = runtime.score_file(path, explain="always")
        scored.append(ScoredMeasurement(name, measurement, data, verdict))
    print_table([entry.verdict for entry in scored])
    return _write_report(output / "report.html", scored, runtime)


def _file_name(name: str) -> str:
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)


def _write_report(path: Path, scored: list[ScoredMeasurement], runtime: Runtime) -> Path:
    inverse = LinearInverse(REGULARISATION)
    manifest = runtime.bundle.manifest
    write_page(
        path,
        Path(__file__).with_name("report.html"),
        manifest=manifest,
        factor=manifest.coverage.factors[0] if manifest.coverage else float("nan"),
        bundle=scored[0].verdict.bundle,
        software=scored[0].verdict.software,
        scenes=[_scene(entry, inverse) for entry in scored],
    )
    return path


def _scene(entry: ScoredMeasurement, inverse: LinearInverse) -> dict[str, Any]:
    (result,) = entry.verdict.result_images
    inside = within_aperture()
    value, u = (np.frombuffer(data, "<f4").reshape(SIZE, SIZE).astype(float) for data in (result.value, result.u))
    truth = entry.measurement.truth
    error = value - truth
    return {
        "name": entry.name,
        "verdict": entry.verdict,
        "error": 1e3 * root_mean_square(error),
        "linear": 1e3 * root_mean_square(inverse.evaluate(entry.data) - truth),
        "covered": float(np.mean(np.abs(error[inside]) <= result.coverage_factor * u[inside])),
        "picture": inline(png(_panels(entry.verdict, value, u, error))),
    }


def _panels(verdict: Verdict, value: NDArray, u: NDArray, error: NDArray) -> Figure:
    figure = Figure(figsize=(13, 3.3), layout="constrained")
    value, u = (np.where(within_aperture(), image, np.nan) for image in (value, u))
    extent = (-HALF_WIDTH_MM, HALF_WIDTH_MM, HALF_WIDTH_MM, -HALF_WIDTH_MM)
    shown = (
        (value, "form deviation / µm", "RdBu_r", np.nanmax(np.abs(value))),
        (1e3 * u, "standard uncertainty / nm", "viridis", None),
        (1e3 * error, "error / nm", "RdBu_r", 1e3 * np.nanmax(np.abs(error))),
    )
    *panels, last = figure.subplots(1, 4)
    for axes, (image, title, colours, reach) in zip(panels, shown, strict=True):
        drawn = axes.imshow(image, cmap=colours, extent=extent, vmin=None if reach is None else -reach, vmax=reach)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("x / mm")
        figure.colorbar(drawn, ax=axes, shrink=0.8)
    assert verdict.map is not None
    codes = np.frombuffer(verdict.map.codes, np.uint8).reshape(verdict.map.rows, verdict.map.columns)
    last.imshow(codes, cmap="inferno", vmin=0, vmax=255)
    last.set_title("Fisher map, on the camera", fontsize=10)
    last.set_axis_off()
    return figure
