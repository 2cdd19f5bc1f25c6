"""The images that a bundle is calibrated on: which of them fit, and which count."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fisherlens.export.calibration.images import COUNTING, FITTING


def patients_apart(patients: NDArray[np.str_], seed: int = 0) -> NDArray[np.int64]:
    """Choose and order calibration images, whose patients are given [n], as an export takes them: gives their numbers,
    of patients that fit and of patients that count in turn.

    Images of one patient depend on each other. A patient whose images both fit and count would look more usual than one
    that nothing has seen; and several counting images of one patient are not exchangeable with one of another. So each
    patient who counts does so by one image, drawn at random, which is exchangeable with an image drawn of a new patient
    (single subsampling of Dunn, Wasserman and Ramdas 2023, J. Am. Stat. Assoc. 118, arXiv 1809.07441); all images of
    the other patients fit, who are as many as it takes for both halves to be of one size.
    """
    rng = np.random.default_rng(seed)
    of_patient = [np.flatnonzero(patients == patient) for patient in rng.permutation(np.unique(patients))]
    fit = np.cumsum([len(images) for images in of_patient])
    fits = int(np.argmax(fit >= len(of_patient) - np.arange(1, len(of_patient) + 1))) + 1
    counting = np.array([rng.choice(images) for images in of_patient[fits:]])
    fitting = rng.permutation(np.concatenate(of_patient[:fits]))[: len(counting)]
    order = np.empty(2 * len(counting), np.int64)
    order[FITTING], order[COUNTING] = fitting, counting
    return order
