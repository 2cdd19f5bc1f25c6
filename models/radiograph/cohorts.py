"""Groups of patients: those like whom the networks have learned from, and others."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from . import CLASSES, dataset

ADULT = 18
"""Years of age."""
COLUMNS = ("file", "findings", "age")


@dataclass(frozen=True)
class Cohort:
    """Radiographs of a group of patients. images: float32 [n, 1, SIDE, SIDE] in [0, 1]; patients: whose, [n]."""

    name: str
    images: Tensor
    patients: NDArray


def hospital_children(part: dataset.Part) -> list[Cohort]:
    """Divide a part of the children's radiographs by class."""
    numbers = {name: part.taken(part.classes == number) for number, name in enumerate(CLASSES)}
    return [Cohort(f"the hospital's children, {name}", one.images, one.patients) for name, one in numbers.items()]


def others(folder: Path) -> list[Cohort]:
    """Read the radiographs of ChestX-ray14, by age and findings, and the mammograms. Raises DatasetMissing."""
    return [*chest_x_ray14(folder), _mammograms(folder)]


def chest_x_ray14(folder: Path) -> list[Cohort]:
    """Read the radiographs of ChestX-ray14, by age and findings. Raises DatasetMissing."""
    images, names = dataset.images_of(folder, "nih")
    rows = _table(folder / "nih.csv")
    missing = [name for name in names if name not in rows]
    if missing:
        raise dataset.DatasetMissing(f"{folder / 'nih.csv'}: no line for {missing[0]} ({len(missing)} have none)")
    patients = np.array([name.split("_")[0] for name in names])
    adult = np.array([_age(rows[name]) >= ADULT for name in names])
    clear = np.array([rows[name]["findings"] == "No Finding" for name in names])
    cohorts = {
        "adults, no finding": adult & clear,
        "adults, findings": adult & ~clear,
        "other children, no finding": ~adult & clear,
        "other children, findings": ~adult & ~clear,
    }
    return [Cohort(name, images[chosen], patients[chosen]) for name, chosen in cohorts.items() if chosen.any()]


def _table(path: Path) -> dict[str, dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            if not set(COLUMNS) <= set(reader.fieldnames or []):
                raise dataset.DatasetMissing(f"{path}: expected columns {', '.join(COLUMNS)}, age in years")
            return {row["file"]: row for row in reader}
    except OSError as error:
        raise dataset.DatasetMissing(
            f"{path}: {error.strerror}\n{dataset.MISSING.format(folder=path.parent)}"
        ) from error


def _age(row: dict[str, str]) -> float:
    try:
        return float(row["age"])
    except ValueError as error:
        raise dataset.DatasetMissing(f"nih.csv, {row['file']}: age {row['age']}, expected years") from error


def _mammograms(folder: Path) -> Cohort:
    """In mini-MIAS an odd and the next number are a patient's two breasts."""
    images, names = dataset.images_of(folder, "mammograms")
    numbers = [int(found[0]) if (found := re.search(r"\d+", name)) else 0 for name in names]
    return Cohort("mammograms", images, (np.array(numbers) + 1) // 2)
