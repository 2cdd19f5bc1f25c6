"""Where a subject's images and weights are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Sources:
    """data: folder of images, for subjects whose images are no package's; simulated ones are kept there. weights: file
    or folder of trained weights. calibration: how many calibration images are used at most."""

    data: Path | None
    weights: Path
    calibration: int
