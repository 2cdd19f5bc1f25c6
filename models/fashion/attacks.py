"""Attacks by foolbox (Rauber et al. 2020, doi 10.21105/joss.02607), as a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import eagerpy
import foolbox
import torch
from foolbox import attacks
from torch import Tensor, nn


class MarginPGD(attacks.LinfProjectedGradientDescentAttack):
    """Projected gradient descent on the margin of the best wrong logit over the right one: it goes on
    after the class has changed, to high confidence."""

    def get_loss_fn(self, model: Any, labels: Any) -> Callable[[Any], Any]:
        def loss(inputs: Any) -> Any:
            logits = model(inputs)
            rows = range(logits.shape[0])
            right = logits[rows, labels]
            others = logits - eagerpy.onehot_like(logits, labels, value=1e9)
            return (others.max(axis=-1) - right).sum()

        return loss


@dataclass(frozen=True)
class Attack:
    """An attack of foolbox. epsilon: the largest change in the attack's own norm, None where it looks for the least
    that succeeds."""

    make: Callable[[], Any]
    epsilon: float | None


ATTACKS: dict[str, Attack] = {
    "FGSM, 0.05": Attack(attacks.LinfFastGradientAttack, 0.05),
    "FGSM, 0.1": Attack(attacks.LinfFastGradientAttack, 0.1),
    "PGD, 0.03": Attack(lambda: attacks.LinfPGD(steps=20), 0.03),
    "PGD, 0.1": Attack(lambda: attacks.LinfPGD(steps=40), 0.1),
    "PGD L2, 0.5": Attack(lambda: attacks.L2PGD(steps=40), 0.5),
    "PGD L2, 1.5": Attack(lambda: attacks.L2PGD(steps=40), 1.5),
    "margin PGD, 0.1": Attack(lambda: MarginPGD(steps=60, rel_stepsize=0.05), 0.1),
    "DeepFool L2": Attack(attacks.L2DeepFoolAttack, None),
    "Carlini & Wagner L2": Attack(
        lambda: attacks.L2CarliniWagnerAttack(steps=100, binary_search_steps=4, stepsize=0.02), None
    ),
}
"""The attacks of the study by name, on images in [0, 1]."""


def attacked(network: nn.Module, images: Tensor, classes: Tensor, attack: Attack) -> Tensor:
    """Attack images [n, 1, 28, 28], and give those that then get a wrong class, [m, 1, 28, 28]."""
    torch.manual_seed(0)
    model = foolbox.PyTorchModel(network, bounds=(0, 1))
    wrong = foolbox.criteria.Misclassification(classes)
    _, changed, success = attack.make()(model, images, wrong, epsilons=attack.epsilon)
    return changed[success]
