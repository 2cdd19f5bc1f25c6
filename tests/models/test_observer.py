"""The ground truth, against simulation of its task and scaling laws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from fisherlens.models.mammography.acquisition import Exposure
from fisherlens.models.mammography.detector import Detector, Transfer
from fisherlens.models.mammography.observer import (
    DIAMETERS_MM,
    EUREF_ACCEPTABLE_UM,
    EUREF_ACHIEVABLE_UM,
    PROPORTION_CORRECT,
    THRESHOLD_DETECTABILITY,
    proportion_correct,
    threshold_thickness,
)

QUANTUM_LIMITED = Detector(electronic_noise=0.0, fixed_pattern=0.0)


def test_the_four_alternative_task_is_solved_as_often_as_simulated() -> None:
    rng = np.random.default_rng(0)
    for detectability in (0.0, 1.0, THRESHOLD_DETECTABILITY, 2.5):
        responses = rng.standard_normal((400_000, 4))
        responses[:, 0] += detectability
        share = np.mean(responses.argmax(axis=1) == 0)
        assert proportion_correct(detectability) == pytest.approx(share, abs=0.003)
    assert proportion_correct(THRESHOLD_DETECTABILITY) == pytest.approx(PROPORTION_CORRECT, abs=1e-9)


def test_two_alternatives_have_a_closed_form() -> None:
    """m = 2: Phi(d' / sqrt 2) (Green & Swets 1966)."""
    for detectability in (0.3, 1.0, 2.0):
        assert proportion_correct(detectability, 2) == pytest.approx(norm.cdf(detectability / np.sqrt(2)), abs=1e-7)


def test_thresholds_fall_with_the_square_root_of_dose_where_quanta_limit() -> None:
    """Contrast at threshold goes as dose^-1/2 (Rose); thickness is its logarithm over mu."""
    low, high = (threshold_thickness(Exposure(air_kerma=dose), QUANTUM_LIMITED) for dose in (50.0, 200.0))
    np.testing.assert_allclose((low / high)[2:], 2.0, rtol=0.02)  # thin gold: contrast is proportional to it


def test_thresholds_rise_with_everything_that_degrades_an_image() -> None:
    usual = threshold_thickness(Exposure(), Detector())
    assert (np.diff(usual) < 0).all()  # larger discs are seen at less gold
    worse = (
        (replace(Exposure(), scatter_fraction=0.4), Detector()),
        (Exposure(), Detector(electronic_noise=30.0)),
        (Exposure(), Detector(quantum_efficiency=0.4)),
        (Exposure(), Detector(fixed_pattern=0.03)),
    )
    for exposure, detector in worse:
        assert (threshold_thickness(exposure, detector) > usual).all()
    # Blur takes the finest detail; in quantum noise, which it blurs as well, coarse detail stays as it is.
    assert threshold_thickness(Exposure(), Detector(mtf=Transfer(2.2), noise_transfer=Transfer(2.2)))[0] > usual[0]


def test_a_typical_system_lies_between_the_limits_of_euref() -> None:
    typical = threshold_thickness(Exposure(), Detector())
    assert (typical < EUREF_ACCEPTABLE_UM).all()
    assert (typical > 0.5 * np.array(EUREF_ACHIEVABLE_UM)).all()


def test_the_limits_are_those_of_the_european_guidelines() -> None:
    """4th edition (2006), table 2b.4."""
    assert DIAMETERS_MM == (0.1, 0.25, 0.5, 1.0, 2.0)
    assert EUREF_ACCEPTABLE_UM == (1.68, 0.352, 0.150, 0.091, 0.069)
    assert EUREF_ACHIEVABLE_UM == (1.10, 0.244, 0.103, 0.056, 0.038)
