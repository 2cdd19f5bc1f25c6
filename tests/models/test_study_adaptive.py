"""The attacker who knows the checks, on a linear network whose margin and check have closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from fisherlens.models.study.adaptive import attack

SHAPE = (1, 1, 6, 6)
TOWARDS = np.sign(np.random.default_rng(0).normal(size=SHAPE)).astype(np.float32)
USUAL = np.full(SHAPE, 0.5, np.float32)
MARGIN = 1.8
"""Log odds of the usual image's class: a change of epsilon in each of 36 pixels takes 36 epsilon off."""


def odds(image: NDArray[np.float32]) -> float:
    return MARGIN - float((TOWARDS * (image - USUAL)).sum())


def probability(image: NDArray[np.float32]) -> NDArray[np.float32]:
    p = 1 / (1 + np.exp(-odds(image)))
    return np.array([p, 1 - p], np.float32)


def gradient(
    image: NDArray[np.float32], on_probability: NDArray[np.float32], on_statistic: NDArray[np.float32]
) -> tuple[NDArray[np.float32], ...]:
    """Of the probability alone: the statistic is a constant."""
    p = probability(image)
    slope = (on_probability[1] - on_probability[0]) * p[0] * p[1] * TOWARDS
    return p, np.zeros(1, np.float32), slope


@pytest.mark.parametrize(("epsilon", "possible"), [(0.9 * MARGIN / 36, False), (1.2 * MARGIN / 36, True)])
def test_a_class_is_changed_where_the_budget_suffices_and_no_further(epsilon: float, possible: bool) -> None:
    furthest = 0.0

    def judge(image: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
        nonlocal furthest
        furthest = max(furthest, float(np.abs(image - USUAL).max()))
        return probability(image), 0.5

    found = attack(gradient, np.ones(1, np.float32), judge, USUAL, 0, epsilon)
    assert found.misclassified is possible
    assert found.p_value == (0.5 if possible else 0.0)
    assert furthest <= epsilon + 1e-6


def test_of_images_that_deceive_the_network_the_least_unusual_counts() -> None:
    """The p-value falls with the size of the change: the best attempt has just changed the class."""

    def judge(image: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
        return probability(image), 1.0 - float(np.abs(image - USUAL).mean())

    found = attack(gradient, np.ones(1, np.float32), judge, USUAL, 0, 0.2)
    assert found.misclassified
    assert 1.0 - found.p_value < 0.2
