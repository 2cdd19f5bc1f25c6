"""An acceptance test of a simulated system: usual images over a range of dose, and unusual ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fisherlens.edge.runtime import Image
from fisherlens.edge.verdict import Verdict

from . import BUNDLE
from .population import Acquisition
from .systems import repeated
from .unusual import attack, degraded, without_phantom

SYSTEM = "scintillator, 0.1 mm"
DOSES_UGY = (50.0, 70.0, 100.0, 140.0, 200.0)


@dataclass(frozen=True)
class Scene:
    """One image of the acceptance test, with the truth about it. truth: threshold gold
    thickness in um [5], None where the image has none."""

    name: str
    description: str
    acquisition: Acquisition
    truth: NDArray[np.float64] | None
    attacked: bool = False

    def image(self) -> NDArray[np.uint16]:
        """Simulate it: uint16 [rows, columns]."""
        pixels = self.acquisition.image()
        return attack(BUNDLE)(pixels) if self.attacked else pixels


@dataclass(frozen=True)
class ScoredScene:
    """A scene with its verdict, and the graph's image if there was one."""

    scene: Scene
    verdict: Verdict
    image: Image | None


def acceptance_test() -> Iterator[Scene]:
    """Give the scenes of the demo: one system, which the networks have not seen."""
    for dose in DOSES_UGY:
        taken = image_at(dose, 0)
        yield Scene(f"usual-{dose:.0f}uGy", f"usual, {dose:.0f} µGy", taken, taken.thresholds)
    worn = degraded(image_at(100.0, 1))
    yield Scene("degraded", "degraded detector: blurred, noisy, 30 dead lines", worn, worn.thresholds)
    taken = image_at(70.0, 1)
    yield Scene("attacked", "usual, 70 µGy, with an adversarial perturbation", taken, taken.thresholds, attacked=True)
    yield Scene("no-phantom", "no phantom: the empty field", without_phantom(image_at(100.0, 2)), None)


def image_at(air_kerma: float, number: int) -> Acquisition:
    """The acquisition of that number at an air kerma in uGy."""
    return repeated(SYSTEM, air_kerma, number + 1)[number]
