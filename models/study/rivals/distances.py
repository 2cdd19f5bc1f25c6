"""Rivals that measure how far features lie from usual ones."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .library import detectors
from .passes import Pass
from .usual import Score, Usual


def last_mahalanobis(usual: Usual, setting: str) -> Score:
    """Mahalanobis distance of the last features to the nearest class's mean (Lee et al. 2018, arXiv 1807.03888), of
    all members' features as one vector ("joint"), or the mean over the members ("mean")."""
    read = _together if setting == "joint" else _apart
    fitted = [_Mahalanobis(features, usual.classes) for features in read(usual.passes)]
    return lambda passes: torch.stack(
        [nearest.distance(features) for nearest, features in zip(fitted, read(passes), strict=True)]
    ).mean(dim=0)


def all_mahalanobis(usual: Usual, setting: str) -> Score:
    """Sum over layers and members of the Mahalanobis distances of the channels' means to the nearest class's
    (Lee et al. 2018), behind each stage ("stage_means") or of what each activation reads ("layer_means")."""

    def read(passes: Sequence[Pass]) -> list[Tensor]:
        return [means for seen in passes for means in getattr(seen, setting)]

    fitted = [_Mahalanobis(means, usual.classes) for means in read(usual.passes)]
    return lambda passes: torch.stack(
        [nearest.distance(means) for nearest, means in zip(fitted, read(passes), strict=True)]
    ).sum(dim=0)


def nearest_neighbours(usual: Usual, k: int) -> Score:
    """The distance to the k-th nearest usual image's last features, each of length 1 (Sun et al. 2022,
    arXiv 2204.06507), of all members' features as one vector.

    Written here and not taken from pytorch-ood, whose search by scikit-learn is no part of a graph that can be timed.
    """
    (bank,) = (_unit(features) for features in _together(usual.passes))

    def score(passes: Sequence[Pass]) -> Tensor:
        (features,) = _together(passes)
        squared = 2 - 2 * _unit(features) @ bank.T
        return squared.clamp_min(0).topk(k, dim=1, largest=False).values[:, -1].sqrt()

    return score


def virtual_logit(usual: Usual, share: float) -> Score:
    """ViM: the length of the last features outside of their principal subspace as one more logit (Wang et al. 2022,
    arXiv 2203.10807), the mean over the members. share: of the features' dimensions that the subspace has."""
    fitted = []
    for seen in usual.passes:
        detector = detectors().ViM(None, int(share * seen.features.shape[1]), seen.weight, seen.bias)
        fitted.append(detector.fit_features(seen.features, usual.classes))
    return lambda passes: torch.stack(
        [detector.predict_features(seen.features) for detector, seen in zip(fitted, passes, strict=True)]
    ).mean(dim=0)


class _Mahalanobis:
    """pytorch-ood's means and precision, applied by operators that can be exported: its own way reads `.data`, where
    tracing ends. classes: those that occur are counted through, since the library wants all of them to."""

    def __init__(self, features: Tensor, classes: Tensor) -> None:
        self._fitted = detectors().Mahalanobis(None).fit_features(features, classes.unique(return_inverse=True)[1])

    def distance(self, features: Tensor) -> Tensor:
        """Half the squared distance to the nearest class's mean, [n]."""
        apart = features[:, None] - self._fitted.mu[None]
        return 0.5 * ((apart @ self._fitted.precision) * apart).sum(dim=2).min(dim=1).values


def _together(passes: Sequence[Pass]) -> list[Tensor]:
    return [torch.cat([seen.features for seen in passes], dim=1)]


def _apart(passes: Sequence[Pass]) -> list[Tensor]:
    return [seen.features for seen in passes]


def _unit(features: Tensor) -> Tensor:
    return features / features.norm(dim=1, keepdim=True).clamp_min(1e-12)
