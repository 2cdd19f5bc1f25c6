"""The attacker who knows the check: projected gradient descent through the bundle's own graph.

Each step follows the derivative of the margin of the best wrong class over the right one, less the
combined statistic times a weight: where the check is differentiated, so is the reverse pass in it.
Several weights are tried, and what deceives both network and check is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fisherlens.edge.bundle import open_bundle
from fisherlens.export.derivatives.bundle_gradient import Gradient, result_gradient
from fisherlens.export.progress import Progress

WEIGHTS = (0.003, 0.03, 0.3)
STEPS = 40
_TINY = 1e-12


@dataclass(frozen=True)
class Attempt:
    """The best that an attack of one image reached. misclassified: whether the class changed. p_value: of
    the combined check, the largest among images with a wrong class."""

    misclassified: bool
    p_value: float


def attack(
    bundle: Path,
    images: NDArray[np.float32],
    classes: NDArray[np.int64],
    epsilon: float,
    progress: Progress,
) -> list[Attempt]:
    """Attack each of the images [n, C, H, W] in [0, 1], changing no value by more than `epsilon`."""
    manifest = open_bundle(bundle).manifest
    checks, count = [check.name for check in manifest.checks], len(manifest.classes)
    gradient = result_gradient(bundle, "probability", "statistic", "p_value")
    items = progress(list(zip(images, classes, strict=True)), f"adaptive attack, {epsilon}")
    return [
        max(
            (_descend(gradient, image[None], int(label), count, epsilon, weight, checks) for weight in WEIGHTS),
            key=lambda attempt: (attempt.misclassified, attempt.p_value),
        )
        for image, label in items
    ]


def _descend(
    gradient: Gradient,
    image: NDArray[np.float32],
    label: int,
    classes: int,
    epsilon: float,
    weight: float,
    checks: list[str],
) -> Attempt:
    combined = checks.index("combined")
    change = np.random.default_rng(label).uniform(-epsilon, epsilon, image.shape).astype(np.float32)
    best = Attempt(False, 0.0)
    on_statistic, on_p_value = np.zeros((2, len(checks)), np.float32)
    on_statistic[combined] = -weight
    on_probability = np.zeros(classes, np.float32)  # the first step only looks
    for step in range(STEPS + 2):
        seen = np.clip(image + change, 0.0, 1.0)
        probability, _, p_value, slope = gradient(seen, on_probability, on_statistic, on_p_value)
        if probability.argmax() != label and p_value[combined] > best.p_value:
            best = Attempt(True, float(p_value[combined]))
        if step:
            size = epsilon / 4 * (1 - step / (STEPS + 2)) + epsilon / 50
            change = np.clip(change + size * np.sign(slope), -epsilon, epsilon)
        on_probability = _margin(probability, label)
    return best


def _margin(probability: NDArray[np.float32], label: int) -> NDArray[np.float32]:
    """Derivative of log p of the best wrong class less log p of the right one."""
    others = probability.copy()
    others[label] = -1.0
    weights = np.zeros_like(probability)
    weights[others.argmax()] = 1.0 / max(float(others.max()), _TINY)
    weights[label] = -1.0 / max(float(probability[label]), _TINY)
    return weights
