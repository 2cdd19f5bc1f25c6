"""Calibration images: a folder of them, read one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fisherlens.edge.bundle.manifest import Input
from fisherlens.edge.errors import ImageRefused
from fisherlens.edge.preprocess import preprocess
from fisherlens.edge.reading import Header, open_image

from ..errors import CalibrationError
from ..progress import Progress

Images = Sequence[Callable[[], NDArray[np.float32]]]
"""Calibration images [1, C, H, W], each read when it is called: they need not fit into memory."""


FITTING, COUNTING = slice(0, None, 2), slice(1, None, 2)
"""Every other calibration image fits what is usual; the others count for the p-values."""


@dataclass(frozen=True)
class Folder:
    """A folder of calibration images, one frame a file, in the order of their names, and what each says of itself."""

    paths: list[Path]
    headers: list[Header]

    @classmethod
    def open(cls, folder: Path, progress: Progress = lambda items, label: items) -> Folder:
        """List the files of a folder and read the header of each, once.

        Raises CalibrationError for a folder that is missing or empty, and a file that is no image or holds several
        frames.
        """
        if not folder.is_dir():
            raise CalibrationError(f"calibration images {folder}: no such folder")
        paths = sorted(path for path in folder.iterdir() if path.suffix != ".csv" and not path.name.startswith("."))
        if not paths:
            raise CalibrationError(f"calibration images {folder}: the folder is empty, expected images")
        return cls(paths, [_header(path) for path in progress(paths, "read headers")])

    def images(self, expected: Input) -> Images:
        """Readers of the graph's images, in the order of the files."""
        return [ImageFile(path, expected) for path in self.paths]


def _header(path: Path) -> Header:
    try:
        header = open_image(path).header
    except ImageRefused as refusal:
        raise CalibrationError(f"calibration image {path}: {refusal}. Remove or replace the file.") from refusal
    if header.frames != 1:
        raise CalibrationError(
            f"calibration image {path}: {header.frames} frames, expected one: frames of one file resemble each other, "
            "and p-values count over images that do not. Replace the file by one of its frames."
        )
    return header


@dataclass(frozen=True)
class ImageFile:
    """A calibration image in a file, and what it must be. Called, it is read: [1, C, H, W]."""

    path: Path
    expected: Input

    def __call__(self) -> NDArray[np.float32]:
        try:
            return preprocess(open_image(self.path).frame(0), self.expected)
        except ImageRefused as refusal:
            raise CalibrationError(
                f"calibration image {self.path}: {refusal}. Remove or replace the file."
            ) from refusal
