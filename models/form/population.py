"""Usual measurements: the distribution that the networks are trained and calibrated on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .interferometer import SOURCES_MM, Instrument, Misalignment, nominal_rays, path_differences
from .surface import Specimen, form_deviation
from .topographies import smooth

NOISE_UM = (0.001, 0.008)
"""Standard deviation of a path difference, averaged over the camera pixels that make one of ours."""
SHIFT_UM = (20.0, 20.0, 10.0)
TILT_URAD = 100.0
SOURCE_ERROR_UM = 0.1
"""Standard deviation of the sources' places beside their calibration, along each axis."""


@dataclass(frozen=True)
class Measurement:
    """One measurement of one specimen. topography: um [SIZE, SIZE]; noise: of path differences, um."""

    topography: NDArray[np.float64]
    misalignment: Misalignment
    instrument: Instrument
    noise: float
    seed: int

    def data(self) -> NDArray[np.float32]:
        """Path differences in um as the instrument stores them: float32 [SIZE, SIZE, sources]."""
        differences = path_differences(Specimen(self.topography), self.misalignment, self.instrument)
        rng = np.random.default_rng(self.seed)
        noisy = differences + self.noise * rng.standard_normal(differences.shape)
        return np.where(nominal_rays().valid, noisy, 0.0).astype(np.float32).transpose(1, 2, 0)

    @property
    def truth(self) -> NDArray[np.float64]:
        """Form deviation in um, NaN outside the aperture: float64 [SIZE, SIZE]."""
        return form_deviation(self.topography)


def usual(number: int, stream: str) -> Measurement:
    """The usual measurement of that number in a named stream ("training", "calibration", ...): streams
    never share random numbers."""
    rng = np.random.default_rng([number, *stream.encode()])
    shift = tuple(float(rng.uniform(-reach, reach)) for reach in SHIFT_UM)
    tilt = tuple(float(angle) for angle in rng.uniform(-TILT_URAD, TILT_URAD, 2))
    return Measurement(
        topography=smooth(rng),
        misalignment=Misalignment(shift, tilt),  # type: ignore[arg-type]
        instrument=Instrument(rng.normal(0.0, SOURCE_ERROR_UM, (len(SOURCES_MM), 3))),
        noise=float(np.exp(rng.uniform(*np.log(NOISE_UM)))),
        seed=int(rng.integers(2**31)),
    )


def measurements(stream: str, count: int) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float64]]]:
    """Data and truth of the first `count` usual measurements of a stream, in order, in one process a core."""
    with ProcessPoolExecutor() as pool:
        yield from pool.map(_measured, range(count), [stream] * count, chunksize=16)


def _measured(number: int, stream: str) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    measurement = usual(number, stream)
    return measurement.data(), measurement.truth
