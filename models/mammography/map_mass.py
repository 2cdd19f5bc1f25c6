"""Measure on what of the phantom the maps lie: `python -m fisherlens.models.mammography.map_mass`.

For each kind of map, the share of its mass on the discs that are there to be seen, on their rims and on
the grid lines, beside the share of the field's area that these take: what a map without any relation
to the phantom would have.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from fisherlens.export.fisher.fisher_graph import fisher_graph
from fisherlens.export.heads import Gaussian
from fisherlens.export.maps import MAPS
from fisherlens.export.network.normalise import normalised
from fisherlens.export.network.source import from_modules

from ..study.map_shares import areas, shares
from ..weights import members_of
from . import BUNDLE
from .input import image_reader
from .network import ThresholdNetwork
from .observer import DIAMETERS_MM
from .phantom import CELL_MM, LINE_WIDTH_MM
from .population import FIELD, Acquisition, usual

RIM_MM = 0.15
"""Half the width of a rim, about its disc's edge."""
SHAPE = (1, 1, FIELD, FIELD)
PARTS = ("discs seen", "rims of discs seen", "grid lines")


def parts(acquisition: Acquisition) -> dict[str, NDArray[np.bool_]]:
    """Masks of the field's pixels that belong to each of PARTS, bool [FIELD, FIELD]. A disc is seen where its gold
    is thicker than the threshold at its diameter, on a curve through the true thresholds."""
    phantom, pose = acquisition.phantom, acquisition.exposure.pose
    assert phantom is not None
    along = (np.arange(FIELD) + 0.5 - FIELD / 2) * acquisition.detector.pixel_spacing
    x, y = along[None, :].astype(np.float32), along[:, None].astype(np.float32)
    discs, rims = np.zeros((2, FIELD, FIELD), bool)
    for disc in phantom.discs:
        if disc.thickness <= _threshold_at(disc.diameter, acquisition):
            continue
        at_x, at_y = pose.to_detector(disc.x, disc.y)
        distance, radius = np.hypot(x - at_x, y - at_y), disc.diameter / 2 * pose.magnification
        discs |= distance <= radius
        rims |= np.abs(distance - radius) <= RIM_MM
    u, v = pose.to_phantom(x, y)
    lines = np.zeros((FIELD, FIELD), bool)
    for across in (u, v):
        lines |= np.abs(across - np.round(across / CELL_MM) * CELL_MM) <= LINE_WIDTH_MM / 2
    return dict(zip(PARTS, (discs, rims, lines), strict=True))


def _threshold_at(diameter: float, acquisition: Acquisition) -> float:
    logs = np.interp(np.log(diameter), np.log(DIAMETERS_MM), np.log(acquisition.thresholds))
    return float(np.exp(logs))


def explainer(member: ThresholdNetwork, kind: str) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """A function of an image [1, 1, FIELD, FIELD] that gives the map of the member's results, of its shape."""
    (network,) = from_modules([member], SHAPE, "mammography")
    graph = fisher_graph([normalised(network, SHAPE)], Gaussian(logarithmic=True), probes=2)
    session = graph.session({"map": MAPS[kind].values(graph)})
    return lambda image: session.run(["map"], {"image": image})[0]


@click.command()
@click.option("--bundle", type=click.Path(path_type=Path), default=BUNDLE, show_default="the shipped one")
@click.option("--images", default=3, show_default=True, help="Usual images.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(list(MAPS)), help="Of map; all if not given.")
def main(bundle: Path, images: int, kinds: tuple[str, ...]) -> None:
    """Print where the maps of the first member in a bundle lie (half an hour on a core)."""
    member = members_of(bundle, ThresholdNetwork)[0]
    taken = [usual(number, "map mass") for number in range(images)]
    where = [parts(acquisition) for acquisition in taken]
    fields = [image_reader(acquisition.field())() for acquisition in taken]
    chance = np.mean([areas(found) for found in where], axis=0)
    table = Table("share of the map's mass", *PARTS)
    for kind in kinds or MAPS:
        explain = explainer(member, kind)
        found = [shares(explain(image), seen) for image, seen in track(list(zip(fields, where, strict=True)), kind)]
        mean = np.mean(found, axis=0)
        table.add_row(kind, *(f"{100 * m:.2f} % ({m / c:.1f})" for m, c in zip(mean, chance, strict=True)))
    table.add_row("chance: share of the area", *(f"{100 * c:.2f} %" for c in chance))
    console = Console(highlight=False, width=110)
    console.print(table)
    console.print(f"{images} usual images; in brackets as a multiple of chance")


if __name__ == "__main__":
    main()
