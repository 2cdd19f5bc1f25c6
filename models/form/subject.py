"""The form measurement's networks as the study's subject."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from ..study import simulated
from ..study.regression import Regression
from ..study.sources import Sources
from ..study.subject import Alteration, Part, Sets, Subject, SubjectMissing
from ..study.value_attacks import fgsm, minimal_step, pgd, pgd_l2
from ..weights import members_in
from .cases import CASES
from .input import INPUT, image_reader
from .network import FormNetwork
from .population import measurements
from .publish import MEASURAND, REQUEST
from .unusual import CHOOSING

EVALUATION = 1000
NM = 1e-3
"""In um, the unit of path differences: their usual noise is 1 to 8 nm."""

ATTACKS = {
    "FGSM, 5 nm": fgsm(5 * NM),
    "PGD, 2 nm": pgd(2 * NM, 10),
    "PGD, 5 nm": pgd(5 * NM, 10),
    "PGD, 10 nm": pgd(10 * NM, 10),
    "PGD L2, 200 nm": pgd_l2(200 * NM, 15),
    "minimal step": minimal_step([step * NM for step in (0.5, 1, 2, 3, 5, 10)], 6),
}


def subject(sources: Sources) -> Subject:
    """Simulate measurements, or read those that are kept, and read members. Raises SubjectMissing."""
    if not sources.weights.is_file():
        raise SubjectMissing(f"{sources.weights}: no such file. Train: python -m fisherlens.models.form.train")
    return Subject(
        name="form",
        title="form of an asphere, images of values, an ensemble of U-shaped networks",
        members=members_in(sources.weights, FormNetwork),
        task=Regression((MEASURAND,)),
        head=REQUEST.head,
        input=INPUT,
        probes=REQUEST.probes,
        calibration=_usual(sources, "calibration", sources.calibration),
        evaluation=_usual(sources, "evaluation", EVALUATION),
        reported=Sets(ATTACKS, {name: _unusual(sources, name) for name in CASES if name != "usual"}),
        choosing=Sets({"FGSM, 8 nm": fgsm(8 * NM), "PGD, 3 nm": pgd(3 * NM, 10)},
                      {name: _unusual(sources, name) for name in CHOOSING}),
        bounds=(-1e3, 1e3),
    )  # fmt: skip


def _usual(sources: Sources, stream: str, count: int) -> Part:
    made = ((image_reader(data)(), truth[None]) for data, truth in measurements(stream, count))
    return simulated.part(sources, f"form {stream}", count, made)


def _unusual(sources: Sources, name: str) -> Alteration:
    return simulated.alteration(sources, f"form {name}".replace(":", ""), partial(_image, name))


def _image(name: str, number: int) -> NDArray[np.float32]:
    return image_reader(CHOOSING[name](number) if name in CHOOSING else CASES[name](number).data())()
