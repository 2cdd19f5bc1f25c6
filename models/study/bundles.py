"""The checks under study, as bundles: one row a bundle; and the statistics of many images."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from fisherlens.edge.bundle import Bundle, open_bundle
from fisherlens.edge.bundle.manifest import CALIBRATION_KEY, Calibration
from fisherlens.export.checks import CHECKS, first_checks
from fisherlens.export.checks.judgement import DEFAULT, Procedure
from fisherlens.export.network.source import from_modules
from fisherlens.export.pipeline import Request, export

from .subject import Subject

ALPHA = 0.01


Procedures = Callable[[int], Procedure]
"""The procedure of a bundle, for a number of networks."""


def _each(*checks: str) -> Procedures:
    return lambda members: Procedure(checks, "each")


def _together(*checks: str) -> Procedures:
    return lambda members: Procedure(checks, "together").of_networks(members)


@dataclass(frozen=True)
class Row:
    """A bundle under study. check: the name in the bundle of the one whose statistic is studied. procedure: the
    bundle's. within: title of the row whose bundle holds the same statistic, by
    which images are then scored: a bundle of its own tells what the check costs alone. subjects: beginnings of the
    names of those that it is not too dear for."""

    check: str
    procedure: Procedures = DEFAULT.of_networks
    within: str | None = None
    subjects: tuple[str, ...] = ("",)


DEFAULT_ROW = "cascade, the default"
TOGETHER = "all of the default on every image"
BEFORE = "Fisher profile and trace together"

ROWS: dict[str, Row] = {
    DEFAULT_ROW: Row("cascade"),
    "its first checks alone": Row("combined", lambda members: Procedure(first_checks(members), "together")),
    TOGETHER: Row("combined", _together()),
    "image texture": Row("image_texture", _each("image_texture"), within=TOGETHER),
    "activation profile": Row("activation_profile", _each("activation_profile"), within=TOGETHER),
    "uncertainty": Row("uncertainty", _each("uncertainty"), within=TOGETHER),
    "disagreement": Row("ensemble_disagreement", _each("ensemble_disagreement"), within=TOGETHER),
    "Rao score": Row("rao_score", _each("rao_score"), within=TOGETHER),
    BEFORE: Row("combined", _together("fisher_trace", "fisher_profile")),
    "Fisher profile": Row("fisher_profile", _each("fisher_profile"), within=BEFORE),
    "Fisher trace": Row("fisher_trace", _each("fisher_trace"), within=BEFORE),
    "Fisher form": Row("fisher_form", _each("fisher_form"), subjects=("fashion",)),
}


def rows_of(subject: Subject) -> dict[str, Row]:
    """The rows that are for a subject, and not too dear for it."""
    return {
        title: row
        for title, row in ROWS.items()
        if subject.name.startswith(row.subjects) and (len(subject.members) > 1 or not _of_ensembles(row))
    }


def _of_ensembles(row: Row) -> bool:
    return row.check in CHECKS and CHECKS[row.check].ensembles


def exported(subject: Subject, title: str, folder: Path) -> Bundle:
    """Export a row's bundle to a file in `folder`, calibrated on all calibration images; one that is there is taken."""
    path = folder / f"{subject.name}-{title.replace(',', '').replace(' ', '-')}.onnx"
    if not path.exists():
        networks = from_modules(list(subject.members), subject.image_shape, subject.name)
        readers = [lambda image=image: image[None].numpy() for image in subject.calibration.images]
        request = Request(
            name=f"{subject.name}, {title}", version="1", head=subject.head, input=subject.input,
            classes=subject.task.classes, probes=subject.probes, alpha=ALPHA,
            procedure=ROWS[title].procedure(len(networks)),
        )  # fmt: skip
        targets = subject.task.targets(subject.calibration.known)
        export(networks, readers, targets, request, path, lambda items, label: track(list(items), f"{label}, {title}"))
    return open_bundle(path, threads=1)


def counted(bundle: Bundle) -> dict[str, NDArray[np.float64]]:
    """Statistics of the usual images that p-values count over, [n] by check."""
    text = bundle.session.get_modelmeta().custom_metadata_map[CALIBRATION_KEY]
    found = msgspec.json.decode(text, type=Calibration).statistics
    return {name: np.array(values) for name, values in found.items()}


def statistics(bundle: Bundle, images: Tensor, label: str) -> dict[str, NDArray[np.float64]]:
    """The statistic of each check by name on images [n, C, H, W], [n] each: two images at a time, each on one thread,
    without map."""
    names = [check.name for check in bundle.manifest.checks]

    def statistic(image: Tensor) -> NDArray[np.float32]:
        return np.asarray(bundle.run(image[None].numpy(), explain=False)["statistic"])

    with ThreadPoolExecutor(2) as pool:
        rows: Iterable[NDArray] = track(pool.map(statistic, images), label, len(images))
        columns = np.stack(list(rows)).astype(float).T
    return dict(zip(names, columns, strict=True))
