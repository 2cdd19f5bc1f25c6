"""Systems of several technologies that the networks have not seen, in the market's pixel spacings.

Stated properties of the kind, not those of a product: pixel spacing, resolution and noise lie in the
range that the literature reports for such detectors. Of each, something lies outside of what the
networks were trained on: all pixel spacings, and the MTF's steepness or the noise as noted.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from .acquisition import Exposure
from .detector import Detector, Transfer
from .phantom import Phantom, Pose
from .population import Acquisition

SYSTEMS: dict[str, Detector] = {
    # Within the trained families, but for the pixel spacing.
    "scintillator, 0.1 mm": Detector(mtf=Transfer(4.0), noise_transfer=Transfer(4.8), electronic_noise=5.0),
    # Direct conversion: an MTF that falls like a Gaussian, and quanta that are not blurred at all.
    "selenium, 0.085 mm": Detector(
        pixel_spacing=0.085,
        quantum_efficiency=0.6,
        mtf=Transfer(7.0, 2.0, steepness=math.inf),
        noise_transfer=None,
        gain=1.4,
        electronic_noise=7.0,
    ),
    # The same kind with finer pixels; its amplifiers are noisier than any in training.
    "selenium, 0.07 mm": Detector(
        pixel_spacing=0.07,
        quantum_efficiency=0.65,
        mtf=Transfer(8.0, 1.5, steepness=math.inf),
        noise_transfer=None,
        gain=2.0,
        electronic_noise=9.0,
    ),
    # An exponential MTF from stray laser light, steeper at high frequencies than any in training.
    "storage phosphor, 0.05 mm": Detector(
        pixel_spacing=0.05,
        quantum_efficiency=0.45,
        mtf=Transfer(3.0, 1.0, steepness=math.inf),
        noise_transfer=Transfer(5.0, 1.0, steepness=math.inf),
        gain=3.6,
        electronic_noise=2.0,
    ),
    # Every quantum counted in one pixel, no electronic noise at all.
    "counting, 0.05 mm": Detector(
        pixel_spacing=0.05,
        quantum_efficiency=0.7,
        mtf=Transfer(6.0, 2.0, steepness=math.inf),
        noise_transfer=None,
        gain=4.0,
        electronic_noise=0.0,
        fixed_pattern=0.004,
    ),
}
DOSES_UGY = (60.0, 100.0, 170.0)


def repeated(system: str, air_kerma: float, count: int) -> list[Acquisition]:
    """Repeated images of one phantom on one of SYSTEMS, moved a little between them."""
    seed = [list(SYSTEMS).index(system), int(air_kerma)]
    rng = np.random.default_rng(seed)
    phantom = Phantom(rng)
    detector = replace(SYSTEMS[system], seed=int(rng.integers(2**31)))
    magnification = rng.uniform(1.0, 1.03)
    acquisitions = []
    for number in range(count):
        pose = Pose(rng.uniform(-2.0, 2.0), rng.uniform(-2.0, 2.0), rng.uniform(-1.0, 1.0), magnification)
        exposure = Exposure(air_kerma=air_kerma, scatter_fraction=0.2, pose=pose)
        acquisitions.append(Acquisition(phantom, exposure, detector, np.random.default_rng([*seed, number])))
    return acquisitions
