"""Radiographs that the network was not made for: other patients, other organs, other equipment."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from ..study import alterations as changed
from ..study.subject import Alteration
from . import cohorts, dataset


def unusual(folder: Path) -> dict[str, Alteration]:
    """Make the unusual sets of the tables: what makes each of usual radiographs, by name. folder: of the data set, with
    `nih`, `nih.csv` and `mammograms`. The sets raise DatasetMissing where these are not there."""
    return {
        "adults without findings": partial(_adults, folder, "adults, no finding"),
        "adults with findings": partial(_adults, folder, "adults, findings"),
        "mammograms": lambda images: dataset.images_of(folder, "mammograms")[0][: len(images)],
        "noise, 0.05": partial(changed.noisy, deviation=0.05),
        "blur, 2 pixels": partial(changed.blurred, deviation=2.0),
        "gain, 0.7": lambda images: 0.7 * images,
        "inversion": lambda images: 1 - images,
        "rotation by 90 degrees": lambda images: torch.rot90(images, 1, (2, 3)),
        "mirror": lambda images: images.flip(3),
        "burnt-in text": with_text,
        "collimation": partial(changed.collimated, share=0.12),
        "other detector": partial(changed.other_transfer, length=1.5),
    }


CHOOSING: dict[str, Alteration] = {
    "salt and pepper, 1 %": partial(changed.salted, share=0.01),
    "gamma, 1.6": lambda images: images**1.6,
    "zoom, 1.3": partial(changed.zoomed, factor=1.3),
    "stripes": partial(changed.striped, amplitude=0.04, period=6),
    "JPEG, quality 15": partial(changed.recompressed, level=15),
    "shadow": partial(changed.shadowed, depth=0.5),
}
"""Alterations of other kinds, by which settings are chosen."""


def with_text(images: Tensor, lines: tuple[str, ...] = ("PORTABLE AP", "14:32  85 kV")) -> Tensor:
    """Burn white text into the upper left corner."""
    rows, columns = images.shape[2:]
    figure = Figure(figsize=(columns / 100, rows / 100), dpi=100, facecolor="black")
    for number, line in enumerate(lines):
        figure.text(0.04, 0.92 - 0.07 * number, line, color="white", fontsize=0.045 * rows, family="monospace")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    text = torch.from_numpy(np.asarray(canvas.buffer_rgba())[:rows, :columns, 0].astype(np.float32) / 255.0)
    return torch.maximum(images, text.expand_as(images))


def _adults(folder: Path, name: str, images: Tensor) -> Tensor:
    """Radiographs of the cohort of that name, at most as many as there are `images`."""
    (found,) = [one.images for one in cohorts.chest_x_ray14(folder) if one.name == name]
    return found[: len(images)]
