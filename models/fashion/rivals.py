"""Scores by which others detect unusual images, larger for more unusual: where pytorch-ood (Kirchheim et al.
2022) has it, the library's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Score = Callable[[Tensor], Tensor]
"""Images [n, 1, 28, 28] to scores [n]."""


class LibraryMissing(Exception):
    """pytorch-ood is not installed."""


@dataclass(frozen=True)
class Rival:
    """A score with its cost in passes: a forward pass is 1, a reverse pass 2."""

    score: Score
    passes: float


def rivals(network: nn.Module, ensemble: Sequence[nn.Module], images: Tensor, classes: Tensor) -> dict[str, Rival]:
    """All rivals by name; those that must be fitted are fitted on usual images [n, 1, 28, 28] of known classes."""
    detectors = _detectors()
    before, last = _split(network)
    mahalanobis = detectors.Mahalanobis(before)
    with torch.no_grad():
        mahalanobis.fit_features(before(images), classes)
    weight = f"{len(list(network.children())) - 1}.weight"
    gradnorm = detectors.GradNorm(network, param_filter=lambda name: name == weight)
    found = {
        "maximum softmax": Rival(_quiet(detectors.MaxSoftmax(network)), 1),
        "entropy": Rival(_quiet(detectors.Entropy(network)), 1),
        "energy": Rival(_quiet(detectors.EnergyBased(network)), 1),
        "Mahalanobis, last features": Rival(_quiet(mahalanobis), 1),
        "GradNorm": Rival(lambda x: gradnorm(x).detach(), 1),  # of the last layer: a closed form, not a reverse pass
        "Fisher-Rao sensitivity": Rival(lambda x: _last_layer_trace(before, last, x), 1),
    }
    if ensemble:
        found["ensemble mutual information"] = Rival(lambda x: mutual_information(ensemble, x), len(ensemble))
    return found


def _detectors() -> Any:
    # torchvision's wheel in the index has its operators for CUDA only; nothing here runs them.
    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in ("nms", "qnms"):
        if not hasattr(torch.ops.torchvision, operator):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    try:
        import pytorch_ood.detector as detectors
    except ImportError as error:
        raise LibraryMissing(
            f"{error}. Install it without what it would pull in, a torch with CUDA: "
            "pip install --no-deps pytorch-ood==0.4.0 torchvision==0.28.0"
        ) from error
    return detectors


def _quiet(detector: Callable[[Tensor], Tensor]) -> Score:
    def score(images: Tensor) -> Tensor:
        with torch.no_grad():
            return detector(images)

    return score


def _split(network: nn.Module) -> tuple[nn.Sequential, nn.Linear]:
    """All before the last layer, and that."""
    *before, last = network.children()
    assert isinstance(last, nn.Linear)
    return nn.Sequential(*before), last


def _last_layer_trace(before: nn.Module, last: nn.Linear, images: Tensor) -> Tensor:
    """Trace of the last layer's Fisher information: (|h|^2 + 1) (1 - |p|^2), feature magnitude times output
    uncertainty ("Fisher-Rao Sensitivity for Out-of-Distribution Detection", ICLR 2026; its multiplicative
    form, not the additive score that it ends with)."""
    with torch.no_grad():
        features = before(images)
        p = last(features).softmax(dim=1)
        return ((features**2).sum(dim=1) + 1) * (1 - (p**2).sum(dim=1))


def mutual_information(ensemble: Sequence[nn.Module], images: Tensor) -> Tensor:
    """Mutual information of class and member, H[mean p] - mean H[p] over the members (Depeweg et al. 2018,
    arXiv 1710.07283)."""
    with torch.no_grad():
        p = torch.stack([member(images).softmax(dim=1) for member in ensemble])
    entropy = lambda q: -(q * q.clamp_min(1e-30).log()).sum(dim=-1)  # noqa: E731
    return entropy(p.mean(dim=0)) - entropy(p).mean(dim=0)
