"""`fisherlens demo`: an acceptance test of a simulated mammography system, scored and explained."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from fisherlens.edge import Runtime
from fisherlens.edge.commands.table import print_table
from fisherlens.edge.runtime import Image
from fisherlens.edge.verdict import Verdict

from . import BUNDLE
from .dicom import write_dicom
from .population import Acquisition, usual
from .report import write_report
from .unusual import attack, degraded, without_phantom

STREAM = "demo"
DOSES_UGY = (50.0, 70.0, 100.0, 140.0, 200.0)


@dataclass(frozen=True)
class Scene:
    """One image of the acceptance test, and what is really the matter with it. truth: threshold gold
    thickness in um [5], None where the image has none."""

    name: str
    description: str
    acquisition: Acquisition
    truth: NDArray[np.float64] | None
    attacked: bool = False

    def image(self) -> NDArray[np.uint16]:
        """Simulate it: uint16 [rows, columns]."""
        pixels = self.acquisition.image()
        return attack(BUNDLE)(pixels) if self.attacked else pixels


@dataclass(frozen=True)
class Scored:
    """A scene with its verdict, and the graph's image if there was one."""

    scene: Scene
    verdict: Verdict
    image: Image | None


@click.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo-report"),
    show_default=True,
    help="Folder for the DICOM files and the report.",
)
def demo(output: Path) -> None:
    """Simulate an acceptance test, score its images, and write a report.

    Usual acquisitions over a range of dose, a degraded detector, an adversarial perturbation, and an
    image that is no phantom at all.
    """
    start = time.perf_counter()
    images = output / "images"
    images.mkdir(parents=True, exist_ok=True)
    runtime = Runtime.open(BUNDLE)
    scenes = list(acceptance_test())
    scored = [_scored(runtime, scene, images) for scene in track(scenes, "simulate and score")]
    print_table([entry.verdict for entry in scored])
    report = write_report(output / "report.html", scored, runtime.bundle.manifest)
    click.echo(f"report: {report} ({time.perf_counter() - start:.0f} s)")


def acceptance_test() -> Iterator[Scene]:
    """The scenes of the demo."""
    for number, dose in enumerate(DOSES_UGY):
        taken = _with_dose(usual(number, STREAM), dose)
        yield Scene(f"usual-{dose:.0f}uGy", f"usual, {dose:.0f} µGy", taken, taken.thresholds)
    worn = degraded(_with_dose(usual(10, STREAM), 100.0))
    yield Scene("degraded", "degraded detector: blurred, noisy, 30 dead lines", worn, worn.thresholds)
    taken = _with_dose(usual(11, STREAM), 70.0)
    yield Scene("attacked", "usual, 70 µGy, with an adversarial perturbation", taken, taken.thresholds, attacked=True)
    empty = without_phantom(_with_dose(usual(12, STREAM), 100.0))
    yield Scene("no-phantom", "no phantom: the empty field", empty, None)


def _with_dose(taken: Acquisition, air_kerma: float) -> Acquisition:
    return replace(taken, exposure=replace(taken.exposure, air_kerma=air_kerma))


def _scored(runtime: Runtime, scene: Scene, folder: Path) -> Scored:
    path = folder / f"{scene.name}.dcm"
    write_dicom(path, scene.image(), scene.acquisition.exposure, scene.description)
    (result,) = runtime.examine_file(path, explain="always")
    return Scored(scene, *result)
