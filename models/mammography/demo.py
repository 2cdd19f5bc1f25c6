"""`fisherlens demo`: an acceptance test of a simulated mammography system, scored and explained."""

from __future__ import annotations

import time
from pathlib import Path

import click
from rich.progress import track

from fisherlens.edge import Runtime
from fisherlens.edge.commands.table import print_table

from . import BUNDLE
from .acceptance import Scene, Scored, acceptance_test
from .dicom import write_dicom
from .report import write_picture, write_report


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
    write_picture(output / "verdict.png", next(entry for entry in scored if entry.scene.attacked))
    click.echo(f"report: {report} ({time.perf_counter() - start:.0f} s)")


def _scored(runtime: Runtime, scene: Scene, folder: Path) -> Scored:
    path = folder / f"{scene.name}.dcm"
    write_dicom(path, scene.image(), scene.acquisition.exposure, scene.description)
    (result,) = runtime.examine_file(path, explain="always")
    return Scored(scene, *result)
