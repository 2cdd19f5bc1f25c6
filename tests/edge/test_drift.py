"""The sequential test: false alarms as rare as stated, drift seen soon, whatever the statistic's distribution."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from fisherlens.edge.bundle import open_bundle
from fisherlens.edge.drift import DriftTest


def images_until_alarm(test: DriftTest, stream: np.ndarray) -> int | None:
    for count, statistic in enumerate(stream, 1):
        test.observe(float(statistic))
        if test.drifted:
            return count
    return None


def test_p_values_of_usual_images_are_uniform_however_few_calibrate() -> None:
    rng = np.random.default_rng(0)
    first = [DriftTest(rng.exponential(size=9), seed=seed).observe(rng.exponential()) for seed in range(3000)]
    assert kstest(first, "uniform").pvalue > 1e-3
    test = DriftTest(rng.exponential(size=9))
    assert kstest([test.observe(rng.exponential()) for _ in range(3000)], "uniform").pvalue > 1e-3


def test_false_alarms_are_at_least_as_far_apart_as_stated() -> None:
    """The mean time to a false alarm is at least 200 images; runs are cut at 2,000, which only shortens it."""
    rng = np.random.default_rng(0)
    times = []
    for seed in range(200):
        test = DriftTest(rng.normal(size=100), images_between_false_alarms=200, seed=seed)
        times.append(images_until_alarm(test, rng.normal(size=2000)) or 2000)
    standard_error = np.std(times) / np.sqrt(len(times))
    assert np.mean(times) >= 200 - 3 * standard_error


@pytest.mark.parametrize("calm", [0, 3000])
@pytest.mark.parametrize("shift", [1.0, -1.0])
def test_a_shift_is_seen_whenever_it_begins(calm: int, shift: float) -> None:
    rng = np.random.default_rng(0)
    test = DriftTest(rng.normal(size=400))
    assert images_until_alarm(test, rng.normal(size=calm)) is None
    until = images_until_alarm(test, shift + rng.normal(size=1000))
    assert until is not None
    assert until <= 300


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(allow_nan=True), max_size=60))
def test_any_statistic_gives_a_p_value_and_a_finite_level(statistics: list[float]) -> None:
    test = DriftTest([1.0, 2.0, 2.0])
    for statistic in statistics:
        assert 0.0 <= test.observe(statistic) <= 1.0
        assert np.isfinite(test.level)


def test_a_bundle_brings_its_calibration(classifier_bundle: Path) -> None:
    bundle = open_bundle(classifier_bundle)
    for check in bundle.manifest.checks:
        test = DriftTest.of(bundle, check.name)
        assert not test.drifted
    with pytest.raises(
        ValueError, match="'colour', the bundle has image_texture, activation_profile, uncertainty, cascade"
    ):
        DriftTest.of(bundle, "colour")
