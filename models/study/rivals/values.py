"""Rivals that read the values and uncertainties that a regression's members give."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ..regression import means_and_variances, total_variance
from .passes import Pass

_TINY = 1e-20


def total_uncertainty(passes: Sequence[Pass]) -> Tensor:
    """The logarithm of the ensemble's variance, the mean over measurands and pixels."""
    return _mean_log(total_variance(*means_and_variances([seen.logits for seen in passes])))


def spread_of_members(passes: Sequence[Pass]) -> Tensor:
    """The logarithm of the variance of the members' means, the mean over measurands and pixels; pixels where all agree
    count as one small constant."""
    means, _ = means_and_variances([seen.logits for seen in passes])
    return _mean_log(means.var(dim=0, correction=0))


def _mean_log(variance: Tensor) -> Tensor:
    return variance.clamp_min(_TINY).log().flatten(1).mean(dim=1)
