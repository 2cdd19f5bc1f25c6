"""Measure on what of a radiograph the maps lie: `python -m fisherlens.models.radiograph.map_mass --data chest
--weights members.pt`.

For each kind of map, the share of its mass on the parts of the image (see `lung_fields`), beside the share of the area
that these take: what a map without any relation to the chest would have. And, since where a map lies is not yet what
the result rests on: how many decisions change when a part loses its details, that is, has the baseline's pixels from
which integrated gradients count, and how many when it alone keeps them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from fisherlens.edge.storage import write_whole
from fisherlens.export.maps import MAPS

from ..study.explanations import Explanation, Predict, explainer, mean_probability, traced
from ..study.map_shares import areas, shares
from ..weights import load
from . import CLASSES
from .dataset import DatasetMissing
from .lung_fields import parts
from .map_pictures import as_png, mean_maps, overlays
from .map_sets import map_sets
from .network import radiograph_network

Found = dict[str, list[Explanation]]
"""By kind of map: one explanation an image."""


def explained(networks: Sequence, sets: Mapping[str, Tensor], kinds: Sequence[str]) -> dict[str, Found]:
    """Explain all images of the sets [n, 1, SIDE, SIDE] by maps of those kinds."""
    found: dict[str, Found] = {name: {} for name in sets}
    for kind in kinds:
        explain = explainer(networks, kind)
        for name, images in sets.items():
            found[name][kind] = [explain(image) for image in track(images, f"{kind}, {name}")]
    return found


def mass_table(name: str, found: Found) -> Table:
    """Tabulate the mean shares of the maps' mass on the parts, with their standard errors."""
    where = parts()
    table = Table(f"{name}: share of the mass on", *where)
    chance = areas(where)
    for kind, explanations in found.items():
        rows = np.array([shares(explanation.values, where) for explanation in explanations])
        mean, error = rows.mean(axis=0), rows.std(axis=0, ddof=1) / np.sqrt(len(rows))
        cells = zip(mean, error, chance, strict=True)
        table.add_row(kind, *(f"{100 * m:.1f} ± {100 * e:.1f} % ({m / c:.2f})" for m, e, c in cells))
    table.add_row("chance: share of the area", *(f"{100 * c:.1f} %" for c in chance))
    return table


def changed(predict: Predict, images: Tensor, baselines: Tensor, mask: NDArray[np.bool_]) -> tuple[float, float]:
    """Shares of the images whose decision is another one when the pixels of the mask [SIDE, SIDE] are the baselines',
    and when all others are."""
    inside = torch.from_numpy(mask)
    before = predict(images).argmax(dim=1)
    mixed = torch.where(inside, baselines, images), torch.where(inside, images, baselines)
    without, alone = (float((predict(tried).argmax(dim=1) != before).double().mean()) for tried in mixed)
    return without, alone


def decisions_table(predict: Predict, sets: Mapping[str, Tensor], found: Mapping[str, Found]) -> Table:
    """Tabulate, a row a set, what share is called pneumonia and that class's mean probability, and the shares of
    decisions that change when the whole image loses its details, when a part does, and when that alone keeps them."""
    where = parts()
    headings = [f"{part}: without, alone" for part in where]
    table = Table("decisions that change", "called pneumonia; mean probability", "no details", *headings)
    for name, images in sets.items():
        baselines = torch.stack([explanation.baseline for explanation in next(iter(found[name].values()))])
        ill = predict(images)[:, CLASSES.index("pneumonia")].double()
        whole, _ = changed(predict, images, baselines, np.ones(images.shape[2:], bool))
        pairs = [changed(predict, images, baselines, mask) for mask in where.values()]
        cells = [f"{100 * without:.0f} %, {100 * alone:.0f} %" for without, alone in pairs]
        called = f"{100 * (ill > 0.5).double().mean():.1f} %, {ill.mean():.3f}"
        table.add_row(name, called, f"{100 * whole:.0f} %", *cells)
    return table


@click.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder of the radiographs.")
@click.option("--weights", type=click.Path(path_type=Path, exists=True), required=True, help="File of the members.")
@click.option("--images", default=20, show_default=True, help="Of each set.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(list(MAPS)), help="Of map; all if not given.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for pictures: of radiographs, and of mean maps.")
def main(data: Path, weights: Path, images: int, kinds: tuple[str, ...], out: Path | None) -> None:
    """Print where the maps of the ensemble lie."""
    try:
        sets = map_sets(data, images)
    except DatasetMissing as error:
        raise click.ClickException(str(error)) from error
    members = load(weights, radiograph_network)
    found = explained(traced(members, next(iter(sets.values()))), sets, kinds or tuple(MAPS))
    console = Console(highlight=False, width=130)
    for name in sets:
        console.print(mass_table(name, found[name]))
    console.print(decisions_table(mean_probability(members), sets, found))
    console.print(
        f"{len(members)} members, {images} images a set; ± standard error; in brackets as a multiple of chance"
    )
    if out:
        _draw(out, sets, found)


def _draw(out: Path, sets: Mapping[str, Tensor], found: Mapping[str, Found]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "mean-maps.png", as_png(mean_maps(found)))
    for name, images in sets.items():
        write_whole(out / f"{name.replace(', ', '-').replace(' ', '-')}.png", as_png(overlays(images, found[name])))


if __name__ == "__main__":
    main()
