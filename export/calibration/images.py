"""Running usual images through a graph, and what the checks learn from it."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from fisherlens.edge.bundle import open_session
from fisherlens.edge.bundle.manifest import Input, Measurand
from fisherlens.edge.errors import ImageRefused
from fisherlens.edge.preprocess import preprocess
from fisherlens.edge.reading import Header, open_image

from ..errors import CalibrationError

Images = Sequence[Callable[[], NDArray[np.float32]]]
"""Calibration images [1, C, H, W], each read when it is called: they need not fit into memory."""


@dataclass(frozen=True)
class Folder:
    """A folder of calibration images, one frame a file, in the order of their names."""

    paths: list[Path]
    header: Header

    @classmethod
    def open(cls, folder: Path) -> Folder:
        """List the files of a folder and read their headers.

        Raises CalibrationError for a folder that is missing or empty, a file that is no image or
        holds several frames, and files that differ in modality, size or bits.
        """
        if not folder.is_dir():
            raise CalibrationError(f"calibration images {folder}: no such folder")
        paths = sorted(path for path in folder.iterdir() if path.suffix != ".csv" and not path.name.startswith("."))
        if not paths:
            raise CalibrationError(f"calibration images {folder}: the folder is empty, expected images")
        first = _header(paths[0])
        for path in paths[1:]:
            header = _header(path)
            if header != first:
                raise CalibrationError(f"{path}: {header} differs from {paths[0].name}: {first}. Expected one kind.")
        return cls(paths, first)

    def images(self, expected: Input) -> Images:
        """The graph's images."""
        return [_reader(path, expected) for path in self.paths]

    def accepted(self) -> Input:
        """What a frame must be to be like these: the manifest's default."""
        header = self.header
        return Input(
            modality=header.modality,
            rows=header.rows,
            columns=header.columns,
            bits_stored=header.bits_stored,
            samples_per_pixel=header.samples_per_pixel,
            photometric_interpretation=_monochrome(header),
        )


def _monochrome(header: Header):  # type: ignore[no-untyped-def]
    kind = header.photometric_interpretation
    return kind if kind in ("MONOCHROME1", "MONOCHROME2") else None


def _header(path: Path) -> Header:
    try:
        header = open_image(path).header
    except ImageRefused as refusal:
        raise CalibrationError(f"calibration image {path}: {refusal}. Remove or replace the file.") from refusal
    if header.frames != 1:
        raise CalibrationError(f"calibration image {path}: {header.frames} frames, expected one. Split the file.")
    return header


def _reader(path: Path, expected: Input) -> Callable[[], NDArray[np.float32]]:
    def read() -> NDArray[np.float32]:
        try:
            return preprocess(open_image(path).frame(0), expected)
        except ImageRefused as refusal:
            raise CalibrationError(f"calibration image {path}: {refusal}. Remove or replace the file.") from refusal

    return read


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


def collect(
    model: ir.Model, images: Images, progress: Callable[[Iterable], Iterable]
) -> dict[str, NDArray[np.float32]]:
    """All outputs of a graph over all images, stacked along a new first axis."""
    session = open_session(ir.to_proto(model).SerializeToString())
    names = [output.name for output in session.get_outputs()]
    rows = [session.run(names, {"image": read()}) for read in progress(images)]
    return {name: np.stack(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def fit_temperature(logits: NDArray[np.float32], classes: NDArray[np.int64]) -> float:
    """The temperature of least cross-entropy (Guo et al. 2017, section 4.2), from the members' logits
    [n, M, K], whose probabilities are averaged, and true class indices [n]; by golden section over its
    logarithm."""
    z = logits.astype(np.float64)
    rows = np.arange(len(z))

    def cross_entropy(log_temperature: float) -> float:
        scaled = z / np.exp(log_temperature)
        scaled -= scaled.max(axis=2, keepdims=True)
        of_class = np.exp(scaled[rows, :, classes]) / np.exp(scaled).sum(axis=2)
        return float(-np.mean(np.log(np.maximum(of_class.mean(axis=1), 1e-300))))

    low, high, golden = np.log(0.05), np.log(20.0), (np.sqrt(5.0) - 1) / 2
    for _ in range(60):
        left, right = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, right) if cross_entropy(left) < cross_entropy(right) else (left, high)
    return float(np.exp((low + high) / 2))
