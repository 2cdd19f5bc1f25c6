"""What is usual: the distribution of acquisitions that the network is trained and calibrated on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .acquisition import Detector, Exposure, acquire, central
from .observer import threshold_thickness
from .phantom import Phantom, Pose

FIELD = 1024
"""Side, in pixels, of the central field that the network reads (102.4 mm)."""

AIR_KERMA_UGY = (50.0, 200.0)


@dataclass(frozen=True)
class Acquisition:
    """One acquisition and the random numbers that make it; without a phantom the field is empty."""

    phantom: Phantom | None
    exposure: Exposure
    detector: Detector
    rng: np.random.Generator

    @property
    def thresholds(self) -> NDArray[np.float64]:
        """True threshold gold thicknesses in um: float64 [5]; of the system, also where there is no phantom."""
        return threshold_thickness(self.exposure, self.detector)

    def field(self) -> NDArray[np.uint16]:
        """Only the part that the network reads: uint16 [FIELD, FIELD]."""
        region = central(FIELD, FIELD)
        return acquire(self.phantom, self.exposure, self.detector, self.rng, region)

    def image(self) -> NDArray[np.uint16]:
        """The whole detector: uint16 [ROWS, COLUMNS]."""
        return acquire(self.phantom, self.exposure, self.detector, self.rng)


def usual(seed: int, stream: str) -> Acquisition:
    """The usual acquisition number `seed` of a named stream ("training", "calibration", ...):
    streams never share random numbers."""
    rng = np.random.default_rng([seed, *stream.encode()])
    pose = Pose(
        x=rng.uniform(-2.0, 2.0),
        y=rng.uniform(-2.0, 2.0),
        rotation=rng.uniform(-1.0, 1.0),
        magnification=rng.uniform(1.0, 1.03),
    )
    exposure = Exposure(
        air_kerma=float(np.exp(rng.uniform(*np.log(AIR_KERMA_UGY)))),
        scatter_fraction=rng.uniform(0.15, 0.25),
        heel=rng.uniform(0.02, 0.08),
        pose=pose,
    )
    detector = Detector(
        quantum_efficiency=rng.uniform(0.65, 0.75),
        blur=float(np.exp(rng.uniform(*np.log((0.03, 0.08))))),
        gain=rng.uniform(1.52, 1.68),
        electronic_noise=rng.uniform(4.0, 8.0),
        fixed_pattern=rng.uniform(0.001, 0.003),
        dead_pixels=int(rng.poisson(10)),
        seed=int(rng.integers(2**31)),
    )
    return Acquisition(Phantom(rng), exposure, detector, rng)


def fields(stream: str, count: int) -> Iterator[tuple[NDArray[np.uint16], NDArray[np.float64]]]:
    """The first `count` usual fields of a stream with their true thresholds (um), in order,
    simulated in one process a core."""
    with ProcessPoolExecutor() as pool:
        yield from pool.map(_field, range(count), [stream] * count, chunksize=4)


def _field(seed: int, stream: str) -> tuple[NDArray[np.uint16], NDArray[np.float64]]:
    acquisition = usual(seed, stream)
    return acquisition.field(), acquisition.thresholds
