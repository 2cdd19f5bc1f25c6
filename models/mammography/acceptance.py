"""An acceptance test of a simulated system: usual images over a range of dose, and unusual ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fisherlens.edge.runtime import Image
from fisherlens.edge.verdict import Verdict

from . import BUNDLE
from .population import Acquisition, usual
from .unusual import attack, degraded, without_phantom

STREAM = "demo"
DOSES_UGY = (50.0, 70.0, 100.0, 140.0, 200.0)


@dataclass(frozen=True)
class Scene:
    """One image of the acceptance test, and what is really the matter with it. truth: threshold gold
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
class Scored:
    """A scene with its verdict, and the graph's image if there was one."""

    scene: Scene
    verdict: Verdict
    image: Image | None


def acceptance_test() -> Iterator[Scene]:
    """The scenes of the demo."""
    for number, dose in enumerate(DOSES_UGY):
        taken = _with_dose(usual(number, STREAM), dose)
        yield Scene(f"usual-{dose:.0f}uGy", f"usual, {dose:.0f} µGy", taken, taken.thresholds)
    worn = degraded(_with_dose(usual(10, STREAM), 100.0))
    yield Scene("degraded", "degraded detector: blurred, noisy, 30 dead lines", worn, worn.thresholds)
    taken = _with_dose(usual(11, STREAM), 70.0)
    yield Scene("attacked", "usual, 70 µGy, with an adversarial perturbation", taken, taken.thresholds, attacked=True)
    empty = without_phantom(_with_dose(usual(12, STREAM), 100.0))
    yield Scene("no-phantom", "no phantom: the empty field", empty, None)


def _with_dose(taken: Acquisition, air_kerma: float) -> Acquisition:
    return replace(taken, exposure=replace(taken.exposure, air_kerma=air_kerma))
