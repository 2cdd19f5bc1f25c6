"""What a bundle reads in radiographs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rich.progress import track

from fisherlens.edge.bundle import Bundle

from . import CLASSES
from .cohorts import Cohort


@dataclass(frozen=True)
class Readings:
    """A bundle's results of n radiographs. probability: of pneumonia, float64 [n]; flagged: bool [n]; by_check: of each
    check that flags, whether it does, bool [n]; patients: whose, [n]."""

    probability: NDArray[np.float64]
    flagged: NDArray[np.bool_]
    by_check: dict[str, NDArray[np.bool_]]
    patients: NDArray

    @property
    def ill(self) -> NDArray[np.bool_]:
        """Say of each radiograph whether pneumonia is the likelier class: [n]."""
        return self.probability > 0.5

    @property
    def confidence(self) -> NDArray[np.float64]:
        """The probability of the likelier class: [n]."""
        return np.maximum(self.probability, 1.0 - self.probability)


def readings(bundle: Bundle, cohort: Cohort) -> Readings:
    """Run a bundle over the radiographs of a cohort."""
    outputs = [bundle.run(image[None].numpy(), explain=False) for image in track(cohort.images, cohort.name)]
    p_values = np.array([output["p_value"] for output in outputs])
    checks = bundle.manifest.checks
    return Readings(
        probability=np.array([output["probability"] for output in outputs], float)[:, CLASSES.index("pneumonia")],
        flagged=np.array([bool(output["flagged"]) for output in outputs]),
        by_check={check.name: p_values[:, i] <= check.alpha for i, check in enumerate(checks) if check.flags},
        patients=cohort.patients,
    )


def together(parts: list[Readings]) -> Readings:
    """Join the readings of several cohorts of one kind."""
    return Readings(
        np.concatenate([part.probability for part in parts]),
        np.concatenate([part.flagged for part in parts]),
        {name: np.concatenate([part.by_check[name] for part in parts]) for name in parts[0].by_check},
        np.concatenate([part.patients for part in parts]),
    )
