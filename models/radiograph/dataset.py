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

from . import CLASSES
from .input import read

SHARES = {"training": 0.55, "calibration": 0.30, "evaluation": 0.15}
"""Shares of the patients: no patient is in two parts."""

MISSING = """{folder}: no radiographs in it. Expected the folder of
the chest radiographs of Kermany, Zhang and Goldbaum 2018 (Mendeley Data, doi 10.17632/rscbjbr9sj, CC BY 4.0) as

    kermany/normal/IM-0001-0001.jpeg ...           or the published chest_xray/*/NORMAL
    kermany/pneumonia/person1_bacteria_1.jpeg ...  and chest_xray/*/PNEUMONIA, moved together

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
    `NORMAL2-IM-N-M` of one without findings, who is known by the number of the study."""
    ill = re.match(r"person(\d+)_", name)
    if ill:
        return f"person{ill[1]}"
    normal = re.match(r"(NORMAL2-)?IM-(\d+)-", name)
    if normal:
        return f"{normal[1] or ''}IM-{normal[2]}"
    raise DatasetMissing(f"{name}: no patient in the name, expected personN_..., IM-N-... or NORMAL2-IM-N-...")


def part(folder: Path, name: str) -> Part:
    """Read the part of that name (see SHARES) of the radiographs in `folder`. Raises DatasetMissing."""
    files = [
        (path, number) for number, of_class in enumerate(CLASSES) for path in _files(folder / "kermany" / of_class)
    ]
    if len({number for _, number in files}) < len(CLASSES):
        raise DatasetMissing(MISSING.format(folder=folder))
    patients = np.array([patient_of(path.name) for path, _ in files])
    order = np.random.default_rng(0).permutation(np.unique(patients))
    ends = np.rint(np.cumsum([0.0, *SHARES.values()]) * len(order)).astype(int)
    number = list(SHARES).index(name)
    chosen = np.isin(patients, order[ends[number] : ends[number + 1]])
    paths = [path for (path, _), takes in zip(files, chosen, strict=True) if takes]
    classes = torch.tensor([of_class for (_, of_class), takes in zip(files, chosen, strict=True) if takes])
    return Part(read_all(paths, f"read the {name} part"), classes, patients[chosen])


def images_of(folder: Path, name: str) -> tuple[Tensor, list[str]]:
    """Read all images of a folder beside kermany/, with their names: [n, 1, SIDE, SIDE]. Raises DatasetMissing."""
    paths = _files(folder / name)
    if not paths:
        raise DatasetMissing(MISSING.format(folder=folder / name))
    return read_all(paths, f"read {name}"), [path.name for path in paths]


def read_all(paths: Sequence[Path], label: str) -> Tensor:
    """Read radiographs, in one process a core: float32 [n, 1, SIDE, SIDE]."""
    with ProcessPoolExecutor() as pool:
        found = track(pool.map(read, paths, chunksize=64), label, len(paths))
        return torch.from_numpy(np.concatenate(list(found)))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*") if path.suffix.lower() in (".jpeg", ".jpg", ".png"))
