"""Remake every figure of the evidence: `python -m fisherlens.models.fashion.study --weights DIR --out DIR`.

Trained networks come from `train`; the study exports them, attacks them, scores usual, attacked and
unusual images by Fisherlens and by its rivals, and writes evidence.md, evidence.json and ROC plots.
Attacked images and scores are kept in the output folder: a second run continues.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor, nn

from fisherlens.edge.storage import write_whole

from . import adaptive, bundles, dataset, rivals, train
from .attacks import ATTACKS, attacked
from .detection import Auroc, Rate, detected
from .evidence import write_evidence
from .unusual import ALTERED, left_out

OURS = {
    "Fisher trace": "fisher_trace",
    "Fisher form": "fisher_form",
    "Fisher profile alone": "fisher_profile",
    "Fisher profile and trace, combined": "combined",
}
"""Names in the evidence of the checks in the bundles."""

BUDGETS = (0.03, 0.1)
"""Of the adaptive attack."""


@dataclass
class Evidence:
    """What was found for one network. auroc, at_1, at_5: by set of images, then by score. costs: as
    multiples of the forward pass. adaptive: by budget, the shares of images with a wrong class, and of
    those that no check flags at 1 %, with those of the attack that does not know the check beside."""

    network: str
    accuracy: float
    auroc: dict[str, dict[str, Auroc]] = field(default_factory=dict)
    at_1: dict[str, dict[str, Rate]] = field(default_factory=dict)
    at_5: dict[str, dict[str, Rate]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    costs: dict[str, float] = field(default_factory=dict)
    false_alarms: dict[str, Rate] = field(default_factory=dict)
    adaptive: dict[str, dict[str, Rate]] = field(default_factory=dict)


@click.command()
@click.option("--weights", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--images", default=300, show_default=True, help="Test images that are attacked and altered.")
@click.option("--usual", default=2000, show_default=True, help="Test images that false alarms are counted on.")
@click.option("--adaptive-images", default=30, show_default=True, help="Images for the adaptive attack.")
@click.option("--network", "names", multiple=True, default=("small", "residual"), show_default=True)
def main(weights: Path, out: Path, images: int, usual: int, adaptive_images: int, names: tuple[str, ...]) -> None:
    """Remake the evidence on detection."""
    out.mkdir(parents=True, exist_ok=True)
    for name in names:
        evidence, scores = study(name, weights, out, images, usual, adaptive_images)
        write_whole(out / f"{name}.json", json.dumps(asdict(evidence), indent=1).encode())
        write_evidence(evidence, scores, out)
        click.echo(f"{out / (name + '.md')}")


Scores = dict[str, dict[str, NDArray[np.float64]]]
"""By set of images, then by score."""


def study(
    name: str, weights: Path, out: Path, images: int, usual: int, adaptive_images: int
) -> tuple[Evidence, Scores]:
    """All of one network."""
    label = "residual-0" if name == "residual" else name
    network = train.load(weights, label)
    test_images, test_classes = dataset.evaluation()
    evidence = Evidence(name, train.accuracy(network, test_images, test_classes))
    right = _right(network, test_images[: 2 * images], test_classes[: 2 * images])
    chosen, classes = test_images[: 2 * images][right][:images], test_classes[: 2 * images][right][:images]
    bundle, form = _bundles(network, name, out, evidence)
    ensemble = [train.load(weights, f"residual-{i}") for i in range(train.MEMBERS)] if name == "residual" else []
    fitting, fitting_classes = dataset.calibration()
    others = rivals.rivals(network, ensemble, fitting[::2], fitting_classes[::2])
    evidence.costs |= {rival: scored.passes for rival, scored in others.items()}

    def scored(key: str, part: Tensor) -> dict[str, NDArray[np.float64]]:
        path = out / f"{name}-scores" / f"{key.replace('/', '_')}.npz"
        if not path.exists():
            found = {rival: _batched(entry.score, part) for rival, entry in others.items()}
            ours = bundles.statistics(bundle, part)[0] | bundles.statistics(form, part)[0]
            found |= {title: ours[check].astype(float) for title, check in OURS.items()}
            path.parent.mkdir(exist_ok=True)
            np.savez(path, **found)  # type: ignore[arg-type]
        return dict(np.load(path))

    scores: Scores = {"usual": scored("usual", chosen)}
    calibration = scored("calibration", fitting[1::2][:2000])
    everyday = scored("everyday", test_images[-usual:])
    evidence.false_alarms = {title: detected(calibration[title], everyday[title], bundles.ALPHA) for title in everyday}
    p_values = bundles.statistics(bundle, test_images[-usual:])[1]["combined"]
    evidence.false_alarms["combined, in the bundle"] = Rate.of(p_values <= bundles.ALPHA)
    for key, part in _sets(network, chosen, classes, out / f"{name}-attacked"):
        scores[key] = scored(key, part)
        evidence.counts[key] = len(part)
    for key, found in scores.items():
        if key == "usual":
            continue
        evidence.auroc[key] = {title: Auroc.of(scores["usual"][title], found[title]) for title in found}
        evidence.at_1[key] = {title: detected(calibration[title], found[title], 0.01) for title in found}
        evidence.at_5[key] = {title: detected(calibration[title], found[title], 0.05) for title in found}
    _left_out(evidence, name, weights, out, images)
    for epsilon in BUDGETS:
        by_pgd = torch.from_numpy(np.load(out / f"{name}-attacked" / f"PGD, {epsilon:g}.npy"))
        plain = _passed(bundle, by_pgd, len(chosen))
        evidence.adaptive[f"{epsilon:g}"] = _adaptive(
            bundle, chosen[:adaptive_images], classes[:adaptive_images], epsilon, plain
        )
    return evidence, scores


def _right(network: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    with torch.no_grad():
        return network(images).argmax(dim=1) == classes


def _bundles(network: nn.Module, name: str, out: Path, evidence: Evidence) -> tuple[Any, Any]:
    """The bundle, one with the Fisher form alone, and the costs of both and of the trace alone."""
    traced = bundles.network_of(network, name)
    found = []
    for suffix, checks, title in (
        ("", bundles.CHECKS, "Fisher profile and trace, combined"),
        ("-form", ("fisher_form",), "Fisher form"),
        ("-profile", ("fisher_profile",), "Fisher profile alone"),
        ("-trace", ("fisher_trace",), "Fisher trace"),
    ):
        path = out / f"{name}{suffix}.onnx"
        if not path.exists():
            bundles.exported(traced, path, _progress, checks)
        found.append(bundles.open_bundle(path))
        evidence.costs[title] = bundles.cost(path, traced)
    return found[0], found[1]


def _progress(items: Iterable[Any], label: str) -> Iterable[Any]:
    return track(list(items), label)


def _batched(score: Callable[[Tensor], Tensor], images: Tensor) -> NDArray[np.float64]:
    return torch.cat([score(part).detach() for part in images.split(250)]).double().numpy()


def _sets(network: nn.Module, images: Tensor, classes: Tensor, folder: Path) -> Iterable[tuple[str, Tensor]]:
    """Attacked images, made once and kept, and altered ones."""
    folder.mkdir(exist_ok=True)
    for key, attack in track(ATTACKS.items(), "attack"):
        path = folder / f"{key.replace('/', '_')}.npy"
        if not path.exists():
            np.save(path, attacked(network, images, classes, attack).numpy())
        yield key, torch.from_numpy(np.load(path))
    for key, alter in ALTERED.items():
        yield key, alter(images)


def _left_out(evidence: Evidence, name: str, weights: Path, out: Path, images: int) -> None:
    """Classes that a network has never seen, against usual images of those that it knows."""
    network = train.load(weights, f"{name}-left-out")
    known = 10 - train.LEFT_OUT
    path = out / f"{name}-left-out.onnx"
    fitting, fitting_classes = dataset.calibration()
    seen = fitting_classes < known
    if not path.exists():
        bundles.exported(bundles.network_of(network, name), path, _progress, images=fitting[seen])
    bundle = bundles.open_bundle(path)
    test_images, test_classes = dataset.evaluation()
    usual, unknown = test_images[test_classes < known][:images], left_out(known, images)
    others = rivals.rivals(network, [], fitting[seen][::2], fitting_classes[seen][::2])
    parts = []
    for part in (usual, unknown):
        ours = bundles.statistics(bundle, part)[0]
        found = {title: ours[check].astype(float) for title, check in OURS.items() if check in ours}
        parts.append(found | {rival: _batched(entry.score, part) for rival, entry in others.items()})
    key = "left-out classes"
    evidence.counts[key] = len(unknown)
    evidence.auroc[key] = {title: Auroc.of(parts[0][title], parts[1][title]) for title in parts[0]}


def _adaptive(bundle: Any, images: Tensor, classes: Tensor, epsilon: float, plain: Rate) -> dict[str, Rate]:
    attempts = adaptive.attack(bundle.path, images.numpy(), classes.numpy(), epsilon, _progress)
    wrong = np.array([attempt.misclassified for attempt in attempts])
    passed = np.array([attempt.misclassified and attempt.p_value > bundles.ALPHA for attempt in attempts])
    return {
        "wrong class": Rate.of(wrong),
        "wrong class, not flagged at 1 %": Rate.of(passed),
        "the same by PGD that does not know the check": plain,
    }


def _passed(bundle: Any, found: Tensor, tried: int) -> Rate:
    """Share of the images tried that got a wrong class and were not flagged."""
    p_values = bundles.statistics(bundle, found)[1]["combined"]
    return Rate.of(np.concatenate([p_values > bundles.ALPHA, np.zeros(tried - len(found), bool)]))


if __name__ == "__main__":
    main()
