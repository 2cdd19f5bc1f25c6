"""Pictures of maps on radiographs: laid over some images, and the mean over many without any image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from ..study.explanations import Explanation, pooled
from . import SIDE
from .lung_fields import BORDER, outlines

SHOWN = 5
"""Images of a set, evenly over it."""
STRENGTH = 0.65
"""Opacity of a map where it is largest."""
HIGHEST = 3.0
"""Of the scale of mean maps, as a multiple of an even map."""


def overlays(images: Tensor, found: Mapping[str, Sequence[Explanation]]) -> Figure:
    """Draw a row for each of SHOWN images [n, 1, SIDE, SIDE]: the image with the outlines of the parts, and the compact
    map of each kind over it, from no colour where it is nothing to full where it is largest; of contributions their
    size."""
    chosen = np.unique(np.linspace(0, len(images) - 1, SHOWN).round().astype(int))
    columns = 1 + len(found)
    figure = Figure(figsize=(2.2 * columns, 2.3 * len(chosen)), layout="constrained")
    panels = figure.subplots(len(chosen), columns, squeeze=False)
    for row, number in zip(panels, chosen, strict=True):
        for axes in row:
            _show_image(axes, images[number, 0].numpy())
        _outline(row[0], "yellow")
        for axes, explanations in zip(row[1:], found.values(), strict=True):
            _lay_over(axes, explanations[number])
    for axes, title in zip(panels[0], ("image", *found), strict=True):
        axes.set_title(title.replace("integrated_gradients", "int. gradients"), fontsize=8)
    return figure


def mean_maps(found: Mapping[str, Mapping[str, Sequence[Explanation]]]) -> Figure:
    """Draw, for each set and kind, the mean density of the maps' mass as a multiple of an even map's, with the
    outlines of the parts. Each image counts alike."""
    kinds = list(next(iter(found.values())))
    figure = Figure(figsize=(1.7 * len(kinds) + 0.8, 1.65 * len(found) + 0.3), layout="constrained")
    panels = figure.subplots(len(found), len(kinds), squeeze=False)
    colours = ScalarMappable(Normalize(0.0, HIGHEST), "inferno")
    for row, (name, of_set) in zip(panels, found.items(), strict=True):
        for axes, explanations in zip(row, of_set.values(), strict=True):
            density = np.mean([_density(explanation) for explanation in explanations], axis=0)
            axes.imshow(density, cmap=colours.cmap, norm=colours.norm, extent=(0, SIDE, SIDE, 0))
            _outline(axes, "cyan")
            axes.set(xticks=[], yticks=[])
        row[0].set_ylabel(name.replace(", letters", ",\nletters").replace(" without", "\nwithout"), fontsize=7)
    for axes, kind in zip(panels[0], kinds, strict=True):
        axes.set_title(kind.replace("integrated_gradients", "int. gradients"), fontsize=7)
    figure.colorbar(colours, ax=panels, shrink=0.6, extend="max", label="density, multiple of an even map's")
    return figure


def as_png(figure: Figure) -> bytes:
    """Write a figure as the bytes of a PNG file."""
    buffer = BytesIO()
    figure.savefig(buffer, dpi=110, format="png")
    return buffer.getvalue()


def _density(explanation: Explanation) -> NDArray[np.float64]:
    size = np.abs(explanation.values).astype(np.float64)
    return pooled(size / size.mean(), explanation.cell)


def _lay_over(axes: Axes, explanation: Explanation) -> None:
    size = np.abs(explanation.compact)
    codes = size / max(size.max(), np.finfo(float).tiny)
    right, bottom = (count * explanation.cell for count in codes.shape[::-1])
    axes.imshow(codes, cmap="inferno", alpha=STRENGTH * codes, vmin=0.0, vmax=1.0, extent=(0, right, bottom, 0))
    axes.set(xlim=(0, SIDE), ylim=(SIDE, 0))


def _show_image(axes: Axes, image: NDArray[np.float32]) -> None:
    axes.imshow(image, cmap="gray", vmin=0.0, vmax=1.0, extent=(0, SIDE, SIDE, 0))
    axes.set_axis_off()


def _outline(axes: Axes, colour: str) -> None:
    for columns, rows in outlines():
        axes.plot(columns, rows, color=colour, linewidth=0.8)
    low, high = BORDER, SIDE - BORDER
    axes.plot([low, high, high, low, low], [low, low, high, high, low], color=colour, linewidth=0.6)
