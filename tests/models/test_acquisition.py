"""The physics of one exposure, against closed forms."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from fisherlens.models.mammography.acquisition import (
    Exposure,
    acquire,
    central,
    quanta_per_mm2,
)
from fisherlens.models.mammography.detector import BITS_STORED, Detector, Transfer
from fisherlens.models.mammography.observer import noise_power
from fisherlens.models.mammography.phantom import Phantom, Region

FLAT = Exposure(heel=0.0)
CLEAN = Detector(dead_pixels=0)
PIXEL_SPACING_MM = CLEAN.pixel_spacing


def flat(exposure: Exposure = FLAT, detector: Detector = CLEAN, seed: int = 0, side: int = 512) -> np.ndarray:
    """An image without a phantom, brightened by the plate that is not there: relative to its own mean."""
    return acquire(None, exposure, detector, np.random.default_rng(seed), central(detector, side, side)).astype(float)


def test_the_mean_signal_is_quanta_times_gain() -> None:
    expected = quanta_per_mm2(FLAT, CLEAN) * PIXEL_SPACING_MM**2 * CLEAN.gain
    assert flat().mean() == pytest.approx(expected, rel=0.002)


@pytest.mark.parametrize(
    "detector",
    [
        CLEAN,
        replace(CLEAN, noise_transfer=Transfer(7.0)),
        replace(CLEAN, noise_transfer=None, mtf=Transfer(8.0, 2.0, steepness=math.inf)),
        replace(CLEAN, pixel_spacing=0.07, gain=2.4),
    ],
    ids=["scintillator", "noise blurred less", "counting", "70 um"],
)
def test_noise_has_the_power_spectrum_that_the_observer_reckons_with(detector: Detector) -> None:
    """Measured as IEC 62220-1-2 does: squared Fourier transform over many areas, relative to the signal."""
    side, spectra = 64, []
    for seed in range(6):
        image = flat(seed=seed, detector=replace(detector, seed=seed))
        blocks = image.reshape(8, side, 8, side).transpose(0, 2, 1, 3).reshape(-1, side, side) / image.mean() - 1
        spectra += [np.abs(np.fft.fft2(block)) ** 2 * detector.pixel_spacing**2 / side**2 for block in blocks]
    measured = np.mean(spectra, axis=0)
    f = np.fft.fftfreq(side, detector.pixel_spacing)
    radius = np.hypot(f[:, None], f[None, :])
    expected = noise_power(radius, FLAT, detector)
    for low, high in ((0.3, 1), (1, 2), (2, 3), (3, 4), (4, 5)):
        ring = (radius >= low) & (radius < high)
        assert measured[ring].mean() == pytest.approx(expected[ring].mean(), rel=0.04)


def test_an_edge_is_blurred_by_the_stated_mtf() -> None:
    """The line spread of a slanted step, transformed, is the scintillator's MTF."""
    bright = replace(FLAT, air_kerma=400.0)
    dark_phantom = Phantom(np.random.default_rng(0))
    detector = replace(CLEAN, electronic_noise=0.0, fixed_pattern=0.0, mtf=Transfer(3.5), gain=0.5)
    step = np.mean([acquire_edge(dark_phantom, bright, detector, seed) for seed in range(40)], axis=0)
    line = np.gradient(step)
    spectrum = np.abs(np.fft.rfft(line)) / abs(line.sum())
    f = np.fft.rfftfreq(len(line), PIXEL_SPACING_MM).astype(np.float64)
    # np.gradient's own transfer function is taken out.
    expected = detector.mtf(f) * np.sinc(2 * f * PIXEL_SPACING_MM)
    np.testing.assert_allclose(spectrum[1:12], expected[1:12], atol=0.05)


def acquire_edge(phantom: Phantom, exposure: Exposure, detector: Detector, seed: int) -> np.ndarray:
    """Across the plate's lower edge, averaged along it: the plate ends 120 mm from the centre."""
    region = Region(1500 + 1200 - 32, 1000, 64, 400)
    return acquire(phantom, exposure, detector, np.random.default_rng(seed), region).mean(axis=1)


def test_scatter_dilutes_contrast_by_its_share() -> None:
    """With scatter fraction s a disc's contrast is (1 - s) times what it is without."""
    phantom = Phantom(np.random.default_rng(0))
    phantom.__dict__["present"] = np.zeros((16, 16), bool)
    contrasts = []
    for share in (0.0, 0.4):
        exposure = replace(FLAT, air_kerma=400.0, scatter_fraction=share)
        quiet = replace(CLEAN, electronic_noise=0.0, fixed_pattern=0.0, gain=0.4)
        images = [
            acquire(p, exposure, quiet, np.random.default_rng(1), Region(1500 + 1100, 1000, 50, 200)).mean()
            for p in (phantom, None)
        ]
        beside = acquire(phantom, exposure, quiet, np.random.default_rng(1), Region(1500 + 1300, 1000, 50, 200)).mean()
        contrasts.append((beside - images[0]) / images[0])
    assert contrasts[1] / contrasts[0] == pytest.approx(0.6, rel=0.02)


def test_defects_read_zero_and_stay_where_they_are() -> None:
    detector = replace(CLEAN, dead_pixels=400, dead_lines=5, seed=7)
    whole = Region(0, 0, 3000, 2400)
    first, second = (acquire(None, FLAT, detector, np.random.default_rng(seed), whole) for seed in (1, 2))
    np.testing.assert_array_equal(first == 0, second == 0)
    assert (first == 0).all(axis=0).sum() == 5


def test_values_stay_within_the_stored_bits() -> None:
    image = flat(exposure=replace(FLAT, air_kerma=5000.0), side=64)
    assert image.max() == 2**BITS_STORED - 1


def test_heel_darkens_away_from_the_chest_wall() -> None:
    image = acquire(None, replace(FLAT, heel=0.08), CLEAN, np.random.default_rng(0), Region(1000, 0, 64, 2400))
    left, right = image[:, :100].mean(), image[:, -100:].mean()
    assert (left - right) / image.mean() == pytest.approx(0.08 * 2300 / 2400, rel=0.05)
