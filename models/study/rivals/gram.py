"""Gram matrices (Sastry & Oore 2020, arXiv 1912.12510)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from .library import detectors
from .passes import stages_of
from .usual import Score, Usual

BATCH = 50


def gram_matrices(usual: Usual, powers: int) -> Score:
    """Measure how far the rows' sums of the activations' Gram matrices, of powers 1 to `powers`, leave the range that
    they have on usual images of the predicted class: the sum over stages, the mean over the members."""
    fitted = [_fitted(member, usual, powers) for member in usual.members]
    return lambda passes: torch.stack(
        [
            detector.predict_structured(seen.logits, list(seen.stages))
            for detector, seen in zip(fitted, passes, strict=True)
        ]
    ).mean(dim=0)


def _fitted(member: nn.Module, usual: Usual, powers: int) -> Any:
    parts, head = _split(member)
    count = usual.passes[0].logits.shape[1]
    detector = detectors().Gram(head, parts, count, num_poles_list=list(range(1, powers + 1)))
    torch.manual_seed(0)  # a tenth of the images is held out at random
    return detector.fit(list(zip(usual.images.split(BATCH), usual.classes.split(BATCH), strict=True)))


def _split(member: nn.Module) -> tuple[list[nn.Sequential], nn.Sequential]:
    """A chain's parts, each up to the end of a stage, and what follows."""
    ends, parts, part = stages_of(member), [], list[nn.Module]()
    for child in member.children():
        part.append(child)
        if child in ends:
            parts.append(nn.Sequential(*part))
            part = []
    return parts, nn.Sequential(*part)
