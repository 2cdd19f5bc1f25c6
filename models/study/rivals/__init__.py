"""Scores by which others detect unusual images, larger for more unusual: where pytorch-ood (Kirchheim et al. 2022) has
their arithmetic it is the library's own. All of them read forward passes; one row a rival."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..subject import Task
from .distances import all_mahalanobis, last_mahalanobis, nearest_neighbours, virtual_logit
from .gradients import fisher_rao_product, fisher_rao_sum, gradient_norm
from .gram import gram_matrices
from .outputs import energy, entropy, maximum_softmax, mutual_information
from .passes import forward_pass
from .usual import Score, Usual
from .values import spread_of_members, total_uncertainty

BATCH = 50


@dataclass(frozen=True)
class Rival:
    """A row of the table of rivals. fit: what scores, of usual images and one of the settings. settings: by their names
    in the tables; the study takes the one that is best on its choosing sets. ensembles: whether it needs several
    networks, and takes the members' companions beside them. results: what it reads is the channels' alone ("any"), or
    logits of classes, or values."""

    fit: Callable[[Usual, Any], Score]
    settings: dict[str, Any]
    ensembles: bool = False
    results: Literal["classes", "values", "any"] = "any"


def _of_logits(score: Score, ensembles: bool = False) -> Rival:
    return Rival(lambda usual, setting: score, {"": None}, ensembles, "classes")


def _of_values(score: Score, ensembles: bool = False) -> Rival:
    return Rival(lambda usual, setting: score, {"": None}, ensembles, "values")


RIVALS: dict[str, Rival] = {
    "maximum softmax": _of_logits(maximum_softmax),
    "entropy": _of_logits(entropy),
    "energy": _of_logits(energy),
    "mutual information": _of_logits(mutual_information, ensembles=True),
    "GradNorm": _of_logits(gradient_norm),
    "Fisher-Rao, product": _of_logits(fisher_rao_product),
    "Fisher-Rao, sum": Rival(
        fisher_rao_sum, {f"weight {weight:g}": weight for weight in (-1.0, -0.3, 0.3, 1.0, 3.0)}, results="classes"
    ),
    "total uncertainty": _of_values(total_uncertainty),
    "spread of the members": _of_values(spread_of_members, ensembles=True),
    "Mahalanobis, last layer": Rival(last_mahalanobis, {"members together": "joint", "mean of members": "mean"}),
    "Mahalanobis, all layers": Rival(all_mahalanobis, {"stages": "stage_means", "every layer": "layer_means"}),
    "nearest neighbours": Rival(nearest_neighbours, {f"k = {k}": k for k in (1, 5, 20, 50)}),
    "ViM": Rival(
        virtual_logit, {f"{share:g} of the features": share for share in (0.1, 0.25, 0.5, 0.75)}, results="classes"
    ),
    "Gram matrices": Rival(gram_matrices, {f"powers to {powers}": powers for powers in (1, 3, 5)}),
}


class RivalNetwork(nn.Module):
    """The studied network with a rival's score instead of its result: images [n, C, H, W] to scores [n]."""

    def __init__(self, members: Sequence[nn.Module], score: Score) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.score = score

    def forward(self, images: Tensor) -> Tensor:
        return self.score([forward_pass(member, images) for member in self.members])


def networks_of(title: str, members: Sequence[nn.Module], companions: Sequence[nn.Module]) -> Sequence[nn.Module]:
    """The networks that the rival of that title runs, the members first."""
    return [*members, *companions] if RIVALS[title].ensembles else members


def meaningful(task: Task) -> dict[str, Rival]:
    """The rivals whose arithmetic means anything for results of that kind. Those that read logits as logarithms of
    probabilities are left out where results are values; ViM among them, whose virtual logit is weighed against an
    energy."""
    kinds = ("any", "classes" if task.classes else "values")
    return {title: rival for title, rival in RIVALS.items() if rival.results in kinds}


def fitted(usual: Usual, companions: Sequence[nn.Module], rows: Mapping[str, Rival]) -> dict[tuple[str, str], Score]:
    """Fit the rivals for which there are networks: scores by title and setting."""
    return {
        (title, name): rival.fit(usual, setting)
        for title, rival in rows.items()
        if not rival.ensembles or len(networks_of(title, usual.members, companions)) > 1
        for name, setting in rival.settings.items()
    }


def scored(
    members: Sequence[nn.Module],
    companions: Sequence[nn.Module],
    scores: Mapping[tuple[str, str], Score],
    images: Tensor,
    progress: Callable[[Sequence[Tensor]], Iterable[Tensor]] = iter,
) -> dict[tuple[str, str], NDArray[np.float64]]:
    """Scores [n] of images [n, C, H, W] by all rivals, from one forward pass of each network."""
    rows: dict[tuple[str, str], list[Tensor]] = {key: [] for key in scores}
    with torch.no_grad():
        for batch in progress(images.split(BATCH)):
            passes = [forward_pass(network, batch) for network in (*members, *companions)]
            for (title, setting), score in scores.items():
                read = passes[: len(networks_of(title, members, companions))]
                rows[title, setting].append(score(read).double())
    return {key: torch.cat(parts).numpy() for key, parts in rows.items()}
