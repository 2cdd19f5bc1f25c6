"""Attacks by foolbox (Rauber et al. 2020, doi 10.21105/joss.02607), as rows of a subject's table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import eagerpy
import foolbox
import torch
from foolbox import attacks
from torch import Tensor, nn

BATCH = 25
"""Images that are attacked at once: a failing machine loses no more, and progress shows."""


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
    """An attack of foolbox. epsilons: the largest change in the attack's own norm; of several, each image gets the
    smallest that succeeds; none where the attack itself looks for the least. share: of the images that others are made
    on, for attacks that take long."""

    make: Callable[[], Any]
    epsilons: tuple[float, ...] = ()
    share: float = 1.0


def fgsm(epsilon: float) -> Attack:
    """One step of the gradient's sign (Goodfellow et al. 2015, arXiv 1412.6572), of size `epsilon`."""
    return Attack(attacks.LinfFastGradientAttack, (epsilon,))


def pgd(epsilon: float, steps: int) -> Attack:
    """Projected gradient descent (Madry et al. 2018, arXiv 1706.06083), changing no value by more than `epsilon`."""
    return Attack(lambda: attacks.LinfPGD(steps=steps, rel_stepsize=2.5 / steps), (epsilon,))


def pgd_l2(epsilon: float, steps: int) -> Attack:
    """Projected gradient descent within the Euclidean distance `epsilon`."""
    return Attack(lambda: attacks.L2PGD(steps=steps, rel_stepsize=2.5 / steps), (epsilon,))


def margin_pgd(epsilon: float, steps: int) -> Attack:
    """Projected gradient descent to high confidence in a wrong class."""
    return Attack(lambda: MarginPGD(steps=steps, rel_stepsize=2.5 / steps), (epsilon,))


def minimal_step(epsilons: Sequence[float], steps: int) -> Attack:
    """Projected gradient descent with the smallest of the budgets that changes the class."""
    return Attack(lambda: attacks.LinfPGD(steps=steps, rel_stepsize=2.5 / steps), tuple(epsilons))


def deep_fool(share: float = 1.0) -> Attack:
    """DeepFool in the Euclidean norm (Moosavi-Dezfooli et al. 2016, arXiv 1511.04599)."""
    return Attack(attacks.L2DeepFoolAttack, share=share)


def carlini_wagner(steps: int, searches: int, step_size: float, weight: float, share: float = 1.0) -> Attack:
    """Carlini & Wagner's attack in the Euclidean norm (2017, arXiv 1608.04644), `searches` times of `steps`. weight: of
    the margin beside the squared distance in the first search, ten times as large after one that failed."""
    return Attack(
        lambda: attacks.L2CarliniWagnerAttack(
            steps=steps, binary_search_steps=searches, stepsize=step_size, initial_const=weight
        ),
        share=share,
    )


def attacked(
    network: nn.Module,
    images: Tensor,
    known: Tensor,
    attack: Attack,
    wrong: Callable[[Tensor], Any] = foolbox.criteria.Misclassification,
    bounds: tuple[float, float] = (0.0, 1.0),
    progress: Callable[[Sequence[Any]], Iterable[Any]] = iter,
) -> Tensor:
    """Attack images [n, C, H, W] whose results are right, and give those that then get a wrong one, [m, C, H, W].

    network: images to logits, or to what else `wrong` reads, in evaluation mode. known: their classes int64 [n], or
    what else is known of them; wrong: makes of it the criterion of success. bounds: of the images' values. progress:
    shows how many batches are done.
    """
    count = max(1, round(attack.share * len(images)))
    batches = list(zip(images[:count].split(BATCH), known[:count].split(BATCH), strict=True))
    found = []
    for number, (batch, of_batch) in enumerate(progress(batches)):
        torch.manual_seed(number)
        model = foolbox.PyTorchModel(network, bounds=bounds)
        found.append(_least(*attack.make()(model, batch, wrong(of_batch), epsilons=list(attack.epsilons) or None)[1:]))
    return torch.cat(found)


def _least(changed: Any, success: Tensor) -> Tensor:
    """The first success of each image: `changed` and `success` come budget by budget, in their order, or without."""
    if isinstance(changed, Tensor):
        return changed[success]
    stacked, first = torch.stack(list(changed)), success.int().argmax(dim=0)
    return stacked[first, torch.arange(len(first))][success.any(dim=0)]
