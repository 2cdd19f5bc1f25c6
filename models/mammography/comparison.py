"""The networks on one image against the conventional procedure on up to sixteen:
`python -m fisherlens.models.mammography.comparison`.

Both read the same simulated images of systems that neither has seen, and are compared in the spread of
repeated readings of one system (repeatability, VIM 2.21) and in their errors over all systems. The
procedure's thresholds are first converted to those of the reference observer by a power law for each
diameter, as the European procedure converts a program's to human readers' (Young et al. 2008, Proc.
IWDM, LNCS 5116); the laws are fitted on systems of the networks' own population.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path

import click
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.progress import track

from fisherlens.edge.bundle import Bundle, open_bundle
from fisherlens.edge.pages import png
from fisherlens.edge.storage import write_whole

from . import BUNDLE
from .acquisition import acquire
from .input import image_reader
from .observer import DIAMETERS_MM, EUREF_ACCEPTABLE_UM, EUREF_ACHIEVABLE_UM
from .phantom import PLATE_MM, Region
from .population import Acquisition, usual
from .procedure.contrast_detail import contrast_detail_curve
from .procedure.reading import Decisions, read
from .systems import DOSES_UGY, SYSTEMS, repeated

GROUPS = (1, 4, 8, 16)
"""Images that the procedure may use for one reading."""
CONVERSION_IMAGES = 4


@dataclass(frozen=True)
class Reading:
    """One image as the networks and the procedure read it. truth, value, U: um [5]; value and U are the networks'."""

    system: str
    air_kerma: float
    decisions: Decisions
    truth: NDArray[np.float64]
    value: NDArray[np.float64]
    U: NDArray[np.float64]
    flagged: bool


@dataclass(frozen=True)
class PlannedImage:
    """One image that is to be made and read, with the name of its system."""

    system: str
    acquisition: Acquisition


def plate(acquisition: Acquisition) -> Region:
    """The part of the detector that the phantom's plate may cover."""
    rows, columns = acquisition.detector.shape
    height, width = (round((side + 8.0) / acquisition.detector.pixel_spacing) // 2 * 2 for side in PLATE_MM)
    height, width = min(height, rows), min(width, columns)
    return Region((rows - height) // 2, (columns - width) // 2, height, width)


def readings(images: list[PlannedImage], bundle: Path, label: str) -> Iterator[Reading]:
    """Make and read images, in order, in one process a core."""
    with ProcessPoolExecutor(initializer=_open, initargs=(bundle,)) as pool:
        yield from track(pool.map(_read, images), label, len(images))


_opened: Bundle


def _open(bundle: Path) -> None:
    global _opened
    _opened = open_bundle(bundle, threads=1)


def _read(image: PlannedImage) -> Reading:
    acquisition = image.acquisition
    spacing = acquisition.detector.pixel_spacing
    pixels = acquire(
        acquisition.phantom, acquisition.exposure, acquisition.detector, acquisition.rng, plate(acquisition)
    )
    assert acquisition.phantom is not None
    outputs = _opened.run(image_reader(pixels)(), explain=False)
    assert _opened.manifest.coverage is not None
    return Reading(
        system=image.system,
        air_kerma=acquisition.exposure.air_kerma,
        decisions=read(pixels, spacing, acquisition.phantom),
        truth=acquisition.thresholds,
        value=outputs["value"].astype(float),
        U=np.array(_opened.manifest.coverage.factors) * outputs["u"],
        flagged=bool(outputs["flagged"]),
    )


@dataclass(frozen=True)
class Conversion:
    """A conversion of the procedure's thresholds to the reference observer's: ln T = a + n ln T_procedure, for each
    diameter. coefficients: float64 [5, 2], a and n."""

    coefficients: NDArray[np.float64]

    @classmethod
    def fitted(cls, found: NDArray[np.float64], truth: NDArray[np.float64]) -> Conversion:
        """Fit by least squares on thresholds in um, [systems, 5] each."""
        logs = np.log(found), np.log(truth)
        return cls(np.array([np.polyfit(x, y, 1)[::-1] for x, y in zip(logs[0].T, logs[1].T, strict=True)]))

    def __call__(self, thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
        offset, slope = self.coefficients.T
        return np.exp(offset + slope * np.log(thresholds))


def conversion_images(systems: int) -> list[PlannedImage]:
    """Images of systems of the networks' population, CONVERSION_IMAGES each."""
    return [
        PlannedImage(
            str(number), Acquisition(taken.phantom, taken.exposure, taken.detector, np.random.default_rng([number, i]))
        )
        for number in range(systems)
        for taken in [usual(number, "conversion")]
        for i in range(CONVERSION_IMAGES)
    ]


def pooled(group: list[Reading]) -> NDArray[np.float64]:
    """Thresholds that the procedure reads off several images of one system: um [5]."""
    return contrast_detail_curve(reduce(add, (reading.decisions for reading in group)), DIAMETERS_MM)


def grouped(readings: list[Reading], size: int) -> list[list[Reading]]:
    """Split images of one system into groups of `size` that share none."""
    return [readings[i : i + size] for i in range(0, len(readings) - size + 1, size)]


@dataclass(frozen=True)
class Precision:
    """Precision of one method over all systems, relative, [5] each. repeatability: standard deviation of repeated
    readings of a system, pooled over systems. error: root mean square deviation from the truth."""

    name: str
    repeatability: NDArray[np.float64]
    error: NDArray[np.float64]


def precision(name: str, by_system: list[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> Precision:
    """Precision of a method by each system's readings and truths, [n, 5] each, in um."""
    logs = [np.log(values) for values, _ in by_system]
    squares = sum(((log - log.mean(axis=0)) ** 2).sum(axis=0) for log in logs)
    freedom = sum(len(log) - 1 for log in logs)
    errors = np.concatenate([np.log(values / truth) for values, truth in by_system])
    return Precision(name, np.sqrt(squares / freedom), np.sqrt(np.mean(errors**2, axis=0)))


Systems = dict[tuple[str, float], list[Reading]]


def compared(systems: Systems, convert: Conversion) -> list[Precision]:
    """Precision of the networks on one image, and of the procedure on each of GROUPS."""
    rows = [
        precision(
            "networks, 1 image",
            [(np.array([r.value for r in group]), np.array([r.truth for r in group])) for group in systems.values()],
        )
    ]
    for size in GROUPS:
        by_system = []
        for group in systems.values():
            groups = grouped(group, size)
            values = np.array([convert(pooled(images)) for images in groups])
            by_system.append((values, np.array([images[0].truth for images in groups])))
        rows.append(precision(f"procedure, {size} image{'s' if size > 1 else ''}", by_system))
    return rows


def as_markdown(systems: Systems, rows: list[Precision]) -> str:
    """Write out the tables of the comparison."""
    images = sum(map(len, systems.values()))
    header = f"| | {' | '.join(f'{d:g} mm' for d in DIAMETERS_MM)} |\n|---|{'---|' * len(DIAMETERS_MM)}\n"
    lines = [
        "# One image against sixteen\n",
        f"Printed by `python -m fisherlens.models.mammography.comparison`: {images} simulated images of "
        f"{len(systems)} systems that the networks have not seen (`systems.py`).\n",
        "Repeatability: relative standard deviation of repeated readings of one system, pooled over systems.\n",
        header + "".join(_row(row.name, row.repeatability) for row in rows),
        "Error: root mean square relative deviation from the truth over all systems; the procedure's thresholds are "
        "converted to the reference observer's.\n",
        header + "".join(_row(row.name, row.error) for row in rows),
        "Share of 95 % intervals of the networks that cover the truth, and of images that are flagged (alpha 1 %):\n",
        f"| | {' | '.join(f'{d:g} mm' for d in DIAMETERS_MM)} | flagged |\n|---|{'---|' * (len(DIAMETERS_MM) + 1)}\n"
        + "".join(_coverage_row(name, systems) for name in [*SYSTEMS, "all"]),
    ]
    return "\n".join(lines)


def _row(name: str, relative: NDArray[np.float64]) -> str:
    return f"| {name} | {' | '.join(f'{100 * value:.1f} %' for value in relative)} |\n"


def _coverage_row(name: str, systems: Systems) -> str:
    readings = [r for (system, _), group in systems.items() for r in group if name in (system, "all")]
    covered = np.mean([np.abs(r.value - r.truth) <= r.U for r in readings], axis=0)
    cells = [f"{100 * share:.1f} %" for share in (*covered, np.mean([r.flagged for r in readings]))]
    return f"| {name} | {' | '.join(cells)} |\n"


def picture(systems: Systems, rows: list[Precision], convert: Conversion) -> Figure:
    """Draw contrast-detail curves of every kind of system at the middle dose, and the repeatabilities."""
    figure = Figure(figsize=(13, 8), layout="constrained")
    panels = figure.subplots(2, 3).ravel()
    for axes, system in zip(panels, SYSTEMS, strict=False):
        group = systems[system, DOSES_UGY[1]]
        first, largest = group[0], grouped(group, GROUPS[-1])[0]
        axes.loglog(DIAMETERS_MM, EUREF_ACCEPTABLE_UM, "r--", lw=1, label="EUREF acceptable")
        axes.loglog(DIAMETERS_MM, EUREF_ACHIEVABLE_UM, "g--", lw=1, label="EUREF achievable")
        axes.plot(DIAMETERS_MM, first.value, "C0-", lw=1.2, label="networks, 1 image, U at 95 %")
        axes.fill_between(DIAMETERS_MM, first.value - first.U, first.value + first.U, color="C0", alpha=0.3, lw=0)
        axes.plot(DIAMETERS_MM, convert(pooled(group[:1])), "C1^", ms=5, label="procedure, 1 image")
        axes.plot(DIAMETERS_MM, convert(pooled(largest)), "C3s", ms=4, mfc="none", label="procedure, 16 images")
        axes.plot(DIAMETERS_MM, first.truth, "kx", label="truth")
        axes.set_xticks(DIAMETERS_MM, [f"{d:g}" for d in DIAMETERS_MM])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.set_title(f"{system}, {DOSES_UGY[1]:.0f} µGy", fontsize=10)
        axes.set_xlabel("disc diameter / mm")
        axes.set_ylabel("threshold gold thickness / µm")
    panels[0].legend(fontsize=7)
    for row in rows:
        panels[-1].semilogy(range(len(DIAMETERS_MM)), 100 * row.repeatability, "o-", ms=4, label=row.name)
    panels[-1].set_xticks(range(len(DIAMETERS_MM)), [f"{d:g}" for d in DIAMETERS_MM])
    panels[-1].set_xlabel("disc diameter / mm")
    panels[-1].set_ylabel("repeatability / %")
    panels[-1].grid(alpha=0.3, which="both")
    panels[-1].legend(fontsize=7)
    return figure


@click.command()
@click.option("--bundle", type=click.Path(path_type=Path), default=BUNDLE, show_default="the shipped one")
@click.option("--images", default=32, show_default=True, help="Images of each system at each dose.")
@click.option("--conversion", default=24, show_default=True, help="Systems that the conversion is fitted on.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the table and the picture.")
def main(bundle: Path, images: int, conversion: int, out: Path) -> None:
    """Compare the networks on one image with the conventional procedure (20 minutes on two cores)."""
    if images < GROUPS[-1]:
        raise click.UsageError(f"--images {images}: expected at least {GROUPS[-1]}, the procedure's largest group")
    out.mkdir(parents=True, exist_ok=True)
    known = list(readings(conversion_images(conversion), bundle, "conversion"))
    own = grouped(known, CONVERSION_IMAGES)
    convert = Conversion.fitted(np.array([pooled(group) for group in own]), np.array([group[0].truth for group in own]))
    wanted = [PlannedImage(name, one) for name in SYSTEMS for dose in DOSES_UGY for one in repeated(name, dose, images)]
    systems: Systems = {}
    for reading in readings(wanted, bundle, "systems not seen"):
        systems.setdefault((reading.system, reading.air_kerma), []).append(reading)
    rows = compared(systems, convert)
    text = as_markdown(systems, rows)
    print(text)
    write_whole(out / "comparison.md", text.encode())
    write_whole(out / "comparison.png", png(picture(systems, rows, convert)))


if __name__ == "__main__":
    main()
