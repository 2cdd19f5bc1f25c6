"""`fisherlens demo mammography`: an acceptance test of a simulated mammography system, scored and explained."""

from __future__ import annotations

from pathlib import Path

from rich.progress import track

from fisherlens.edge import Runtime
from fisherlens.edge.verdict_table import print_table

from . import BUNDLE
from .acceptance import Scene, ScoredScene, acceptance_test
from .dicom import write_dicom
from .report import write_picture, write_report


def run(output: Path) -> Path:
    """Simulate an acceptance test, score its images, and write a report, whose path is returned."""
    images = output / "images"
    images.mkdir(parents=True, exist_ok=True)
    runtime = Runtime.open(BUNDLE)
    scenes = list(acceptance_test())
    scored = [_scored(runtime, scene, images) for scene in track(scenes, "simulate and score")]
    print_table([entry.verdict for entry in scored])
    write_picture(output / "verdict.png", next(entry for entry in scored if entry.scene.attacked))
    return write_report(output / "report.html", scored, runtime.bundle.manifest)


def _scored(runtime: Runtime, scene: Scene, folder: Path) -> ScoredScene:
    path = folder / f"{scene.name}.dcm"
    taken = scene.acquisition
    write_dicom(path, scene.image(), taken.exposure, scene.description, taken.detector.pixel_spacing)
    (result,) = runtime.examine_file(path, explain="always")
    return ScoredScene(scene, *result)
