"""The radiographs that maps are looked at on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import Tensor

from . import CLASSES, cohorts, dataset
from .dataset import Part
from .letters import burnt_in


def usual(folder: Path, count: int) -> Part:
    """Read `count` evaluation radiographs of the children, the normal half first, of as many patients. Raises
    DatasetMissing."""
    return _balanced(dataset.part(folder, "evaluation"), count)


def adults(folder: Path, count: int) -> Tensor:
    """Read `count` radiographs of adults without findings (ChestX-ray14), of as many patients: [n, 1, SIDE, SIDE].
    Raises DatasetMissing."""
    (found,) = [one for one in cohorts.chest_x_ray14(folder) if one.name == "adults, no finding"]
    _, first = np.unique(found.patients, return_index=True)
    return found.images[_spread(np.sort(first), count)]


def map_sets(folder: Path, count: int) -> dict[str, Tensor]:
    """Read the sets by name, [count, 1, SIDE, SIDE] each: healthy and ill children, healthy adults, and the healthy
    children with the letters that pictures of ill ones have. Raises DatasetMissing."""
    children = usual(folder, 2 * count)
    normal, ill = (children.images[children.classes == number] for number in range(len(CLASSES)))
    return {
        "usual, normal": normal,
        "usual, pneumonia": ill,
        "adults without findings": adults(folder, count),
        "usual, normal, letters burnt in": burnt_in(normal),
    }


def _balanced(part: Part, count: int) -> Part:
    """As many of each class, spread evenly over the part's patients."""
    _, first = np.unique(part.patients, return_index=True)
    first = np.sort(first)
    classes = part.classes.numpy()[first]
    chosen = [_spread(first[classes == number], count // len(CLASSES)) for number in range(len(CLASSES))]
    return part.taken(np.concatenate(chosen))


def _spread(numbers: np.ndarray, count: int) -> np.ndarray:
    return numbers[np.linspace(0, len(numbers) - 1, min(count, len(numbers))).round().astype(int)]
