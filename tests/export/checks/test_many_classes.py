"""Networks of more classes than usual images show, or of a rare one: what is unusual is told all the same.

A regression on the predicted class that expects nothing of a class without images gives these a statistic so large that
nothing exceeds it, and then no image is ever flagged.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from scipy.stats import binom
from torch import Tensor, nn

from fisherlens.edge.bundle import Bundle, open_bundle
from fisherlens.edge.bundle.manifest import Input
from fisherlens.export.checks.judgement import Procedure
from fisherlens.export.heads import Softmax
from fisherlens.export.network.source import from_modules
from fisherlens.export.pipeline import Request, export

CHECKS = ("activation_profile", "fisher_profile")
SIDE = 24
IMAGES = 500
FRESH = 200


class Prototypes(nn.Module):
    """Each class is the neighbourhood of one smooth image."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.features = nn.Sequential(nn.Conv2d(1, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU())
        self.head = nn.Linear(16 * 36, classes)
        with torch.no_grad():
            found = self.features(prototypes(classes)).flatten(1)
            towards = nn.functional.normalize(found - found.mean(dim=0), dim=1) * 40
            self.head.weight.copy_(towards)
            self.head.bias.copy_(-towards @ found.mean(dim=0))

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.features(image).flatten(1))


def prototypes(classes: int) -> Tensor:
    rng = np.random.default_rng(5)
    made = [
        cv2.resize(rng.uniform(0.2, 0.8, (6, 6)), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) for _ in range(classes)
    ]
    return torch.tensor(np.array(made), dtype=torch.float32)[:, None]


@dataclass(frozen=True)
class Case:
    bundle: Bundle
    usual: Callable[[int], np.ndarray]


@pytest.fixture(scope="module", params=["200 classes", "a rare class of ten"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    frequencies = [1.0] * 200 if request.param == "200 classes" else [1.0] * 9 + [0.02]
    return exported(frequencies, CHECKS, IMAGES, tmp_path_factory.mktemp("classes") / "many.onnx")


def exported(frequencies: list[float], checks: tuple[str, ...], count: int, path: Path) -> Case:
    """Export the network of as many classes as there are frequencies, calibrated on `count` images."""
    classes = len(frequencies)
    shown = prototypes(classes).numpy()

    def usual(seed: int) -> np.ndarray:
        rng = np.random.default_rng([7, seed])
        chosen = rng.choice(classes, p=np.array(frequencies) / sum(frequencies))
        noisy = shown[chosen] + rng.normal(0, 0.02, (1, SIDE, SIDE))
        return noisy[None].astype(np.float32)

    networks = from_modules([Prototypes(classes).eval()], (1, 1, SIDE, SIDE), "prototypes")
    wanted = Request(
        name="many",
        version="1",
        head=Softmax(),
        input=Input(),
        procedure=Procedure(checks, "each"),
        alpha=0.02,
        probes=1,
    )
    export(networks, [lambda i=i: usual(i) for i in range(count)], None, wanted, path)  # type: ignore[misc]
    return Case(open_bundle(path), usual)


def p_values(bundle: Bundle, images: list[np.ndarray]) -> np.ndarray:
    return np.array([bundle.run(image, explain=False)["p_value"] for image in images])


def noisy(case: Case, share: float) -> list[np.ndarray]:
    """Mixtures of noise and a share of a usual image."""
    rng = np.random.default_rng(1)
    noise = [rng.uniform(0, 1, (1, 1, SIDE, SIDE)) for _ in range(60)]
    return [(share * case.usual(5000 + k) + (1 - share) * found).astype(np.float32) for k, found in enumerate(noise)]


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_noise_is_flagged_by_every_profile_alone_and_on_usual_images(case: Case, share: float) -> None:
    for check, found in zip(CHECKS, p_values(case.bundle, noisy(case, share)).T, strict=True):
        assert np.mean(found <= 0.01) > 0.8, check


def test_the_rao_score_of_many_classes_does_not_drown_in_their_probabilities(tmp_path: Path) -> None:
    """Five images a class, of which half fit. With a score for each of 200 results none of the noise was flagged."""
    case = exported([1.0] * 200, ("rao_score",), 1000, tmp_path / "many.onnx")
    assert np.mean(p_values(case.bundle, noisy(case, 0.0)) <= 0.01) > 0.2


def test_usual_images_of_all_classes_are_flagged_no_more_often_than_alpha(case: Case) -> None:
    images = [case.usual(10_000 + seed) for seed in range(FRESH)]
    for check, found in zip(CHECKS, p_values(case.bundle, images).T, strict=True):
        assert np.sum(found <= 0.01) <= binom.ppf(0.9999, FRESH, 0.02), check
