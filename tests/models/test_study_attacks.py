"""Attacks of the study keep to their budgets, and what they give is misclassified."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fisherlens.models.study.attacks import (
    Attack,
    attacked,
    carlini_wagner,
    deep_fool,
    fgsm,
    margin_pgd,
    minimal_step,
    pgd,
    pgd_l2,
)
from fisherlens.models.study.classification import Ensemble, mean_log_probability


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    members = [nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 4)) for _ in range(2)]
    return Ensemble(members).eval()


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.rand(30, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def largest(change: Tensor) -> Tensor:
    return change.flatten(1).abs().max(dim=1).values


@pytest.mark.parametrize(
    ("attack", "norm", "budget"),
    [
        (fgsm(0.3), largest, 0.3),
        (pgd(0.2, 5), largest, 0.2),
        (margin_pgd(0.2, 5), largest, 0.2),
        (minimal_step((0.02, 0.1, 0.3), 4), largest, 0.3),
        (pgd_l2(1.0, 5), lambda change: change.flatten(1).norm(dim=1), 1.0),
        (deep_fool(), largest, 1.0),
        (carlini_wagner(20, 2, 0.05, weight=1.0), largest, 1.0),
    ],
)
def test_what_an_attack_gives_is_misclassified_and_within_its_budget(
    network: nn.Module, images: Tensor, attack: Attack, norm: object, budget: float
) -> None:
    classes = network(images).argmax(dim=1)
    found = attacked(network, images, classes, attack)
    assert len(found) > 0
    distances = torch.stack([norm(one[None] - images) for one in found])  # type: ignore[operator]
    nearest = distances.min(dim=1)
    assert float(nearest.values.max()) <= budget + 1e-5
    assert (network(found).argmax(dim=1) != classes[nearest.indices]).all()
    assert ((found >= 0) & (found <= 1)).all()


def test_the_margin_attack_reaches_higher_confidence_than_the_plain_one(network: nn.Module, images: Tensor) -> None:
    classes = network(images).argmax(dim=1)
    plain, margin = (attacked(network, images, classes, attack) for attack in (pgd(0.3, 20), margin_pgd(0.3, 20)))
    confidence = [float(network(found).softmax(dim=1).max(dim=1).values.mean().detach()) for found in (plain, margin)]
    assert confidence[1] > confidence[0]


def test_an_attack_that_takes_long_is_made_on_its_share(network: nn.Module, images: Tensor) -> None:
    classes = network(images).argmax(dim=1)
    assert len(attacked(network, images, classes, deep_fool(share=0.2))) <= 6


def test_the_ensembles_softmax_is_the_mean_probability() -> None:
    logits = [torch.randn(5, 3, dtype=torch.float64) for _ in range(3)]
    mean = torch.stack([values.softmax(dim=1) for values in logits]).mean(dim=0)
    torch.testing.assert_close(mean_log_probability(logits).softmax(dim=1), mean)
