"""The Fashion-MNIST networks as the study's subjects."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from fisherlens.edge.bundle.manifest import Input
from fisherlens.export.heads import Softmax

from ..study.attacks import carlini_wagner, deep_fool, fgsm, margin_pgd, minimal_step, pgd, pgd_l2
from ..study.classification import Classification
from ..study.sources import Sources
from ..study.subject import Part, Sets, Subject, SubjectMissing
from . import dataset, train
from .unusual import CHOOSING, UNUSUAL, left_out

ATTACKS = {
    "FGSM, 0.05": fgsm(0.05),
    "FGSM, 0.1": fgsm(0.1),
    "PGD, 0.03": pgd(0.03, 20),
    "PGD, 0.1": pgd(0.1, 40),
    "PGD L2, 0.5": pgd_l2(0.5, 40),
    "PGD L2, 1.5": pgd_l2(1.5, 40),
    "minimal step": minimal_step((0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1), 10),
    "margin PGD, 0.1": margin_pgd(0.1, 60),
    "DeepFool L2": deep_fool(),
    "Carlini & Wagner L2": carlini_wagner(100, 4, 0.02, weight=1e-3, share=0.5),
}


def whole(name: str, title: str, sources: Sources) -> Subject:
    """Make the subject of a network of all classes; of the residual ones the first, beside which the others make the
    ensemble that some rivals need. Raises SubjectMissing."""
    labels = [f"residual-{seed}" for seed in range(train.MEMBERS)] if name == "residual" else [name]
    return _subject(f"fashion-{name}", title, labels, 10, Sets(ATTACKS, UNUSUAL), sources)


def partly(name: str, title: str, sources: Sources) -> Subject:
    """Make the subject of a network that never saw the last classes, which are what is unusual to it. Raises
    SubjectMissing."""
    known = 10 - train.LEFT_OUT
    sets = Sets({}, {"left-out classes": partial(left_out, known)})
    return _subject(f"fashion-{name}-left-out", title, [f"{name}-left-out"], known, sets, sources)


def _subject(name: str, title: str, labels: Sequence[str], known: int, reported: Sets, sources: Sources) -> Subject:
    try:
        calibration, evaluation = (Part(*part) for part in (dataset.calibration(), dataset.evaluation()))
    except dataset.DatasetMissing as error:
        raise SubjectMissing(str(error)) from error
    first, *others = [train.load(sources.weights, label) for label in labels]
    attacks = {"FGSM, 0.03": fgsm(0.03), "PGD, 0.05": pgd(0.05, 20)}
    return Subject(
        name=name,
        title=f"Fashion-MNIST, {title}",
        members=[first],
        task=Classification(dataset.CLASSES[:known]),
        head=Softmax(),
        input=Input(rows=28, columns=28),
        calibration=calibration.taken(calibration.known < known).mixed(sources.calibration),
        evaluation=evaluation.taken(evaluation.known < known),
        reported=reported,
        choosing=Sets(attacks, CHOOSING),
        companions=others,
    )
