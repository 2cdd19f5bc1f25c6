"""Ground truth: the threshold gold thickness that a model observer needs in a four-alternative task.

The observer is the non-prewhitening matched filter with an eye filter (NPWE; Burgess 1994, J. Opt.
Soc. Am. A 11), applied to signal and noise spectra in closed form, so the truth of an exposure is a
number and not an estimate from images.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import j1
from scipy.stats import norm

from .acquisition import GOLD_ATTENUATION_PER_UM, Exposure, quanta_per_mm2
from .detector import Detector

DIAMETERS_MM = (0.1, 0.25, 0.5, 1.0, 2.0)
"""Where the curve is read, as in the European guidelines (EUREF, 4th edition, table 2b.4)."""
EUREF_ACCEPTABLE_UM = (1.68, 0.352, 0.150, 0.091, 0.069)
EUREF_ACHIEVABLE_UM = (1.10, 0.244, 0.103, 0.056, 0.038)

PROPORTION_CORRECT = 0.625
"""Half-way between guessing (0.25) and certainty (1) among four corners."""

# Stated properties of the observer. The eye filter f^1.3 exp(-c f^2) peaks at 4 cycles per degree,
# seen from 400 mm at a display magnification of 2; the efficiency of 0.2 stands for internal noise,
# and puts a typical system between the acceptable and the achievable limit at all five diameters.
EYE_PEAK_PER_MM = 4.0 / (400.0 * np.pi / 180.0) * 2.0
EFFICIENCY = 0.2


def proportion_correct(detectability: float, alternatives: int = 4) -> float:
    """Share of correct answers among `alternatives` places: the integral of
    phi(x - d') Phi(x)^(m-1) (Green & Swets 1966)."""
    integrand = lambda x: norm.pdf(x - detectability) * norm.cdf(x) ** (alternatives - 1)  # noqa: E731
    return quad(integrand, -8.0, detectability + 8.0)[0]


THRESHOLD_DETECTABILITY = brentq(lambda d: proportion_correct(d) - PROPORTION_CORRECT, 0.0, 5.0)


def threshold_thickness(exposure: Exposure, detector: Detector) -> NDArray[np.float64]:
    """Threshold gold thickness in um at the five `DIAMETERS_MM`: float64 [5]."""
    unit = np.array([_detectability_per_contrast(d, exposure, detector) for d in DIAMETERS_MM])
    contrast = THRESHOLD_DETECTABILITY / unit
    primary = contrast / (1.0 - exposure.scatter_fraction)
    return -np.log1p(-np.minimum(primary, 1.0 - 1e-9)) / GOLD_ATTENUATION_PER_UM


def _detectability_per_contrast(diameter: float, exposure: Exposure, detector: Detector) -> float:
    """d' of a disc of relative signal contrast 1, by integration over the Nyquist square."""
    pixel = detector.pixel_spacing
    fx, fy, area = _frequencies(pixel)
    f = np.hypot(fx, fy)
    aperture = np.sinc(fx * pixel) * np.sinc(fy * pixel)
    projected = diameter * exposure.pose.magnification
    signal = _disc_spectrum(f, projected) * detector.mtf(f) * aperture
    eye = f**1.3 * np.exp(-1.3 / 2 * (f / EYE_PEAK_PER_MM) ** 2)
    template_signal = np.sum(signal**2 * eye**2) * area
    template_noise = np.sum(signal**2 * eye**4 * noise_power(f, exposure, detector)) * area
    return float(np.sqrt(EFFICIENCY) * template_signal / np.sqrt(template_noise))


def noise_power(f: NDArray[np.float64], exposure: Exposure, detector: Detector) -> NDArray[np.float64]:
    """Noise power spectrum relative to the squared mean signal, in mm2, at frequencies in 1/mm:
    quantum noise shaped by the converter, electronic noise and fixed pattern, both white."""
    quanta = quanta_per_mm2(exposure, detector)
    pixel = detector.pixel_spacing**2
    electronic = detector.electronic_noise**2 / (quanta * pixel) ** 2 * pixel
    shape = np.ones_like(f) if detector.noise_transfer is None else detector.noise_transfer(f) ** 2
    return shape / quanta + electronic + detector.fixed_pattern**2 * pixel


def _disc_spectrum(f: NDArray[np.float64], diameter: float) -> NDArray[np.float64]:
    """Fourier transform of a disc of height 1, in mm2."""
    radius = diameter / 2
    return radius * j1(2 * np.pi * radius * f) / f


def _frequencies(pixel: float, samples: int = 128) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """One quadrant of the Nyquist square at cell centres (all spectra are symmetric), and the area
    that a sample stands for in the whole square."""
    nyquist = 0.5 / pixel
    f = (np.arange(samples) + 0.5) / samples * nyquist
    return f[None, :], f[:, None], 4 * (nyquist / samples) ** 2
