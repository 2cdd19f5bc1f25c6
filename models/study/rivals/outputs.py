"""Rivals that read a network's outputs alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..classification import mean_log_probability
from .library import detectors
from .passes import Pass


def maximum_softmax(passes: Sequence[Pass]) -> Tensor:
    """Less the largest mean probability (Hendrycks & Gimpel 2017, arXiv 1610.02136)."""
    return detectors().MaxSoftmax.score(mean_log_probability([seen.logits for seen in passes]))


def entropy(passes: Sequence[Pass]) -> Tensor:
    """The entropy of the mean probability."""
    return detectors().Entropy.score(mean_log_probability([seen.logits for seen in passes]))


def energy(passes: Sequence[Pass]) -> Tensor:
    """Less the log-sum-exp of the logits (Liu et al. 2020, arXiv 2010.03759), the mean over the members."""
    return torch.stack([detectors().EnergyBased.score(seen.logits) for seen in passes]).mean(dim=0)


def mutual_information(passes: Sequence[Pass]) -> Tensor:
    """Mutual information of class and member, H[mean p] - mean H[p] over the members (Depeweg et al. 2018,
    arXiv 1710.07283)."""
    p = torch.stack([seen.logits.softmax(dim=1) for seen in passes])
    return _entropy(p.mean(dim=0)) - _entropy(p).mean(dim=0)


def _entropy(p: Tensor) -> Tensor:
    return -(p * p.clamp_min(1e-30).log()).sum(dim=-1)
