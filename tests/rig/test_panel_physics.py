"""The simulated panel's conditions do what they say, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from fisherlens.models.mammography.acquisition import Exposure
from fisherlens.models.mammography.detector import Detector
from fisherlens.models.mammography.phantom import Phantom

from .panel_physics import HEALTHY, Condition, Panel

SIDE = 128
EXPOSURE = Exposure(air_kerma=100.0)


@pytest.fixture
def panel() -> Panel:
    detector = Detector(fixed_pattern=0.0, dead_pixels=0)
    return Panel(detector, Phantom(np.random.default_rng(0)), SIDE, SIDE, seed=0)


def test_lag_adds_its_share_of_the_frame_before(panel: Panel) -> None:
    first = panel.read(EXPOSURE).astype(float)
    second = panel.read(EXPOSURE, Condition(lag=0.05)).astype(float)
    assert second.mean() == pytest.approx(1.05 * first.mean(), rel=2e-3)


def test_gain_drifts_smoothly_by_at_most_what_is_said(panel: Panel) -> None:
    usual = np.mean([panel.read(EXPOSURE) for _ in range(8)], axis=0)
    drifted = np.mean([panel.read(EXPOSURE, Condition(gain_drift=0.2)) for _ in range(8)], axis=0)
    ratio = (drifted / usual).reshape(8, SIDE // 8, 8, SIDE // 8).mean(axis=(1, 3))
    assert np.abs(ratio - 1).max() <= 0.205
    assert np.abs(ratio - 1).max() > 0.1
    assert np.abs(np.diff(ratio, axis=0)).max() < 0.1


def test_lines_that_are_dead_stay_dead(panel: Panel) -> None:
    few, more = (
        set(np.flatnonzero((panel.read(EXPOSURE, Condition(dead_lines=lines)) == 0).all(axis=0)))
        for lines in (300, 1200)
    )
    assert few < more


def test_full_pixels_store_the_capacity(panel: Panel) -> None:
    usual = panel.read(EXPOSURE)
    capacity = int(np.median(usual))
    full = panel.read(EXPOSURE, Condition(capacity=capacity))
    assert full.max() == capacity
    assert (full == capacity).mean() == pytest.approx(0.5, abs=0.05)


def test_a_blade_shadows_the_millimetres_that_it_reaches_in(panel: Panel) -> None:
    shadowed = panel.read(EXPOSURE, Condition(collimation_mm=5.0)).mean(axis=0)
    dark = np.flatnonzero(shadowed < shadowed.max() / 2)
    assert dark.tolist() == list(range(len(dark)))
    assert len(dark) * panel.detector.pixel_spacing == pytest.approx(5.0, abs=0.15)


def test_a_smaller_converter_drops_the_last_bits(panel: Panel) -> None:
    assert panel.read(EXPOSURE, Condition(bits=12)).mean() == pytest.approx(panel.read(EXPOSURE).mean() / 4, rel=2e-3)


def test_a_phantom_that_moves_keeps_its_mean_and_loses_its_detail(panel: Panel) -> None:
    def of(condition: Condition) -> np.ndarray:
        return np.mean([panel.read(EXPOSURE, condition) for _ in range(16)], axis=0)

    still, moved = of(HEALTHY), of(Condition(motion_mm=3.0))
    assert moved.mean() == pytest.approx(still.mean(), rel=5e-3)
    assert np.abs(np.diff(moved, axis=1)).max() < np.abs(np.diff(still, axis=1)).max()
