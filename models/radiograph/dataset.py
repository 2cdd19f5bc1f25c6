"""The radiographs of a folder, by class, and parted by patient."""

from __future__ import annotations

import re
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from fisherlens.edge.errors import ImageRefused

from . import CLASSES
from .input import read

SHARES = {"training": 0.55, "calibration": 0.30, "evaluation": 0.15}
"""Shares of the patients: no patient is in two parts."""

COUNT = 5856
"""Published radiographs of the children."""

MISSING = """{folder}: no radiographs in it. Expected the folder of
the chest radiographs of Kermany, Zhang and Goldbaum 2018 (Mendeley Data, doi 10.17632/rscbjbr9sj, CC BY 4.0) as

    kermany/normal/IM-0001-0001.jpeg ...           or as published, unpacked into kermany:
    kermany/pneumonia/person1_bacteria_1.jpeg ...  kermany/chest_xray/*/NORMAL and PNEUMONIA

and, beside it, for what is unusual: nih/*.jpeg and nih.csv (ChestX-ray14, Wang et al. 2017; columns file, findings,
age) and mammograms/*.jpeg (mini-MIAS, Suckling et al. 2015). Give that folder with --data."""


class DatasetMissing(Exception):
    """The images are not where they were said to be."""


@dataclass(frozen=True)
class Part:
    """Radiographs of one part. images: float32 [n, 1, SIDE, SIDE] in [0, 1]; classes: int64 [n], numbers of CLASSES;
    patients: whose they are, [n]."""

    images: Tensor
    classes: Tensor
    patients: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.classes)

    def taken(self, chosen: NDArray | Tensor | slice) -> Part:
        """The radiographs of some numbers, of a mask or of a slice."""
        return Part(self.images[chosen], self.classes[chosen], self.patients[chosen])


def patient_of(name: str) -> str:
    """Name the patient of a file's name: `personN_bacteria_M` and `personN_virus_M` are of patient N, `IM-N-M` and
    `NORMAL2-IM-N-M` of one without findings, who is known by the number of the study. Raises DatasetMissing."""
    ill = re.match(r"person(\d+)_", name)
    if ill:
        return f"person{ill[1]}"
    normal = re.match(r"(NORMAL2-)?IM-(\d+)-", name)
    if normal:
        return f"{normal[1] or ''}IM-{normal[2]}"
    raise DatasetMissing(f"{name}: no patient in the name, expected personN_..., IM-N-... or NORMAL2-IM-N-...")


def part(folder: Path, name: str) -> Part:
    """Read the part of that name (see SHARES) of the radiographs in `folder`. Raises DatasetMissing."""
    below = _files(folder / "kermany", "**/*")
    files = [(path, CLASSES.index(path.parent.name.lower())) for path in below if path.parent.name.lower() in CLASSES]
    if not files:
        raise DatasetMissing(MISSING.format(folder=folder))
    if len(files) != COUNT:
        raise DatasetMissing(
            f"{folder / 'kermany'}: {len(files)} radiographs, expected the {COUNT} that are published. Which patients "
            "are in which part is drawn from all of them: from others, networks would be judged on what they learned."
        )
    patients = np.array([patient_of(path.name) for path, _ in files])
    chosen = of_part(patients, name)
    paths = [path for (path, _), takes in zip(files, chosen, strict=True) if takes]
    classes = torch.tensor([number for (_, number), takes in zip(files, chosen, strict=True) if takes])
    return Part(read_all(paths, f"read the {name} part"), classes, patients[chosen])


def of_part(patients: NDArray[np.str_], name: str) -> NDArray[np.bool_]:
    """Say of each image, whose patients are given [n], whether it is in the part of that name: bool [n]. Patients are
    drawn, so that all images of one are in one part."""
    order = np.random.default_rng(0).permutation(np.unique(patients))
    ends = np.rint(np.cumsum([0.0, *SHARES.values()]) * len(order)).astype(int)
    number = list(SHARES).index(name)
    return np.isin(patients, order[ends[number] : ends[number + 1]])


def images_of(folder: Path, name: str) -> tuple[Tensor, list[str]]:
    """Read all images of a folder beside kermany/, with their names: [n, 1, SIDE, SIDE]. Raises DatasetMissing."""
    paths = _files(folder / name, "*")
    if not paths:
        raise DatasetMissing(MISSING.format(folder=folder / name))
    return read_all(paths, f"read {name}"), [path.name for path in paths]


def read_all(paths: Sequence[Path], label: str) -> Tensor:
    """Read radiographs, in one process a core: float32 [n, 1, SIDE, SIDE]. Raises DatasetMissing for a file that cannot
    be read."""
    with ProcessPoolExecutor() as pool:
        found = track(pool.map(_read, paths, chunksize=64), label, len(paths))
        return torch.from_numpy(np.concatenate(list(found)))


def _read(path: Path) -> NDArray[np.float32]:
    try:
        return read(path)
    except ImageRefused as refusal:
        raise DatasetMissing(f"{path}: {refusal}. Replace the file by the published one.") from refusal


def _files(folder: Path, pattern: str) -> list[Path]:
    """Images in the order of their names, which is the same however they lie. Archives made on a Mac hold, of each
    file, another named ._* that is no image."""
    files = (path for path in folder.glob(pattern) if path.suffix.lower() in (".jpeg", ".jpg", ".png"))
    return sorted((path for path in files if not path.name.startswith(".")), key=lambda path: path.name)
