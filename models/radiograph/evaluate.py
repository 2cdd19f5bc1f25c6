"""The figures of the model card: `python -m fisherlens.models.radiograph.evaluate --data chest`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from fisherlens.edge.bundle import open_bundle
from fisherlens.edge.errors import BundleRefused
from fisherlens.edge.pages import png
from fisherlens.edge.storage import write_whole

from ..study.detection import Auroc
from . import BUNDLE, CLASSES, dataset
from .cohorts import hospital_children, others
from .intervals import CONFIDENCE, DRAWS, Estimate, bootstrapped, share
from .performance import (
    BINS,
    area_under_risk_coverage,
    brier_score,
    error_if_calibrated,
    expected_calibration_error,
    kept,
    patient_means,
)
from .picture import reliability_and_risk
from .readings import Readings, readings, together

COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.5)
"""Shares of images kept, at which the error is told."""

Row = tuple[str, str]


def by_patient(normal: Readings, ill: Readings) -> Iterator[Row]:
    """Figures of patients, each by the mean probability over the images."""
    of_normal, of_ill = (patient_means(found.probability, found.patients) for found in (normal, ill))
    right = np.concatenate([of_normal <= 0.5, of_ill > 0.5])
    each, counts = np.arange(len(right)), (len(of_normal), len(of_ill))

    def balanced(numbers: NDArray[np.int64]) -> float:
        chosen, are_ill = right[numbers], numbers >= counts[0]
        return float((chosen[~are_ill].mean() + chosen[are_ill].mean()) / 2)

    area = Auroc.of(of_normal, of_ill)
    yield "patients", f"{counts[0]} {CLASSES[0]}, {counts[1]} {CLASSES[1]}"
    yield "patients right", percent(share(right, each))
    yield "of those with pneumonia (sensitivity)", percent(share(right[counts[0] :], each[: counts[1]]))
    yield "of the normal (specificity)", percent(share(right[: counts[0]], each[: counts[0]]))
    yield "balanced accuracy", percent(bootstrapped(balanced, each))
    yield "area under the ROC curve", decimal(Estimate(area.value, area.low, area.high), 4)


def by_image(found: Readings, truth: NDArray[np.bool_]) -> Iterator[Row]:
    """Figures of single images."""
    confidence, right = found.confidence, found.ill == truth

    def over_patients(measure: Callable[..., float], *columns: NDArray) -> Estimate:
        return bootstrapped(lambda numbers: measure(*(column[numbers] for column in columns)), found.patients)

    yield "images", str(len(right))
    yield "images right", percent(share(right, found.patients))
    yield "mean confidence", percent(mean_confidence(found))
    yield "expected calibration error", decimal(over_patients(expected_calibration_error, confidence, right), 4)
    yield "the same, if they were calibrated", f"{error_if_calibrated(confidence):.4f}"
    yield "Brier score", decimal(over_patients(brier_score, found.probability, truth), 4)
    yield "area under the risk-coverage curve", decimal(over_patients(area_under_risk_coverage, confidence, ~right), 4)


def selective(found: Readings, truth: NDArray[np.bool_]) -> Table:
    """Tabulate the error against the share of images kept."""
    table = Table("kept", "images", "confidence at least", "wrong of the kept")
    wrong = found.ill != truth
    chosen = {f"{100 * coverage:.0f} %": kept(found.confidence, coverage) for coverage in COVERAGES}
    for name, mask in {**chosen, "not flagged": ~found.flagged, "flagged": found.flagged}.items():
        if mask.any():
            least = f"{found.confidence[mask].min():.3f}"
            table.add_row(name, str(mask.sum()), least, percent(share(wrong[mask], found.patients[mask])))
    return table


def told_of(cohorts: dict[str, Readings]) -> Table:
    """Tabulate what each cohort is called, and what the checks say of it."""
    checks = next(iter(cohorts.values())).by_check
    table = Table(
        "", "images (patients)", "called ill", "mean confidence", "flagged", "called ill, not flagged", *checks
    )
    for name, found in cohorts.items():
        rates = [found.ill, found.flagged, found.ill & ~found.flagged, *found.by_check.values()]
        ill, *flagged = (percent(share(hits, found.patients)) for hits in rates)
        count = f"{len(found.ill)} ({len(np.unique(found.patients))})"
        table.add_row(name, count, ill, decimal(mean_confidence(found), 2), *flagged)
    return table


def mean_confidence(found: Readings) -> Estimate:
    """Estimate the mean confidence over a cohort's images."""
    return bootstrapped(lambda numbers: float(found.confidence[numbers].mean()), found.patients)


def false_alarms(found: Readings) -> Iterator[Row]:
    """Shares of usual images, and of their patients, that are flagged. Alpha is promised of one image of a patient,
    drawn at random: on average over the draws that is the patients' mean share."""
    shares = patient_means(found.flagged, found.patients)
    yield "images flagged", percent(share(found.flagged, found.patients))
    yield (
        "one image a patient, drawn at random",
        percent(bootstrapped(lambda numbers: float(shares[numbers].mean()), np.arange(len(shares)))),
    )
    yield "patients with any image flagged", percent(share(shares > 0, np.arange(len(shares))))


def percent(found: Estimate) -> str:
    """Write a share in percent, with its interval."""
    return f"{100 * found.value:.1f} % ({100 * found.low:.1f}–{100 * found.high:.1f})"


def decimal(found: Estimate, places: int) -> str:
    """Write a figure with its interval."""
    return f"{found.value:.{places}f} ({found.low:.{places}f}–{found.high:.{places}f})"


def table_of(title: str, rows: Iterator[Row]) -> Table:
    """Tabulate named figures."""
    table = Table(title, "")
    for row in rows:
        table.add_row(*row)
    return table


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder of the radiographs.")
@click.option("--bundle", type=click.Path(path_type=Path), default=BUNDLE, show_default="the shipped one")
@click.option("--picture", type=click.Path(path_type=Path), help="File for reliability and selective risk, PNG.")
def main(data: Path, bundle: Path, picture: Path | None) -> None:
    """Print what a bundle does on patients that nothing has seen, and on others than it was made for."""
    try:
        cohorts = [*hospital_children(dataset.part(data, "evaluation")), *others(data)]
        opened = open_bundle(bundle)
    except (dataset.DatasetMissing, BundleRefused) as error:
        raise click.ClickException(str(error)) from error
    found = {cohort.name: readings(opened, cohort) for cohort in cohorts}
    normal, ill = list(found.values())[: len(CLASSES)]
    usual, truth = together([normal, ill]), np.repeat([False, True], [len(normal.ill), len(ill.ill)])
    console = Console(highlight=False, width=190)
    console.print(table_of("by patient, mean probability over the images", by_patient(normal, ill)))
    console.print(table_of("by image", by_image(usual, truth)))
    console.print(selective(usual, truth))
    console.print(table_of(f"usual, alpha {100 * opened.manifest.alpha:g} %", false_alarms(usual)))
    console.print(told_of(found))
    console.print(
        f"Intervals of {100 * CONFIDENCE:.0f} %: of shares Clopper-Pearson with as many independent images as patients "
        f"show, of the ROC area Hanley-McNeil, else percentiles of {DRAWS} bootstrap samples of patients. Calibration "
        f"error over {len(BINS) - 1} bins of confidence, equally wide from {BINS[0]:g} to {BINS[-1]:g}."
    )
    if picture:
        write_whole(picture, png(reliability_and_risk(usual, truth)))


if __name__ == "__main__":
    main()
