"""The mammography networks as the study's subject."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..study import simulated
from ..study.regression import Regression
from ..study.sources import Sources
from ..study.subject import Alteration, Part, Sets, Subject, SubjectMissing
from ..study.value_attacks import fgsm, minimal_step, pgd, pgd_l2
from ..weights import members_in
from .detector import BITS_STORED
from .input import INPUT, image_reader
from .network import ThresholdNetwork
from .population import Acquisition, fields, usual
from .publish import MEASURANDS, REQUEST
from .systems import DOSES_UGY, SYSTEMS, repeated
from .unusual import degraded, without_phantom

EVALUATION = 500
LEVEL = 2.0**-BITS_STORED
"""A stored value as the graph reads it; the noise of a usual image is about 100 of these."""

ATTACKS = {
    "FGSM, 10 levels": fgsm(10 * LEVEL),
    "PGD, 2 levels": pgd(2 * LEVEL, 8),
    "PGD, 5 levels": pgd(5 * LEVEL, 8),
    "PGD, 20 levels": pgd(20 * LEVEL, 8),
    "PGD L2, 1000 levels": pgd_l2(1000 * LEVEL, 8),
    "minimal step": minimal_step([step * LEVEL for step in (0.5, 1, 2, 4, 8, 16)], 5),
}

Made = Callable[[int], Acquisition]
"""Makes the acquisition of a number."""


def of_usual(change: Callable[[Acquisition], Acquisition]) -> Made:
    """A function that makes the usual acquisition of a number, and changes it."""
    return lambda number: change(usual(number, "unusual"))


def other_technology(number: int) -> Acquisition:
    """An acquisition by one of SYSTEMS, none of which is of the trained population, at one of three doses."""
    turn, system = divmod(number, len(SYSTEMS))
    turn, dose = divmod(turn, len(DOSES_UGY))
    return repeated(list(SYSTEMS)[system], DOSES_UGY[dose], turn + 1)[-1]


def _detector(**changed: float) -> Made:
    return of_usual(lambda taken: replace(taken, detector=replace(taken.detector, **changed)))  # type: ignore[arg-type]


def _exposure(change: Callable[[Acquisition], dict[str, float]]) -> Made:
    return of_usual(lambda taken: replace(taken, exposure=replace(taken.exposure, **change(taken))))  # type: ignore[arg-type]


def _magnified(taken: Acquisition) -> Acquisition:
    pose = replace(taken.exposure.pose, magnification=1.3)
    return replace(taken, exposure=replace(taken.exposure, pose=pose))


REPORTED: dict[str, Made] = {
    "degraded detector": of_usual(degraded),
    "no phantom": of_usual(without_phantom),
    "30 dead lines": _detector(dead_lines=30),
    "electronic noise of 40 quanta": _detector(electronic_noise=40.0),
    "four times the dose": _exposure(lambda taken: {"air_kerma": 4 * taken.exposure.air_kerma}),
    "other technologies": other_technology,
}
CHOOSING: dict[str, Made] = {
    "12 uGy": _exposure(lambda taken: {"air_kerma": 12.0}),
    "magnification 1.3": of_usual(_magnified),
    "heel effect of 0.3": _exposure(lambda taken: {"heel": 0.3}),
}


def subject(sources: Sources) -> Subject:
    """Simulate fields, or read those that are kept, and read members. Raises SubjectMissing."""
    if not sources.weights.is_file():
        raise SubjectMissing(f"{sources.weights}: no such file. Train: python -m fisherlens.models.mammography.train")
    return Subject(
        name="mammography",
        title="threshold thicknesses of a mammography phantom, five values, an ensemble of five networks",
        members=members_in(sources.weights, ThresholdNetwork),
        task=Regression(MEASURANDS, logarithmic=True),
        head=REQUEST.head,
        input=INPUT,
        probes=REQUEST.probes,
        calibration=_usual(sources, "calibration", sources.calibration),
        evaluation=_usual(sources, "evaluation", EVALUATION),
        reported=Sets(ATTACKS, {name: _unusual(sources, name) for name in REPORTED}),
        choosing=Sets({"FGSM, 15 levels": fgsm(15 * LEVEL), "PGD, 3 levels": pgd(3 * LEVEL, 8)},
                      {name: _unusual(sources, name) for name in CHOOSING}),
    )  # fmt: skip


def _usual(sources: Sources, stream: str, count: int) -> Part:
    made = ((image_reader(field)(), thresholds) for field, thresholds in fields(stream, count))
    return simulated.part(sources, f"mammography {stream}", count, made)


def _unusual(sources: Sources, name: str) -> Alteration:
    return simulated.alteration(sources, f"mammography {name}", partial(_image, name))


def _image(name: str, number: int) -> NDArray[np.float32]:
    return image_reader((REPORTED | CHOOSING)[name](number).field())()
