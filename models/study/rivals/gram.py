"""Gram matrices (Sastry & Oore 2020, arXiv 1912.12510)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .library import detectors
from .passes import stages_of
from .usual import Score, Usual

BATCH = 50


def gram_matrices(usual: Usual, powers: int) -> Score:
    """Measure how far the rows' sums of the activations' Gram matrices, of powers 1 to `powers`, leave the range that
    they have on usual images of the predicted class: the sum over stages, the mean over the members.

    The range of a class of which there is no usual image is that of all of them: the paper knows no such class, and the
    library refuses it. With fewer than ten images a class the library weighs all stages alike.
    """
    fitted = [_fitted(member, usual, powers) for member in usual.members]
    return lambda passes: torch.stack(
        [
            detector.predict_structured(seen.logits, list(seen.stages))
            for detector, seen in zip(fitted, passes, strict=True)
        ]
    ).mean(dim=0)


def _fitted(member: nn.Module, usual: Usual, powers: int) -> Any:
    parts, rest = _split(member)
    occurring, numbered = usual.classes.unique(return_inverse=True)
    head = nn.Sequential(rest, _Columns(occurring))
    detector = detectors().Gram(head, parts, len(occurring), num_poles_list=list(range(1, powers + 1)))
    torch.manual_seed(0)  # a tenth of the images is held out at random
    detector.fit(list(zip(usual.images.split(BATCH), numbered.split(BATCH), strict=True)))
    count = usual.passes[0].logits.shape[1]
    for extremes, of_all in ((detector.feature_min, torch.amin), (detector.feature_max, torch.amax)):
        extremes[:] = [[_of_every_class(found, occurring, count, of_all) for found in stage] for stage in extremes]
    return detector


class _Columns(nn.Module):
    """Takes some of the logits: the library wants those of the classes that occur."""

    def __init__(self, chosen: Tensor) -> None:
        super().__init__()
        self.chosen = chosen

    def forward(self, logits: Tensor) -> Tensor:
        return logits[:, self.chosen]


def _of_every_class(found: Tensor, occurring: Tensor, count: int, of_all: Callable[..., Tensor]) -> Tensor:
    """Extremes [count, C] of those of the classes that occur; of the others, of all images."""
    spread = of_all(found, dim=0).repeat(count, 1)
    spread[occurring] = found
    return spread


def _split(member: nn.Module) -> tuple[list[nn.Sequential], nn.Sequential]:
    """A chain's parts, each up to the end of a stage, and what follows."""
    ends, parts, part = stages_of(member), [], list[nn.Module]()
    for child in member.children():
        part.append(child)
        if child in ends:
            parts.append(nn.Sequential(*part))
            part = []
    return parts, nn.Sequential(*part)
