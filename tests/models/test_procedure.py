"""The conventional reading of the phantom, step by step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from fisherlens.models.mammography.acquisition import Exposure, acquire
from fisherlens.models.mammography.comparison import Conversion, grouped, plate, precision
from fisherlens.models.mammography.detector import Detector
from fisherlens.models.mammography.observer import DIAMETERS_MM
from fisherlens.models.mammography.phantom import DIAMETERS_MM as DISCS_MM
from fisherlens.models.mammography.phantom import THICKNESSES_UM, Phantom, Pose
from fisherlens.models.mammography.population import Acquisition
from fisherlens.models.mammography.procedure.contrast_detail import contrast_detail_curve, psychometric_thresholds
from fisherlens.models.mammography.procedure.reading import Decisions, logarithm, read
from fisherlens.models.mammography.procedure.registration import register

POSE = Pose(x=1.3, y=-1.7, rotation=-0.8, magnification=1.021)
DETECTOR = Detector()


def taken(air_kerma: float, seed: int = 0, phantom: Phantom | None = None) -> Acquisition:
    phantom = phantom or Phantom(np.random.default_rng(1))
    return Acquisition(phantom, Exposure(air_kerma=air_kerma, pose=POSE), DETECTOR, np.random.default_rng(seed))


def image(acquisition: Acquisition) -> np.ndarray:
    return acquire(acquisition.phantom, acquisition.exposure, acquisition.detector, acquisition.rng, plate(acquisition))


def test_the_phantom_is_found_where_it_lies() -> None:
    acquisition = taken(100.0)
    assert acquisition.phantom is not None
    found = register(logarithm(image(acquisition)), DETECTOR.pixel_spacing, acquisition.phantom)
    assert found.x == pytest.approx(POSE.x, abs=0.01)
    assert found.y == pytest.approx(POSE.y, abs=0.01)
    assert found.rotation == pytest.approx(POSE.rotation, abs=0.01)
    assert found.magnification == pytest.approx(POSE.magnification, abs=1e-4)


def test_discs_are_seen_the_more_the_more_gold_and_guessed_where_there_is_next_to_none() -> None:
    """A real image is between: of all cells some, thick ones in every case."""
    acquisition = taken(100.0)
    assert acquisition.phantom is not None
    decisions = read(image(acquisition), DETECTOR.pixel_spacing, acquisition.phantom, POSE)
    share = decisions.correct / np.maximum(decisions.trials, 1.0)
    present = acquisition.phantom.present
    for row in range(5, 12):
        thick = np.flatnonzero(present[row])[-4:]
        assert share[row, thick].mean() == 1.0
    invisible = replace(acquisition, exposure=replace(acquisition.exposure, scatter_fraction=0.9999))
    guessed = read(image(invisible), DETECTOR.pixel_spacing, acquisition.phantom, POSE)
    trials = guessed.trials.sum()
    assert guessed.correct.sum() / trials == pytest.approx(0.25, abs=4 * np.sqrt(0.25 * 0.75 / trials))


def test_less_dose_raises_the_thresholds_of_the_procedure() -> None:
    curves = []
    for dose in (40.0, 160.0):
        phantom = Phantom(np.random.default_rng(1))
        total = Decisions(*np.zeros((2, 16, 16)))
        for seed in range(2):
            total = total + read(image(taken(dose, seed, phantom)), DETECTOR.pixel_spacing, phantom, POSE)
        curves.append(contrast_detail_curve(total, DIAMETERS_MM))
    assert (curves[0][:3] > 1.3 * curves[1][:3]).all()


def drawn(thresholds: np.ndarray, slope: float, images: int) -> Decisions:
    """What an observer with known psychometric curves would decide."""
    present = Phantom(np.random.default_rng(0)).present
    p = 0.25 + 0.75 * expit(slope * np.log(np.array(THICKNESSES_UM)[None, :] / thresholds[:, None]))
    trials = np.where(present, 2.0 * images, 0.0)
    return Decisions(np.random.default_rng(5).binomial(trials.astype(int), p).astype(float), trials)


def test_known_psychometric_curves_are_found_again() -> None:
    x = np.array(DISCS_MM)
    truth = 0.02 + 0.01 / x + 0.004 / x**2
    decisions = drawn(truth, 3.0, images=400)
    found, known = psychometric_thresholds(decisions)
    assert known.sum() >= 12
    known[0] = False  # the smallest discs have neighbours on one side only, which smoothing draws them to
    np.testing.assert_allclose(found[known], truth[known], rtol=0.06)
    read_at = np.array(DIAMETERS_MM)
    expected = 0.02 + 0.01 / read_at + 0.004 / read_at**2
    np.testing.assert_allclose(contrast_detail_curve(decisions, DIAMETERS_MM)[:4], expected[:4], rtol=0.08)


def test_readings_spread_less_the_more_images_they_use() -> None:
    truth = 0.02 + 0.01 / np.array(DISCS_MM) + 0.004 / np.array(DISCS_MM) ** 2
    present = Phantom(np.random.default_rng(0)).present
    rng = np.random.default_rng(6)
    p = 0.25 + 0.75 * expit(3.0 * np.log(np.array(THICKNESSES_UM)[None, :] / truth[:, None]))
    spreads = []
    for images in (1, 16):
        trials = np.where(present, 2 * images, 0)
        curves = [
            contrast_detail_curve(Decisions(rng.binomial(trials, p).astype(float), trials.astype(float)), DIAMETERS_MM)
            for _ in range(20)
        ]
        spreads.append(np.log(curves).std(axis=0)[1])
    assert spreads[0] > 2.0 * spreads[1]


def test_precision_is_pooled_over_systems_and_error_is_from_the_truth() -> None:
    rng = np.random.default_rng(0)
    truths = [np.exp(rng.normal(size=5)) for _ in range(200)]
    by_system = [
        (truth * np.exp(bias + 0.03 * rng.standard_normal((6, 5))), np.tile(truth, (6, 1)))
        for truth, bias in zip(truths, 0.04 * rng.standard_normal(200), strict=True)
    ]
    found = precision("any", by_system)
    np.testing.assert_allclose(found.repeatability, 0.03, rtol=0.1)
    np.testing.assert_allclose(found.error, 0.05, rtol=0.15)


def test_a_power_law_is_fitted_as_conversion() -> None:
    rng = np.random.default_rng(0)
    found = np.exp(rng.normal(size=(12, 5)))
    convert = Conversion.fitted(found, 1.7 * found**1.2)
    np.testing.assert_allclose(convert(found[3]), 1.7 * found[3] ** 1.2)


def test_groups_share_no_image() -> None:
    assert grouped(list(range(10)), 4) == [[0, 1, 2, 3], [4, 5, 6, 7]]  # type: ignore[arg-type]
