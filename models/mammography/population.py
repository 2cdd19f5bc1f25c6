"""Usual acquisitions: the distribution that the network is trained and calibrated on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .acquisition import Exposure, acquire, central
from .detector import Detector, Transfer
from .observer import threshold_thickness
from .phantom import Phantom, Pose

FIELD = 1024
"""Side, in pixels, of the central field that the network reads."""

AIR_KERMA_UGY = (50.0, 200.0)
PIXEL_SPACING_MM = (0.048, 0.104)

MARKETED_SPACINGS_MM = (0.05, 0.07, 0.085, 0.1)
"""Pixel spacings of detectors on the market, left out of the population with 0.5 um on either side: what
the network says of them, it says of detectors that it has not seen."""


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
        """Simulate only the part that the network reads: uint16 [FIELD, FIELD]."""
        region = central(self.detector, FIELD, FIELD)
        return acquire(self.phantom, self.exposure, self.detector, self.rng, region)

    def image(self) -> NDArray[np.uint16]:
        """Simulate the whole detector: uint16 [rows, columns]."""
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
        air_kerma=_log_uniform(rng, *AIR_KERMA_UGY),
        scatter_fraction=rng.uniform(0.1, 0.3),
        heel=rng.uniform(0.02, 0.08),
        pose=pose,
    )
    return Acquisition(Phantom(rng), exposure, _detector(rng), rng)


def _detector(rng: np.random.Generator) -> Detector:
    """A converter that blurs by some finite steepness, noise that it blurs less or as much, electronics
    for which a pixel's noise goes with its side, and a gain that stores a like value whatever the pixel's
    area. A transfer function falls with the power order * steepness at high frequencies: 1.5 at least."""
    spacing = _spacing(rng)
    order = rng.uniform(1.0, 2.6)
    mtf = Transfer(_log_uniform(rng, 2.5, 9.0), order, steepness=_log_uniform(rng, max(0.7, 1.5 / order), 6.0))
    wider = max(1.0, _log_uniform(rng, 0.7, 8.0))
    return Detector(
        pixel_spacing=spacing,
        quantum_efficiency=rng.uniform(0.4, 0.85),
        mtf=mtf,
        noise_transfer=replace(mtf, half=mtf.half * wider),
        gain=_log_uniform(rng, 0.5, 1.6) * (0.1 / spacing) ** 2,
        electronic_noise=_log_uniform(rng, 0.3, 10.0) * spacing / 0.1,
        fixed_pattern=rng.uniform(0.001, 0.004),
        dead_pixels=int(rng.poisson(10)),
        seed=int(rng.integers(2**31)),
    )


def _spacing(rng: np.random.Generator) -> float:
    while True:
        spacing = rng.uniform(*PIXEL_SPACING_MM)
        if min(abs(spacing - marketed) for marketed in MARKETED_SPACINGS_MM) > 0.0005:
            return spacing


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def fields(stream: str, count: int) -> Iterator[tuple[NDArray[np.uint16], NDArray[np.float64]]]:
    """The first `count` usual fields of a stream with their true thresholds (um), in order,
    simulated in one process a core."""
    with ProcessPoolExecutor() as pool:
        yield from pool.map(_field, range(count), [stream] * count, chunksize=4)


def _field(seed: int, stream: str) -> tuple[NDArray[np.uint16], NDArray[np.float64]]:
    acquisition = usual(seed, stream)
    return acquisition.field(), acquisition.thresholds
