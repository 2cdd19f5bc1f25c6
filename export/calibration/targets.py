"""Known values of the calibration images."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fisherlens.edge.bundle.manifest import Measurand

from ..errors import CalibrationError


@dataclass(frozen=True)
class Targets:
    """Known values of the calibration images: float64 [n, D], or [n, D, h, w] for images of values, or class
    indices int64 [n]. NaN where nothing is known of a pixel: it takes no part."""

    measurands: tuple[Measurand, ...]
    values: NDArray


def read_targets(path: Path, images: Sequence[Path]) -> Targets:
    """Known values from a CSV file with a column `file` and a column for each measurand, headed
    `name [unit]` (unit "1" if left out), or one column `class`; or, for images of values, from a folder
    with a sub-folder for each measurand, named so, of .npy files [h, w] named like the images.

    Raises CalibrationError naming the file and line.
    """
    if path.is_dir():
        return _target_images(path, images)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns = [name for name in reader.fieldnames or [] if name != "file"]
            rows = {row["file"]: row for row in reader} if "file" in (reader.fieldnames or []) else None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CalibrationError(f"targets {path}: {error}") from error
    if rows is None or not columns:
        raise CalibrationError(f"targets {path}: expected a column `file` and one for each measurand, or `class`")
    missing = [image.name for image in images if image.name not in rows]
    if missing:
        raise CalibrationError(f"targets {path}: no line for {missing[0]} ({len(missing)} images have none)")
    values = [[_number(path, rows[image.name], column) for column in columns] for image in images]
    if columns == ["class"]:
        return Targets((), np.array(values, dtype=np.int64)[:, 0])
    return Targets(tuple(_measurand(column) for column in columns), np.array(values))


def _target_images(folder: Path, images: Sequence[Path]) -> Targets:
    measurands = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    if not measurands:
        raise CalibrationError(f"targets {folder}: no sub-folder, expected one for each measurand, `name [unit]`")
    values: list[NDArray[np.float64]] = []
    for image in images:
        arrays = [_target_image(entry / f"{image.stem}.npy") for entry in measurands]
        shapes = [array.shape for array in (*arrays, *(values[0] if values else ()))]
        if len(set(shapes)) > 1:
            raise CalibrationError(f"targets for {image.name} have shapes {shapes}, expected one shape for all images")
        values.append(np.stack(arrays))
    return Targets(tuple(_measurand(entry.name) for entry in measurands), np.stack(values))


def _target_image(path: Path) -> NDArray[np.float64]:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise CalibrationError(f"targets {path}: {error}") from error
    if array.ndim != 2 or array.dtype.kind not in "iuf" or not np.isfinite(array).any():
        raise CalibrationError(
            f"targets {path}: {array.dtype} {array.shape}, expected numbers [h, w], NaN only where nothing is known"
        )
    return array.astype(np.float64)


def _number(path: Path, row: dict[str, str], column: str) -> float:
    try:
        number = float(row[column])
    except (TypeError, ValueError):
        number = float("nan")
    if not np.isfinite(number):
        raise CalibrationError(f"targets {path}: {row['file']}, column {column}: {row[column]!r}, expected a number")
    return number


def _measurand(column: str) -> Measurand:
    match = re.fullmatch(r"(.*?)\s*(?:\[(.+)\])?\s*", column)
    assert match
    return Measurand(name=match[1], unit=match[2] or "1")
