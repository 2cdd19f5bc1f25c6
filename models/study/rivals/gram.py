"""Gram matrices (Sastry & Oore 2020, arXiv 1912.12510)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .library import detectors
from .passes import forward_pass, stages_of
from .usual import Score, Usual

BATCH = 50


def gram_matrices(usual: Usual, powers: int) -> Score:
    """Measure how far the rows' sums of the activations' Gram matrices, of powers 1 to `powers`, leave the range that
    they have on usual images of the predicted class: the sum over stages, the mean over the members. Where results are
    values all images are of one class.

    The range of a class of which there is no usual image is that of all of them: the paper knows no such class, and the
    library refuses it. With fewer than ten images a class the library weighs all stages alike.
    """
    fitted = [_fitted(member, usual, powers) for member in usual.members]
    count = _classes(usual)
    return lambda passes: torch.stack(
        [
            detector.predict_structured(_by_class(seen.logits, count), list(seen.stages))
            for detector, seen in zip(fitted, passes, strict=True)
        ]
    ).mean(dim=0)


def _classes(usual: Usual) -> int:
    return 1 if len(usual.classes.unique()) == 1 else usual.passes[0].logits.shape[1]


class _Stages:
    """A member as the chain of stages that the library runs: the first runs it, the others give what it showed. Of the
    logits the library wants those of the classes that occur."""

    def __init__(self, member: nn.Module, classes: int, occurring: Tensor) -> None:
        self._member, self._classes, self._occurring = member, classes, occurring
        self._stages: list[Tensor] = []
        self._logits = torch.empty(0)

    def first(self, images: Tensor) -> Tensor:
        seen = forward_pass(self._member, images)
        self._stages, self._logits = list(seen.stages), _by_class(seen.logits, self._classes)[:, self._occurring]
        return self._next(images)

    def _next(self, previous: Tensor) -> Tensor:
        return self._stages.pop(0)

    def head(self, previous: Tensor) -> Tensor:
        return self._logits

    def parts(self) -> list[Any]:
        return [self.first, *[self._next] * (len(stages_of(self._member)) - 1)]


def _by_class(logits: Tensor, classes: int) -> Tensor:
    return logits if classes > 1 else torch.zeros(len(logits), 1)


def _fitted(member: nn.Module, usual: Usual, powers: int) -> Any:
    occurring, numbered = usual.classes.unique(return_inverse=True)
    count = _classes(usual)
    stages = _Stages(member, count, occurring)
    detector = detectors().Gram(stages.head, stages.parts(), len(occurring), num_poles_list=list(range(1, powers + 1)))
    torch.manual_seed(0)  # a tenth of the images is held out at random
    detector.fit(list(zip(usual.images.split(BATCH), numbered.split(BATCH), strict=True)))
    for extremes, of_all in ((detector.feature_min, torch.amin), (detector.feature_max, torch.amax)):
        extremes[:] = [[_of_every_class(found, occurring, count, of_all) for found in stage] for stage in extremes]
    return detector


def _of_every_class(found: Tensor, occurring: Tensor, count: int, of_all: Callable[..., Tensor]) -> Tensor:
    """Extremes [count, C] of those of the classes that occur; of the others, of all images."""
    spread = of_all(found, dim=0).repeat(count, 1)
    spread[occurring] = found
    return spread
