"""Attacks by foolbox on networks that give values: they climb the values' squared normalised error.

None starts at random: of measurements whose detector leaves some pixels at zero these stay so, as no derivative reads
them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import eagerpy
from foolbox import attacks

from .attacks import Attack
from .regression import normalised_error


class _OnError:
    """The loss of a gradient attack whose labels are known values: it grows as the values leave them, and as the stated
    uncertainty shrinks."""

    def get_loss_fn(self, model: Any, labels: Any) -> Callable[[Any], Any]:
        return lambda inputs: eagerpy.astensor((normalised_error(model(inputs).raw, labels.raw) ** 2).sum())


class ErrorFGSM(_OnError, attacks.LinfFastGradientAttack):
    """One step of the gradient's sign."""


class ErrorPGD(_OnError, attacks.LinfProjectedGradientDescentAttack):
    """Projected gradient descent on the largest change."""


class ErrorL2PGD(_OnError, attacks.L2ProjectedGradientDescentAttack):
    """Projected gradient descent on the Euclidean length of the change."""


def fgsm(epsilon: float) -> Attack:
    """One step of the gradient's sign (Goodfellow et al. 2015, arXiv 1412.6572), of size `epsilon`."""
    return Attack(lambda: ErrorFGSM(random_start=False), (epsilon,))


def pgd(epsilon: float, steps: int) -> Attack:
    """Projected gradient descent (Madry et al. 2018, arXiv 1706.06083), changing no value by more than `epsilon`."""
    return minimal_step((epsilon,), steps)


def pgd_l2(epsilon: float, steps: int) -> Attack:
    """Projected gradient descent within the Euclidean distance `epsilon`."""
    return Attack(lambda: ErrorL2PGD(steps=steps, rel_stepsize=2.5 / steps, random_start=False), (epsilon,))


def minimal_step(epsilons: Sequence[float], steps: int) -> Attack:
    """Projected gradient descent with the smallest of the budgets that makes the values wrong."""
    return Attack(lambda: ErrorPGD(steps=steps, rel_stepsize=2.5 / steps, random_start=False), tuple(epsilons))
