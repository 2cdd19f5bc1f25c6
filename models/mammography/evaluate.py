"""The figures of the model card: `python -m fisherlens.models.mammography.evaluate`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from fisherlens.edge import Runtime
from fisherlens.edge.bundle import Bundle
from fisherlens.edge.bundle.manifest import Input
from fisherlens.edge.preprocess import preprocess, vouched
from fisherlens.edge.reading import Frame, open_image

from . import BUNDLE
from .detector import BITS_STORED, Detector
from .input import INPUT, image_reader
from .observer import DIAMETERS_MM
from .population import Acquisition, fields, usual
from .unusual import attack, degraded, without_phantom

STREAM = "evaluation"


@dataclass(frozen=True)
class Performance:
    """Results of a bundle on n usual images. flagged: bool [n]. covered: bool [n, 5], whether the
    truth is within value +- U. error: [n, 5], relative to the truth."""

    flagged: NDArray[np.bool_]
    covered: NDArray[np.bool_]
    error: NDArray[np.float64]


def study(bundle: Bundle, count: int, stream: str = STREAM) -> Performance:
    """Score `count` fresh usual fields."""
    assert bundle.manifest.coverage is not None
    factors = np.array(bundle.manifest.coverage.factors)
    flagged, covered, errors = [], [], []
    for field, truth in track(fields(stream, count), "usual images", count):
        outputs = bundle.run(image_reader(field)(), explain=False)
        difference = outputs["value"].astype(float) - truth
        flagged.append(bool(outputs["flagged"]))
        covered.append(np.abs(difference) <= factors * outputs["u"])
        errors.append(difference / truth)
    return Performance(np.array(flagged), np.array(covered), np.array(errors))


def unusual_fields(bundle: Path) -> dict[str, Callable[[int], NDArray[np.uint16]]]:
    """Functions that make the unusual field of a seed, by kind of unusual image."""
    perturb = attack(bundle)

    def made(change: Callable[[Acquisition], Acquisition]) -> Callable[[int], NDArray[np.uint16]]:
        return lambda seed: change(usual(seed, "unusual")).field()

    return {
        "degraded detector": made(degraded),
        "no phantom": made(without_phantom),
        "adversarial perturbation": lambda seed: perturb(usual(seed, "unusual").field()),
    }


def detected(bundle: Bundle, make: Callable[[int], NDArray[np.uint16]], count: int, name: str) -> float:
    """Share of `count` unusual fields that are flagged."""
    return float(
        np.mean([bundle.run(image_reader(make(i))(), explain=False)["flagged"] for i in track(range(count), name)])
    )


def disguised(path: Path) -> Frame:
    """A foreign radiograph as this detector would have stored it: resampled to its size, stretched to
    its bits, with its header. What the header alone would refuse is left to the checks."""
    original = open_image(path).frame(0)
    rows, columns = Detector().shape
    pixels = preprocess(Frame.of(original.pixels), Input(resize=(rows, columns)))[0, 0]
    low, high = pixels.min(), pixels.max()
    stretched = np.rint((pixels - low) / (high - low) * (2**BITS_STORED - 1)).astype(np.uint16)
    return vouched(stretched, INPUT)


def foreign(runtime: Runtime, folder: Path) -> Iterator[tuple[str, str]]:
    """Score radiographs of a folder, as they are and disguised: gives the name of each, and the outcome with its
    first reason."""
    for path in sorted(folder.glob("*.dcm")):
        (as_it_is,) = runtime.score_file(path)
        for label, verdict in ((path.name, as_it_is), (f"{path.name}, disguised", runtime.score(disguised(path)))):
            yield label, " ".join([verdict.outcome, *verdict.reasons[:1]])


@click.command()
@click.option("--bundle", type=click.Path(path_type=Path), default=BUNDLE, show_default="the shipped one")
@click.option("--images", default=2000, show_default=True, help="Fresh usual images.")
@click.option("--unusual", default=50, show_default=True, help="Images of each unusual kind.")
@click.option("--radiographs", type=click.Path(path_type=Path, exists=True), help="Folder of foreign radiographs.")
def main(bundle: Path, images: int, unusual: int, radiographs: Path | None) -> None:
    """Print false alarms, coverage, error and detection of a bundle on fresh simulated images."""
    runtime = Runtime.open(bundle)
    manifest = runtime.bundle.manifest
    console = Console(highlight=False)
    result = study(runtime.bundle, images)
    bound = manifest.alpha + 3 * np.sqrt(manifest.alpha * (1 - manifest.alpha) / images)
    console.print(
        f"{images} usual images: {100 * result.flagged.mean():.2f} % flagged "
        f"(alpha {100 * manifest.alpha:g} %, alpha + 3 standard errors {100 * bound:.2f} %)"
    )
    table = Table("diameter", "median relative error", "95 % intervals that cover")
    for diameter, error, covered in zip(DIAMETERS_MM, result.error.T, result.covered.T, strict=True):
        table.add_row(f"{diameter:.2f} mm", f"{100 * np.median(np.abs(error)):.1f} %", f"{100 * covered.mean():.1f} %")
    console.print(table)
    for name, make in unusual_fields(bundle).items():
        console.print(f"{name}: {100 * detected(runtime.bundle, make, unusual, name):.0f} % of {unusual} flagged")
    for name, outcome in foreign(runtime, radiographs) if radiographs else ():
        console.print(f"{name}: {outcome}")


if __name__ == "__main__":
    main()
