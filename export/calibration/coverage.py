"""Coverage factors from known values."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fisherlens.edge.bundle.manifest import Coverage

from ..errors import CalibrationError
from .collect import UsualRun
from .targets import Targets


def calibrated_coverage(usual: UsualRun, targets: Targets | None, probability: float) -> Coverage | None:
    """The coverage factors of a head's values, one a measurand; None for a head without values.

    Raises CalibrationError for values without targets, or targets of another shape, or too few of them.
    """
    if "value" not in usual.outputs:
        return None
    value, below, above = (usual.outputs[name] for name in ("value", "u_below", "u_above"))
    if targets is None:
        raise CalibrationError(
            "no targets; the coverage factor of values is calibrated on known ones. Give --targets, a CSV file with a "
            "line for each calibration image."
        )
    if targets.values.shape != value.shape:
        raise CalibrationError(f"targets for {_dimensions(targets.values)}, the network gives {_dimensions(value)}")
    error = targets.values - value
    scores = np.abs(error) / np.where(error < 0, below, above)
    return Coverage(
        probability=probability,
        factors=tuple(conformal_factor(scores[:, i], probability) for i in range(scores.shape[1])),
        basis="conformal",
        calibration_size=len(scores),
    )


def _dimensions(values: NDArray) -> str:
    image = f", each an image of {values.shape[2]} x {values.shape[3]}" if values.ndim == 4 else ""
    return f"{values.shape[1]} measurands{image}"


def conformal_factor(scores: NDArray[np.float64], probability: float) -> float:
    """The coverage factor k: the ceil((n + 1) probability)-th smallest |y - value| / u of n images (split
    conformal prediction; Lei et al. 2018, J. Am. Stat. Assoc. 113).

    scores: [n], or [n, h, w]: then the same quantile over the pixels of all images, so that the
    probability is that of a pixel drawn at random; NaN for pixels of which nothing is known. Raises
    CalibrationError for fewer images than the probability needs.
    """
    count = len(scores)
    rank = math.ceil((count + 1) * probability)
    if rank > count:
        raise CalibrationError(
            f"{count} calibration targets; a coverage of {probability} needs at least "
            f"{math.ceil(probability / (1 - probability))}. Give more images with targets."
        )
    known = np.sort(scores[~np.isnan(scores)])
    return float(known[math.ceil(rank / count * known.size) - 1])
