"""Rivals that measure gradients and Fisher information of the last layer, whose closed forms need no reverse pass."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .passes import Pass
from .usual import Score, Usual

_TINY = 1e-12


def gradient_norm(passes: Sequence[Pass]) -> Tensor:
    """GradNorm: less the sum of magnitudes of the gradient, in the last layer's weights, of the cross entropy to equal
    probabilities: |h|_1 |p - 1/K|_1 (Huang et al. 2021, arXiv 2110.00218, eq. 8), the mean over the members.

    The closed form, and not pytorch-ood's reverse pass, is what a fair cost is measured of.
    """
    norms = [
        seen.features.abs().sum(dim=1) * (seen.logits.softmax(dim=1) - 1 / seen.logits.shape[1]).abs().sum(dim=1)
        for seen in passes
    ]
    return -torch.stack(norms).mean(dim=0)


def fisher_rao_product(passes: Sequence[Pass]) -> Tensor:
    """Trace of the last layer's Fisher information: (|h|^2 + 1) (1 - |p|^2), feature magnitude times output
    uncertainty ("Fisher-Rao Sensitivity for Out-of-Distribution Detection", ICLR 2026, the multiplicative form), the
    mean over the members."""
    return torch.stack([torch.stack(_factors(seen)).prod(dim=0) for seen in passes]).mean(dim=0)


def fisher_rao_sum(usual: Usual, weight: float) -> Score:
    """The additive form of the same: logarithms of output uncertainty and, times `weight`, of feature magnitude, each
    less its mean and over its deviation on usual images, the mean over the members.

    The paper's own weights of the two are not known here: the study chooses among several.
    """
    usual_logs = [_logs(seen) for seen in usual.passes]
    scales = [(logs.mean(dim=1, keepdim=True), logs.std(dim=1, keepdim=True) + _TINY) for logs in usual_logs]

    def score(passes: Sequence[Pass]) -> Tensor:
        standard = [(_logs(seen) - mean) / deviation for seen, (mean, deviation) in zip(passes, scales, strict=True)]
        return torch.stack([uncertainty + weight * magnitude for magnitude, uncertainty in standard]).mean(dim=0)

    return score


def _factors(seen: Pass) -> tuple[Tensor, Tensor]:
    """Feature magnitude and output uncertainty, [n] each."""
    p = seen.logits.softmax(dim=1)
    return (seen.features**2).sum(dim=1) + 1, (p * (1 - p)).sum(dim=1)


def _logs(seen: Pass) -> Tensor:
    return torch.stack([factor.clamp_min(_TINY).log() for factor in _factors(seen)])
