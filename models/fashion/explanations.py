"""Measure whether maps show what a result rests on: `python -m fisherlens.models.fashion.explanations --weights DIR`.

For each kind of map, on test images:
- deletion and insertion (Petsiuk et al. 2018, arXiv 1806.07421): the mean probability of the predicted
  class while pixels are replaced by the baseline's, or put into it, from the map's largest to its
  smallest, beside a random order. Low deletion and high insertion are good.
- randomisation (Adebayo et al. 2018, arXiv 1810.03292): rank correlation with the map of the same network
  with weights drawn anew. Near zero is good: a map that stays shows the image, not the network.
- compact: share of the 10 % largest cells that the codes in the bundle and the full map agree on.
"""

from __future__ import annotations

from collections.abc import Callable
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
from fisherlens.export.heads import Softmax
from fisherlens.export.maps import MAPS
from fisherlens.export.maps.compact import compacted, grid
from fisherlens.export.maps.integrated import without_details
from fisherlens.export.network.normalise import normalised

from . import dataset, train
from .bundles import SHAPE, network_of
from .networks import NETWORKS

STEPS = 28
MAP_BYTES = 2048

Explain = Callable[[Tensor], dict[str, NDArray]]


def explainer(network: nn.Module, kind: str) -> Explain:
    """A function of an image [1, 28, 28] that gives the full map [28, 28], the compact map's decoded
    values, and the baseline [1, 28, 28]."""
    graph = fisher_graph([normalised(network_of(network, "network"), SHAPE)], Softmax(), probes=0)
    values = MAPS[kind].values(graph)
    codes, ends = compacted(graph.tape, values, SHAPE, grid(SHAPE, MAP_BYTES, kind, ""), MAPS[kind].pooled)
    baseline = without_details(graph.tape, graph.image)
    outputs = {"full": values, "codes": codes, "ends": ends, "baseline": baseline}
    session = graph.session(outputs)

    def explain(image: Tensor) -> dict[str, NDArray]:
        full, codes, (low, high), baseline = session.run(list(outputs), {"image": image[None].numpy()})
        return {"full": full[0, 0], "compact": low + codes / 255.0 * (high - low), "baseline": baseline[0]}

    return explain


def probabilities(network: nn.Module, start: Tensor, end: Tensor, order: NDArray[np.int64]) -> Tensor:
    """Probabilities of all classes, [STEPS + 1, 10], while pixels of `start` [1, 28, 28] become those of `end` in that
    order."""
    steps = torch.stack([start.flatten()] * (STEPS + 1))
    for step in range(1, STEPS + 1):
        chosen = torch.from_numpy(order[: step * len(order) // STEPS].copy())
        steps[step, chosen] = end.flatten()[chosen]
    with torch.no_grad():
        return network(steps.reshape(-1, *SHAPE[1:])).softmax(dim=1)


def agreement(full: NDArray, compact: NDArray) -> float:
    """Share of the 10 % largest cells of one that are among those of the other."""
    count = full.size // 10
    tops = [set(np.argsort(values, axis=None)[-count:].tolist()) for values in (full, compact)]
    return len(tops[0] & tops[1]) / count


@click.command()
@click.option("--weights", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--network", "name", type=click.Choice(list(NETWORKS)), default="residual", show_default=True)
@click.option("--images", default=60, show_default=True)
def main(weights: Path, name: str, images: int) -> None:
    """Print the evidence on the maps of one network."""
    network = train.load(weights, "residual-0" if name == "residual" else name)
    torch.manual_seed(0)
    untrained = NETWORKS[name]().eval()
    chosen = dataset.evaluation()[0][:images]
    table = Table("map", "deletion", "insertion", "rank correlation with untrained", "compact agrees")
    rng = np.random.default_rng(0)
    baseline = explainer(network, "fisher")
    rows = [(kind, *measured(network, untrained, kind, chosen)) for kind in track(list(MAPS), "explain")]
    random = [
        deletion_insertion(network, image, torch.from_numpy(baseline(image)["baseline"]), rng.permutation(784))
        for image in chosen
    ]
    for row in rows:
        table.add_row(row[0], *(f"{value:.3f}" for value in row[1:]))
    table.add_row("random order", *(f"{value:.3f}" for value in np.mean(random, axis=0)), "", "")
    Console(width=110).print(table)


def deletion_insertion(
    network: nn.Module, image: Tensor, baseline: Tensor, order: NDArray[np.int64]
) -> tuple[float, float]:
    """Mean probability of the class that is predicted on the image, while its pixels are deleted and while they are
    inserted, in that order."""
    with torch.no_grad():
        predicted = int(network(image[None]).argmax())
    deleted, inserted = (probabilities(network, *ends, order) for ends in ((image, baseline), (baseline, image)))
    return float(deleted[:, predicted].mean()), float(inserted[:, predicted].mean())


def measured(network: nn.Module, untrained: nn.Module, kind: str, images: Tensor) -> NDArray[np.float64]:
    """Deletion, insertion, rank correlation with the untrained network's map, agreement: [4]."""
    of_trained, of_untrained = explainer(network, kind), explainer(untrained, kind)
    rows = []
    for image in images:
        found = of_trained(image)
        order = np.argsort(found["full"], axis=None)[::-1]
        cells = np.sqrt(found["full"]) if MAPS[kind].pooled == "root mean square" else found["full"]
        correlation = spearmanr(found["full"].ravel(), of_untrained(image)["full"].ravel()).statistic
        areas = deletion_insertion(network, image, torch.from_numpy(found["baseline"]), order)
        rows.append([*areas, np.nan_to_num(correlation), agreement(cells, found["compact"])])
    return np.mean(rows, axis=0)


if __name__ == "__main__":
    main()
