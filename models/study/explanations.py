"""Measure whether maps show what a result rests on: `python -m fisherlens.models.study.explanations NETWORK ...`.

For each kind of map, on evaluation images:
- deletion and insertion (Petsiuk et al. 2018, arXiv 1806.07421): the mean probability of the predicted
  class while cells are replaced by the baseline's, or put into it, from the map's largest to its
  smallest, beside a random order. Low deletion and high insertion are good. Cells are those of the compact
  map: single pixels of small images.
- randomisation (Adebayo et al. 2018, arXiv 1810.03292): rank correlation with the map of the same network
  with weights drawn anew. Near zero is good: a map that stays shows the image, not the network.
- compact: share of the 10 % largest cells that the codes in the bundle and the full map agree on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.stats import spearmanr
from torch import Tensor, nn

from fisherlens.export.fisher.fisher_graph import fisher_graph
from fisherlens.export.graph.tape import shape_of
from fisherlens.export.heads import Softmax
from fisherlens.export.maps import MAPS
from fisherlens.export.maps.compact import compacted, grid
from fisherlens.export.maps.integrated import without_details
from fisherlens.export.network.normalise import normalised
from fisherlens.export.network.source import Network, from_modules

from ..fashion import dataset as fashion_images
from ..fashion.networks import NETWORKS
from ..fashion.train import load as load_fashion
from ..radiograph import CLASSES
from ..radiograph.dataset import DatasetMissing
from ..radiograph.map_sets import usual
from ..radiograph.network import radiograph_network
from ..weights import load

STEPS = 28
"""Changes of an image, each of as many cells, on its way to the baseline or back."""
MAP_BYTES = 2048

Predict = Callable[[Tensor], Tensor]
"""Probabilities of all classes, [n, K], of images [n, C, H, W]."""


@dataclass(frozen=True)
class MapSubject:
    """Networks and images whose maps are measured. members: the trained networks of an ensemble, or one; untrained: as
    many, with weights drawn anew; images: float32 [n, C, H, W]; groups: numbers of images that make up a table, by its
    heading."""

    members: Sequence[nn.Module]
    untrained: Sequence[nn.Module]
    images: Tensor
    groups: Mapping[str, NDArray[np.int64]]


@dataclass(frozen=True)
class Explanation:
    """The map of one image. values: float32 [H, W]; cell: pixels along the side of the compact map's cells; cells: the
    values' means over these, [rows, columns]; compact: what the codes of the compact map stand for, [rows, columns];
    baseline: the image [C, H, W] that contributions are counted from."""

    values: NDArray[np.float32]
    cell: int
    cells: NDArray[np.float32]
    compact: NDArray[np.float64]
    baseline: Tensor


Explain = Callable[[Tensor], Explanation]


def traced(members: Sequence[nn.Module], images: Tensor) -> list[Network]:
    """Trace the members of an ensemble for single images of those, [n, C, H, W]."""
    shape = (1, *images.shape[1:])
    return [normalised(network, shape) for network in from_modules(list(members), shape, "network")]


def explainer(networks: Sequence[Network], kind: str) -> Explain:
    """Make a function of an image [C, H, W] that gives its map of that kind, summed over channels, by one graph of all
    the networks."""
    graph = fisher_graph(networks, Softmax(), probes=0)
    shape = shape_of(graph.image)
    values, spec = MAPS[kind].values(graph), grid(shape, MAP_BYTES, kind, "")
    codes, ends = compacted(graph.tape, values, shape, spec, MAPS[kind].pooled)
    baseline = without_details(graph.tape, graph.image)
    summed = graph.tape.ReduceSum(values, [1], keepdims=0)
    outputs = {"full": summed, "codes": codes, "ends": ends, "baseline": baseline}
    session = graph.session(outputs, threads=1)

    def explain(image: Tensor) -> Explanation:
        full, codes, (low, high), baseline = session.run(list(outputs), {"image": image[None].numpy()})
        compact = low + codes / 255.0 * (high - low)
        return Explanation(full[0], spec.cell, pooled(full[0], spec.cell), compact, torch.from_numpy(baseline[0]))

    return explain


def pooled(values: NDArray, cell: int) -> NDArray:
    """Means over square cells, those at the border over their pixels on the image: of [H, W], [rows, columns]."""
    sums, counts = values, np.ones_like(values)
    for axis in (0, 1):
        starts = np.arange(0, values.shape[axis], cell)
        sums, counts = (np.add.reduceat(array, starts, axis=axis) for array in (sums, counts))
    return sums / counts


def mean_probability(members: Sequence[nn.Module]) -> Predict:
    """Make a function of images that gives the members' mean probabilities, as the bundle does without temperature."""

    def predict(images: Tensor) -> Tensor:
        with torch.no_grad():
            return torch.stack([member(images).softmax(dim=1) for member in members]).mean(dim=0)

    return predict


def probabilities(predict: Predict, start: Tensor, end: Tensor, order: NDArray[np.int64], cell: int) -> Tensor:
    """Probabilities of all classes, [STEPS + 1, K], while cells of `start` [C, H, W] become those of `end`. order: the
    numbers of the cells, row by row, from the first that changes to the last."""
    height, width = start.shape[1:]
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    of_cells = rank.reshape(-(-height // cell), -(-width // cell))
    of_pixels = torch.from_numpy(of_cells.repeat(cell, axis=0).repeat(cell, axis=1)[:height, :width].copy())
    changed = [of_pixels < step * len(order) // STEPS for step in range(STEPS + 1)]
    return predict(torch.stack([torch.where(mask, end, start) for mask in changed]))


def deletion_insertion(
    predict: Predict, image: Tensor, baseline: Tensor, order: NDArray[np.int64], cell: int
) -> tuple[float, float]:
    """Mean probability of the class that is predicted on the image, while its cells are deleted and while they are
    inserted, in that order."""
    ends = (image, baseline), (baseline, image)
    deleted, inserted = (probabilities(predict, *pair, order, cell) for pair in ends)
    predicted = int(deleted[0].argmax())
    return float(deleted[:, predicted].mean()), float(inserted[:, predicted].mean())


def agreement(full: NDArray, compact: NDArray) -> float:
    """Share of the 10 % largest cells of one that are among those of the other."""
    count = full.size // 10
    tops = [set(np.argsort(values, axis=None)[-count:].tolist()) for values in (full, compact)]
    return len(tops[0] & tops[1]) / count


def rank_correlation(one: NDArray, other: NDArray) -> float:
    """Spearman's, of two maps of one shape; zero where one of them is the same everywhere."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(spearmanr(one.ravel(), other.ravel()).statistic)


def measured(of_trained: Explain, of_untrained: Explain, predict: Predict, images: Tensor, kind: str) -> NDArray:
    """Deletion, insertion, rank correlation with the untrained networks' map, agreement, of each image: float64
    [n, 4]."""
    rows = []
    for image in images:
        found = of_trained(image)
        order = np.argsort(found.cells, axis=None)[::-1]
        shown = np.sqrt(found.cells) if MAPS[kind].pooled == "root mean square" else found.cells
        areas = deletion_insertion(predict, image, found.baseline, order, found.cell)
        correlation = rank_correlation(found.cells, of_untrained(image).cells)
        rows.append([*areas, correlation, agreement(shown, found.compact)])
    return np.array(rows)


def in_random_order(explain: Explain, predict: Predict, images: Tensor) -> NDArray[np.float64]:
    """Deletion and insertion of each image by an order that knows nothing of it: [n, 2]."""
    rng = np.random.default_rng(0)

    def rows() -> Iterator[tuple[float, float]]:
        for image in images:
            found = explain(image)
            order = rng.permutation(found.cells.size)
            yield deletion_insertion(predict, image, found.baseline, order, found.cell)

    return np.array(list(rows()))


def print_evidence(subject: MapSubject) -> None:
    """Print the evidence on each kind of map, a table a group of images."""
    trained, untrained = (traced(members, subject.images) for members in (subject.members, subject.untrained))
    predict = mean_probability(subject.members)
    found = {
        kind: measured(explainer(trained, kind), explainer(untrained, kind), predict, subject.images, kind)
        for kind in track(list(MAPS), "explain")
    }
    random = in_random_order(explainer(trained, "fisher"), predict, subject.images)
    for heading, numbers in subject.groups.items():
        table = Table(heading, "deletion", "insertion", "rank correlation with untrained", "compact agrees")
        for kind, rows in found.items():
            table.add_row(kind, *(f"{value:.3f}" for value in rows[numbers].mean(axis=0)))
        table.add_row("random order", *(f"{value:.3f}" for value in random[numbers].mean(axis=0)), "", "")
        Console(width=110).print(table)


@click.group()
def main() -> None:
    """Print the evidence on the maps of one network."""


@main.command()
@click.option("--weights", type=click.Path(path_type=Path, exists=True), required=True, help="Folder of networks.")
@click.option("--network", "name", type=click.Choice(list(NETWORKS)), default="residual", show_default=True)
@click.option("--images", default=60, show_default=True)
def fashion(weights: Path, name: str, images: int) -> None:
    """Fashion-MNIST, one network."""
    network = load_fashion(weights, "residual-0" if name == "residual" else name)
    torch.manual_seed(0)
    untrained = NETWORKS[name]().eval()
    chosen = fashion_images.evaluation()[0][:images]
    print_evidence(MapSubject([network], [untrained], chosen, {"map": np.arange(len(chosen))}))


@main.command()
@click.option("--data", type=click.Path(path_type=Path), required=True, help="Folder of the radiographs.")
@click.option("--weights", type=click.Path(path_type=Path, exists=True), required=True, help="File of the members.")
@click.option("--images", default=40, show_default=True, help="Of as many patients, half of them normal.")
def radiograph(data: Path, weights: Path, images: int) -> None:
    """Chest radiographs of children, the ensemble as one graph."""
    members = load(weights, radiograph_network)
    torch.manual_seed(0)
    untrained = [radiograph_network().eval() for _ in members]
    try:
        part = usual(data, images)
    except DatasetMissing as error:
        raise click.ClickException(str(error)) from error
    groups = {f"map, {name}": np.flatnonzero(part.classes.numpy() == number) for number, name in enumerate(CLASSES)}
    print_evidence(MapSubject(members, untrained, part.images, groups))


if __name__ == "__main__":
    main()
