"""The attacker who knows the checks: `python -m fisherlens.models.study.adaptive radiograph --data chest ...`.

Projected gradient descent through the bundle's own graph. Each step follows the derivative of the margin of the best
wrong class over the right one, less the checks' common statistic times a weight; several weights are tried, and what
deceives both network and default check is kept. The default check is a cascade, an If without a derivative: it is
attacked by the bundle that computes all its checks of every image, whose statistic is the cascade's on doubtful images.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from fisherlens.edge.bundle import Bundle
from fisherlens.export.derivatives.bundle_gradient import Gradient, result_gradient

from .bundles import ALPHA, DEFAULT_ROW, TOGETHER, exported
from .detection import Rate
from .sets import recognised
from .sources import Sources
from .subject import SubjectMissing
from .subjects import SUBJECTS, of_subject

WEIGHTS = (0.003, 0.03, 0.3)
STEPS = 30
_TINY = 1e-12


@dataclass(frozen=True)
class Attempt:
    """The best that an attack of one image reached. misclassified: whether the class changed. p_value: of the check
    that flags, the largest among images with a wrong class."""

    misclassified: bool
    p_value: float


Judged = Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], float]]
"""Gives of an image [1, C, H, W] the probabilities [K], and the p-value of the check that flags."""


def judged_by(bundle: Bundle) -> Judged:
    """Give a function that says of an image what a bundle says."""
    (flagging,) = [number for number, check in enumerate(bundle.manifest.checks) if check.flags]

    def judge(image: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
        outputs = bundle.run(image, explain=False)
        return outputs["probability"], float(outputs["p_value"][flagging])

    return judge


def attack(
    gradient: Gradient, of_checks: NDArray[np.float32], judge: Judged, image: NDArray[np.float32], label: int,
    epsilon: float,
) -> Attempt:  # fmt: skip
    """Attack an image [1, C, H, W] in [0, 1], changing no value by more than `epsilon`. gradient: of `probability` and
    `statistic`; of_checks: one for the statistic that is to stay small, zero for the others."""
    attempts = [_descend(gradient, -weight * of_checks, judge, image, label, epsilon) for weight in WEIGHTS]
    return max(attempts, key=lambda attempt: (attempt.misclassified, attempt.p_value))


def _descend(
    gradient: Gradient, on_statistic: NDArray[np.float32], judge: Judged, image: NDArray[np.float32], label: int,
    epsilon: float,
) -> Attempt:  # fmt: skip
    change = np.random.default_rng(label).uniform(-epsilon, epsilon, image.shape).astype(np.float32)
    best = Attempt(False, 0.0)
    for step in range(STEPS):
        seen = np.clip(image + change, 0.0, 1.0)
        probability, p_value = judge(seen)
        if probability.argmax() != label and (p_value > best.p_value or not best.misclassified):
            best = Attempt(True, p_value)
        *_, slope = gradient(seen, _margin(probability, label), on_statistic)
        size = epsilon / 4 * (1 - step / STEPS) + epsilon / 50
        change = np.clip(change + size * np.sign(slope), -epsilon, epsilon).astype(np.float32)
    return best


def _margin(probability: NDArray[np.float32], label: int) -> NDArray[np.float32]:
    """Derivative of log p of the best wrong class less log p of the right one."""
    others = probability.copy()
    others[label] = -1.0
    weights = np.zeros_like(probability)
    weights[others.argmax()] = 1.0 / max(float(others.max()), _TINY)
    weights[label] = -1.0 / max(float(probability[label]), _TINY)
    return weights


@click.command()
@of_subject
@click.option("--images", default=30, show_default=True, help="Recognised images that are attacked.")
@click.option("--level", "levels", type=float, multiple=True, default=(1.0, 2.0, 4.0), show_default=True)
@click.option("--of", default=255.0, show_default=True, help="Largest value of which levels are a share.")
def main(
    subject: str, data: Path | None, weights: Path, out: Path, images: int, levels: tuple[float, ...], of: float
) -> None:
    """Print how often an attacker who knows the default check changes the class, and is not flagged."""
    out.mkdir(parents=True, exist_ok=True)
    try:
        studied = SUBJECTS[subject](Sources(data, weights, 4000))
    except SubjectMissing as error:
        raise click.ClickException(str(error)) from error
    if not studied.task.classes:
        raise click.ClickException(f"{subject}: its results are values; this attacker changes classes")
    differentiated = exported(studied, TOGETHER, out)
    names = [check.name for check in differentiated.manifest.checks]
    of_checks = np.array([name == "combined" for name in names], np.float32)
    gradient = result_gradient(differentiated.path, "probability", "statistic")
    judge = judged_by(exported(studied, DEFAULT_ROW, out))
    part = recognised(studied, studied.network, studied.evaluation.mixed(len(studied.evaluation)), images)
    table = Table("each value may change by", "wrong class", f"wrong class, not flagged at {100 * ALPHA:g} %")
    for level in levels:
        pairs = list(zip(part.images.numpy(), part.known.tolist(), strict=True))
        attempts = [
            attack(gradient, of_checks, judge, image[None], label, level / of)
            for image, label in track(pairs, f"adaptive attack, {level:g} of {of:g}")
        ]
        wrong = np.array([attempt.misclassified for attempt in attempts])
        passed = np.array([attempt.misclassified and attempt.p_value > ALPHA for attempt in attempts])
        table.add_row(f"{level:g} of {of:g}", *(_percent(Rate.of(share)) for share in (wrong, passed)))
    Console(highlight=False).print(table)


def _percent(rate: Rate) -> str:
    return f"{100 * rate.value:.0f} % ({100 * rate.low:.0f}–{100 * rate.high:.0f})"


if __name__ == "__main__":
    main()
