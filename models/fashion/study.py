"""Remake every figure of the evidence: `python -m fisherlens.models.fashion.study --weights DIR --out DIR`.

Trained networks come from `train`; the study exports them, attacks them, scores usual, attacked and
unusual images by Fisherlens and by its rivals, and writes NAME.json, NAME.md and ROC curves NAME.png of each.
Attacked images and scores are kept in the output folder: a second run continues.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor, nn

from fisherlens.edge.bundle import Bundle

from . import adaptive, bundles, dataset, rivals, train
from .attacks import ATTACKS, attacked
from .detection import Auroc, Rate, detected
from .evidence import Evidence, Scores, write_evidence
from .unusual import ALTERED, left_out

OURS = {
    "Fisher trace": "fisher_trace",
    "Fisher form": "fisher_form",
    "Fisher profile alone": "fisher_profile",
    "Fisher profile and trace, combined": "combined",
}
"""Names in the evidence of the checks in the bundles."""

BUDGETS = (0.03, 0.1)
"""Largest changes of a pixel by the adaptive attack."""

UNSEEN = "left-out classes"
"""Name in the evidence of images of classes that a network has never seen."""

UNADAPTED = "the same by PGD that does not know the check"
"""Name in the evidence of the attack that the adaptive one is held against."""


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
        write_evidence(evidence, scores, out)
        click.echo(f"{out / (name + '.md')}")


def study(
    name: str, weights: Path, out: Path, images: int, usual: int, adaptive_images: int
) -> tuple[Evidence, Scores]:
    """Attack one network, score usual, attacked and altered images, and tabulate how well scores tell them apart."""
    network = train.load(weights, "residual-0" if name == "residual" else name)
    chosen, classes = _recognised(network, images)
    everyday = dataset.evaluation()[0][-usual:]
    unusual = dict(_unusual(network, chosen, classes, out / f"{name}-attacked"))

    checked, costs = _bundles(network, name, out)
    others = _rivals(network, name, weights)
    parts = {"usual": chosen, "calibration": dataset.calibration()[0][1::2][:2000], "everyday": everyday, **unusual}
    scores = {key: _kept(out / f"{name}-scores", key, checked, others, part) for key, part in parts.items()}
    unseen, areas = _left_out(name, weights, out, images)

    bundle = checked[0]
    evidence = Evidence(
        network=name,
        accuracy=train.accuracy(network, *dataset.evaluation()),
        auroc={key: _areas(scores["usual"], scores[key]) for key in unusual} | {UNSEEN: areas},
        at_1={key: _rates(scores["calibration"], scores[key], 0.01) for key in unusual},
        at_5={key: _rates(scores["calibration"], scores[key], 0.05) for key in unusual},
        counts={key: len(part) for key, part in unusual.items()} | {UNSEEN: unseen},
        costs=costs | {rival: entry.passes for rival, entry in others.items()},
        false_alarms=_rates(scores["calibration"], scores["everyday"], bundles.ALPHA)
        | {"combined, in the bundle": _flagged(bundle, everyday)},
        adaptive={
            f"{epsilon:g}": _adaptive(bundle, chosen[:adaptive_images], classes[:adaptive_images], epsilon)
            | {UNADAPTED: _passed(bundle, unusual[f"PGD, {epsilon:g}"], len(chosen))}
            for epsilon in BUDGETS
        },
    )
    return evidence, scores


def _recognised(network: nn.Module, count: int) -> tuple[Tensor, Tensor]:
    """At most `count` test images, with their classes, that the network recognises."""
    images, classes = (part[: 2 * count] for part in dataset.evaluation())
    with torch.no_grad():
        right = network(images).argmax(dim=1) == classes
    return images[right][:count], classes[right][:count]


def _unusual(network: nn.Module, images: Tensor, classes: Tensor, folder: Path) -> Iterable[tuple[str, Tensor]]:
    """Attacked images, made once and kept, and altered ones."""
    folder.mkdir(exist_ok=True)
    for key, attack in track(ATTACKS.items(), "attack"):
        path = folder / f"{key.replace('/', '_')}.npy"
        if not path.exists():
            np.save(path, attacked(network, images, classes, attack).numpy())
        yield key, torch.from_numpy(np.load(path))
    for key, alter in ALTERED.items():
        yield key, alter(images)


def _bundles(network: nn.Module, name: str, out: Path) -> tuple[list[Bundle], dict[str, float]]:
    """The bundle, and one with the Fisher form alone; and the costs of both, and of profile and trace alone."""
    traced = bundles.network_of(network, name)
    found, costs = [], {}
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
        costs[title] = bundles.cost(path, traced)
    return found[:2], costs


def _progress(items: Iterable[Any], label: str) -> Iterable[Any]:
    return track(list(items), label)


def _rivals(network: nn.Module, name: str, weights: Path) -> dict[str, rivals.Rival]:
    """Rivals fitted on every other calibration image; the rest tell what of their scores is usual."""
    ensemble = [train.load(weights, f"residual-{i}") for i in range(train.MEMBERS)] if name == "residual" else []
    images, classes = dataset.calibration()
    return rivals.rivals(network, ensemble, images[::2], classes[::2])


def _kept(
    folder: Path, key: str, checked: Sequence[Bundle], others: Mapping[str, rivals.Rival], images: Tensor
) -> dict[str, NDArray[np.float64]]:
    """Scores of the images, made once and kept."""
    path = folder / f"{key.replace('/', '_')}.npz"
    if not path.exists():
        folder.mkdir(exist_ok=True)
        np.savez(path, **_scores(checked, others, images))  # type: ignore[arg-type]
    return dict(np.load(path))


def _scores(
    checked: Sequence[Bundle], others: Mapping[str, rivals.Rival], images: Tensor
) -> dict[str, NDArray[np.float64]]:
    """Scores of the images by the rivals and by the checks in the bundles, larger for more unusual: [n] each."""
    ours = {check: found for bundle in checked for check, found in bundles.statistics(bundle, images)[0].items()}
    by_rivals = {rival: _batched(entry.score, images) for rival, entry in others.items()}
    return by_rivals | {title: ours[check].astype(float) for title, check in OURS.items() if check in ours}


def _batched(score: Callable[[Tensor], Tensor], images: Tensor) -> NDArray[np.float64]:
    return torch.cat([score(part).detach() for part in images.split(250)]).double().numpy()


def _left_out(name: str, weights: Path, out: Path, images: int) -> tuple[int, dict[str, Auroc]]:
    """How many images of classes that a network has never seen, and how well they are told from usual images of those
    that it knows."""
    network = train.load(weights, f"{name}-left-out")
    known = 10 - train.LEFT_OUT
    path = out / f"{name}-left-out.onnx"
    fitting, fitting_classes = dataset.calibration()
    seen = fitting_classes < known
    if not path.exists():
        bundles.exported(bundles.network_of(network, name), path, _progress, images=fitting[seen])
    checked = [bundles.open_bundle(path)]
    others = rivals.rivals(network, [], fitting[seen][::2], fitting_classes[seen][::2])
    test_images, test_classes = dataset.evaluation()
    usual, unknown = test_images[test_classes < known][:images], left_out(known, images)
    return len(unknown), _areas(_scores(checked, others, usual), _scores(checked, others, unknown))


def _areas(usual: Mapping[str, NDArray], unusual: Mapping[str, NDArray]) -> dict[str, Auroc]:
    return {title: Auroc.of(usual[title], scores) for title, scores in unusual.items()}


def _rates(calibration: Mapping[str, NDArray], scored: Mapping[str, NDArray], alpha: float) -> dict[str, Rate]:
    return {title: detected(calibration[title], scores, alpha) for title, scores in scored.items()}


def _flagged(bundle: Bundle, images: Tensor) -> Rate:
    return Rate.of(bundles.statistics(bundle, images)[1]["combined"] <= bundles.ALPHA)


def _adaptive(bundle: Bundle, images: Tensor, classes: Tensor, epsilon: float) -> dict[str, Rate]:
    attempts = adaptive.attack(bundle.path, images.numpy(), classes.numpy(), epsilon, _progress)
    wrong = np.array([attempt.misclassified for attempt in attempts])
    passed = np.array([attempt.misclassified and attempt.p_value > bundles.ALPHA for attempt in attempts])
    return {"wrong class": Rate.of(wrong), "wrong class, not flagged at 1 %": Rate.of(passed)}


def _passed(bundle: Bundle, found: Tensor, tried: int) -> Rate:
    """Share of the images tried that got a wrong class and were not flagged."""
    p_values = bundles.statistics(bundle, found)[1]["combined"]
    return Rate.of(np.concatenate([p_values > bundles.ALPHA, np.zeros(tried - len(found), bool)]))


if __name__ == "__main__":
    main()
