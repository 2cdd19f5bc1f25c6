"""The Fashion-MNIST networks as the study's subjects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch

from fisherlens.edge.bundle.manifest import Input
from fisherlens.export.calibration.images import FITTING
from fisherlens.export.heads import Softmax

from ..study.attacks import carlini_wagner, deep_fool, fgsm, margin_pgd, minimal_step, pgd, pgd_l2
from ..study.classification import Classification
from ..study.sources import Sources
from ..study.subject import Part, Sets, Subject, SubjectMissing
from . import dataset, train
from .unusual import CHOOSING, UNUSUAL, UNUSUAL_IN_POSES, left_out

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


RARE, SHARE = 8, 0.005
"""The class, bags, that is rare, and its share of the usual images: few are like it."""


def whole(name: str, title: str, sources: Sources) -> Subject:
    """Make the subject of a network of all classes; of the residual ones the first, beside which the others make the
    ensemble that some rivals need. Raises SubjectMissing."""
    labels = [f"residual-{seed}" for seed in range(train.MEMBERS)] if name == "residual" else [name]
    return _subject(f"fashion-{name}", title, labels, dataset.CLASSES, _usual(10), Sets(ATTACKS, UNUSUAL), sources)


def partly(name: str, title: str, sources: Sources) -> Subject:
    """Make the subject of a network that never saw the last classes, which are what is unusual to it. Raises
    SubjectMissing."""
    known = 10 - train.LEFT_OUT
    sets = Sets({}, {"left-out classes": partial(left_out, known)})
    labels, classes = [f"{name}-left-out"], dataset.CLASSES[:known]
    return _subject(f"fashion-{name}-left-out", title, labels, classes, _usual(known), sets, sources)


def rare(sources: Sources) -> Subject:
    """Make the subject of the small network where one of its classes is rare, among the images that calibrate and
    those that evaluate alike; how often images of that class alone are flagged is told beside. Raises
    SubjectMissing."""
    calibration, evaluation = _usual(10)
    of_class = evaluation.taken(evaluation.known == RARE)
    found = _subject(
        "fashion-rare", f"a small network, one class {100 * SHARE:g} % of the usual images", ["small"],
        dataset.CLASSES, (_thinned(calibration), _thinned(evaluation)), Sets(ATTACKS, UNUSUAL), sources,
    )  # fmt: skip
    return replace(found, kinds={f"the rare class, {dataset.CLASSES[RARE]}": of_class})


def posed(label: str, title: str, sources: Sources) -> Subject:
    """Make the subject of a network that tells many classes apart (see `poses`); how often images of classes are
    flagged of which no image has fitted the checks is told beside. Raises SubjectMissing."""
    poses = train.TRAININGS[label].poses
    assert poses is not None
    calibration, evaluation = (Part(*poses.shown_once(part.images, part.known)) for part in _usual(10))
    found = _subject(
        f"fashion-{len(poses.classes)}", title, [label],
        poses.classes, (calibration, evaluation), Sets(ATTACKS, UNUSUAL_IN_POSES), sources,
    )  # fmt: skip
    unseen = evaluation.taken(~torch.isin(evaluation.known, found.calibration.taken(FITTING).known))
    return replace(found, kinds={"classes that no image has fitted": unseen} if len(unseen) else {})


def _usual(known: int) -> tuple[Part, Part]:
    """Images of the first `known` classes that calibrate, and that evaluate. Raises SubjectMissing."""
    try:
        parts = [Part(*part) for part in (dataset.calibration(), dataset.evaluation())]
    except dataset.DatasetMissing as error:
        raise SubjectMissing(str(error)) from error
    calibration, evaluation = (part.taken(part.known < known) for part in parts)
    return calibration, evaluation


def _thinned(part: Part) -> Part:
    """Leave out so many images of the rare class that it has its share of those that stay."""
    of_class = part.known == RARE
    kept = round(SHARE / (1 - SHARE) * int((~of_class).sum()))
    return part.taken(~of_class | (of_class.cumsum(0) <= kept))


def _subject(
    name: str,
    title: str,
    labels: Sequence[str],
    classes: tuple[str, ...],
    usual: tuple[Part, Part],
    reported: Sets,
    sources: Sources,
) -> Subject:
    calibration, evaluation = usual
    first, *others = [train.load(sources.weights, label) for label in labels]
    attacks = {"FGSM, 0.03": fgsm(0.03), "PGD, 0.05": pgd(0.05, 20)}
    return Subject(
        name=name,
        title=f"Fashion-MNIST, {title}",
        members=[first],
        task=Classification(classes),
        head=Softmax(),
        input=Input(rows=28, columns=28),
        calibration=calibration.mixed(sources.calibration),
        evaluation=evaluation,
        reported=reported,
        choosing=Sets(attacks, CHOOSING),
        companions=others,
    )
