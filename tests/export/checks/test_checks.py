"""Checks and coverage, against counting and properties that must hold."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf
from sklearn.linear_model import Ridge

from fisherlens.export.calibration.coverage import conformal_factor
from fisherlens.export.checks.kind import evaluated
from fisherlens.export.checks.p_value import needed, p_value, require_enough
from fisherlens.export.checks.profile import MOST_COMPONENTS, UNSEEN, fit_profile
from fisherlens.export.errors import CalibrationError
from fisherlens.export.graph.model import session
from fisherlens.export.graph.tape import IR_VERSION, OPSET, Tape
from fisherlens.export.heads.temperature import fit_temperature


def graph_p_value(usual: np.ndarray, statistic: float) -> float:
    value = ir.val("statistic", dtype=ir.DataType.FLOAT, shape=())
    graph = ir.Graph([value], [], nodes=[], name="p", opset_imports={"": OPSET})
    p = p_value(Tape(graph), value, usual.astype(np.float32), "check")
    p.name, p.dtype = "p", ir.DataType.FLOAT
    graph.outputs.append(p)
    opened = session(ir.Model(graph, ir_version=IR_VERSION))
    return float(opened.run(None, {"statistic": np.array(statistic, np.float32)})[0])


@settings(max_examples=30, deadline=None)
@given(usual=st.lists(st.integers(-5, 5), min_size=1, max_size=40), statistic=st.integers(-6, 6))
def test_the_p_value_counts_usual_statistics_that_are_as_large(usual: list[int], statistic: int) -> None:
    expected = (1 + sum(t >= statistic for t in usual)) / (len(usual) + 1)
    assert graph_p_value(np.array(usual, float), statistic) == pytest.approx(expected, rel=1e-6)


def test_a_statistic_that_is_no_number_is_the_most_unusual() -> None:
    assert graph_p_value(np.arange(99.0), float("nan")) == pytest.approx(0.01)
    assert graph_p_value(np.arange(99.0), float("inf")) == pytest.approx(0.01)


def test_p_values_of_exchangeable_images_are_at_most_alpha_as_often_as_alpha() -> None:
    rng = np.random.default_rng(0)
    alpha, trials = 0.05, 4000
    flagged = 0
    for _ in range(trials):
        sample = rng.standard_cauchy(60)
        flagged += (1 + np.sum(sample[1:] >= sample[0])) / 60 <= alpha
    assert flagged / trials <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / trials)


@pytest.mark.parametrize(("alpha", "checks"), [(0.01, 1), (0.01, 2), (0.05, 2), (0.2, 1)])
def test_the_needed_number_of_images_is_the_least_that_can_flag(alpha: float, checks: int) -> None:
    count = needed(alpha, checks)
    assert 1 / (count // 2 + 1) <= alpha / checks + 1e-12
    assert 1 / (count // 2) > alpha / checks
    require_enough(count, alpha, checks)
    with pytest.raises(CalibrationError, match=f"needs at least {count}"):
        require_enough(count - 1, alpha, checks)


@pytest.mark.parametrize(("count", "size"), [(400, 6), (60, 90)])
def test_the_profile_is_the_mahalanobis_distance_by_scikit_learns_shrunk_covariance(count: int, size: int) -> None:
    rng = np.random.default_rng(1)
    regressors = np.column_stack([np.ones(count), rng.normal(size=(count, 2))])
    features = regressors @ rng.normal(size=(3, size)) + rng.normal(size=(count, size)) @ rng.normal(size=(size, size))
    columns = [features.astype(np.float32), regressors.astype(np.float32)]
    found = evaluated(fit_profile(columns[0], columns[1]), columns)
    # A ridge regression of what differs from the mean; each image's deviation from the fit to all others.
    scaled = regressors / np.abs(regressors).max(axis=0)
    ridge = Ridge(alpha=UNSEEN, fit_intercept=False).fit(scaled, features - features.mean(axis=0))
    residuals = features - features.mean(axis=0) - ridge.predict(scaled)
    hat = scaled @ np.linalg.inv(scaled.T @ scaled + UNSEEN * np.eye(3)) @ scaled.T
    left_out = residuals / (1 - np.diag(hat) - 1 / count)[:, None]
    scale = np.sqrt(((left_out**2).sum(axis=0) + (left_out**2).mean()) / (count + 1))
    covariance = LedoitWolf(assume_centered=True, store_precision=True).fit(left_out / scale)
    np.testing.assert_allclose(found.deviations, residuals / scale, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found.statistics, covariance.mahalanobis(residuals / scale), rtol=1e-2)


def test_directions_beyond_the_most_components_share_their_variance() -> None:
    """Of isotropic features none is told apart, so that leaving components out changes little."""
    rng = np.random.default_rng(3)
    features = rng.normal(size=(700, MOST_COMPONENTS + 40)).astype(np.float32)
    profile = fit_profile(features, np.ones((700, 1), np.float32))
    assert profile.components.shape == (MOST_COMPONENTS + 40, MOST_COMPONENTS)
    statistics = evaluated(profile, [features[:50], np.ones((50, 1), np.float32)]).statistics
    np.testing.assert_allclose(statistics, (features[:50] ** 2).sum(axis=1), rtol=0.15)


def test_a_class_that_no_image_had_is_expected_at_the_mean_of_all() -> None:
    rng = np.random.default_rng(4)
    classes = rng.integers(0, 3, 200)
    features = (classes[:, None] + rng.normal(size=(200, 5))).astype(np.float32)
    profile = fit_profile(features, np.eye(4, dtype=np.float32)[classes])
    at_mean = evaluated(profile, [features.mean(axis=0, keepdims=True), np.eye(4, dtype=np.float32)[[3]]])
    np.testing.assert_allclose(at_mean.deviations, 0, atol=1e-4)


def test_a_class_of_one_image_does_not_make_the_covariance_smaller() -> None:
    """Its image is its own mean: it must not count as if it told how far images lie from their class."""
    rng = np.random.default_rng(5)
    features = rng.normal(size=(120, 4)).astype(np.float32)
    alone = fit_profile(features, np.eye(120, dtype=np.float32))
    assert np.all(alone.deviation > 0.7)


def test_collinear_features_leave_the_statistic_steady() -> None:
    """A feature that repeats another tells nothing: what rounding adds must not flag."""
    rng = np.random.default_rng(2)
    base = rng.normal(size=(300, 3))
    features = np.column_stack([base, base.sum(axis=1)]).astype(np.float32)
    ones = np.ones((300, 1), np.float32)
    statistic = fit_profile(features, ones)
    rounded = features + rng.normal(scale=1e-5, size=features.shape).astype(np.float32)
    before, after = (evaluated(statistic, [f, ones]).statistics for f in (features, rounded))
    np.testing.assert_allclose(before, after, rtol=0.02, atol=0.02)


def test_a_channel_that_no_usual_image_wakes_is_told_when_one_does_but_not_without_bound() -> None:
    features = np.random.default_rng(6).normal(size=(100, 3)).astype(np.float32)
    features[:, 1] = 0.0
    ones = np.ones((100, 1), np.float32)
    found = evaluated(fit_profile(features, ones, [3]), [features + np.array([0, 1, 0], np.float32), ones])
    assert np.all((found.deviations[:, 1] > 5) & (found.deviations[:, 1] < 20))


def test_channels_that_are_all_zero_on_usual_images_say_nothing() -> None:
    features = np.random.default_rng(6).normal(size=(100, 3)).astype(np.float32)
    features[:, 1:] = 0.0
    ones = np.ones((100, 1), np.float32)
    found = evaluated(fit_profile(features, ones, [1, 2]), [features + 1, ones])
    assert np.isfinite(found.statistics).all()
    np.testing.assert_array_equal(found.deviations[:, 1:], 0.0)


def test_too_few_images_for_a_profile_are_refused() -> None:
    with pytest.raises(CalibrationError, match="at least 40"):
        fit_profile(np.zeros((19, 10), np.float32), np.ones((19, 1), np.float32))


@given(st.lists(st.floats(0, 10), min_size=19, max_size=60), st.sampled_from([0.5, 0.9, 0.95]))
def test_the_conformal_factor_covers_its_share_of_the_scores(scores: list[float], probability: float) -> None:
    factor = conformal_factor(np.array(scores), probability)
    assert np.sum(np.array(scores) <= factor) >= np.ceil((len(scores) + 1) * probability)


def test_a_coverage_that_the_targets_cannot_give_is_refused() -> None:
    with pytest.raises(CalibrationError, match="at least 19"):
        conformal_factor(np.arange(18.0), 0.95)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_made_the_classes_is_found(temperature: float) -> None:
    rng = np.random.default_rng(3)
    logits = rng.normal(scale=4, size=(20_000, 5))
    gumbel = rng.gumbel(size=logits.shape)
    classes = (logits / temperature + gumbel).argmax(axis=1)
    assert fit_temperature(logits[:, None].astype(np.float32), classes) == pytest.approx(temperature, rel=0.05)


def test_pixels_of_which_nothing_is_known_take_no_part_in_the_coverage_factor() -> None:
    scores = np.random.default_rng(0).exponential(size=(40, 6, 5))
    masked = np.pad(scores, ((0, 0), (1, 2), (3, 0)), constant_values=np.nan)
    assert conformal_factor(masked, 0.95) == conformal_factor(scores, 0.95)
    assert np.mean(scores <= conformal_factor(scores, 0.95)) == pytest.approx(39 / 40, abs=1 / scores.size)
