"""The radiographs' networks as the study's subject."""

from __future__ import annotations

from fisherlens.export.heads import Softmax

from ..study.attacks import carlini_wagner, deep_fool, fgsm, margin_pgd, minimal_step, pgd, pgd_l2
from ..study.classification import Classification
from ..study.sources import Sources
from ..study.subject import Part, Sets, Subject, SubjectMissing
from ..weights import load
from . import CLASSES, dataset
from .input import INPUT
from .network import radiograph_network
from .unusual import CHOOSING, unusual

LEVEL = 1 / 255
"""A level of grey of the published images."""

ATTACKS = {
    "FGSM, 2 of 255": fgsm(2 * LEVEL),
    "PGD, 1 of 255": pgd(1 * LEVEL, 10),
    "PGD, 2 of 255": pgd(2 * LEVEL, 10),
    "PGD, 4 of 255": pgd(4 * LEVEL, 10),
    "PGD L2, 0.5": pgd_l2(0.5, 15),
    "PGD L2, 1": pgd_l2(1.0, 15),
    "minimal step": minimal_step([step * LEVEL for step in (0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4)], 6),
    "margin PGD, 2 of 255": margin_pgd(2 * LEVEL, 20),
    "Carlini & Wagner L2": carlini_wagner(60, 3, 0.01, weight=1.0, share=0.3),
    "DeepFool L2": deep_fool(share=0.5),
}


def subject(sources: Sources) -> Subject:
    """Read radiographs and members. Raises SubjectMissing."""
    if sources.data is None:
        raise SubjectMissing(dataset.MISSING.format(folder="--data"))
    try:
        calibration, evaluation = (dataset.part(sources.data, name) for name in ("calibration", "evaluation"))
    except dataset.DatasetMissing as error:
        raise SubjectMissing(str(error)) from error
    # What is unusual is read when its turn comes, long after: that it is there is seen now.
    missing = [name for name in ("nih", "nih.csv", "mammograms") if not (sources.data / name).exists()]
    if missing:
        raise SubjectMissing(dataset.MISSING.format(folder=sources.data / missing[0]))
    if not sources.weights.is_file():
        raise SubjectMissing(f"{sources.weights}: no such file. Train: python -m fisherlens.models.radiograph.train")
    return Subject(
        name="radiograph",
        title="paediatric chest radiographs, normal or pneumonia, an ensemble of residual networks",
        members=load(sources.weights, radiograph_network),
        task=Classification(CLASSES),
        head=Softmax(),
        input=INPUT,
        calibration=Part(calibration.images, calibration.classes).mixed(sources.calibration),
        evaluation=Part(evaluation.images, evaluation.classes),
        reported=Sets(ATTACKS, unusual(sources.data)),
        choosing=Sets({"FGSM, 3 of 255": fgsm(3 * LEVEL), "PGD, 1.5 of 255": pgd(1.5 * LEVEL, 10)}, CHOOSING),
    )
