"""The phantom's geometry, against its published description and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fisherlens.models.mammography.acquisition import GOLD_ATTENUATION_PER_UM
from fisherlens.models.mammography.phantom import (
    CELL_MM,
    DIAMETERS_MM,
    THICKNESSES_UM,
    Disc,
    Phantom,
    Pose,
    Region,
)


def test_there_are_205_cells_of_two_equal_discs() -> None:
    """CDMAM 3.4 manual (Artinis): 205 cells, 16 diameters of 0.06 to 2 mm, 16 thicknesses of 0.03 to 2 um."""
    phantom = Phantom(np.random.default_rng(0))
    assert phantom.present.sum() == 205
    assert len(phantom.discs) == 410
    for centre, corner in zip(phantom.discs[::2], phantom.discs[1::2], strict=True):
        assert (centre.diameter, centre.thickness) == (corner.diameter, corner.thickness)
        assert abs(corner.x - centre.x) == abs(corner.y - centre.y) == CELL_MM / 4


def test_diameters_and_thicknesses_are_logarithmic_steps() -> None:
    for series, low, high in ((DIAMETERS_MM, 0.06, 2.0), (THICKNESSES_UM, 0.03, 2.0)):
        assert (series[0], series[-1]) == (low, high)
        ratios = np.diff(np.log(series)) / (np.log(high / low) / (len(series) - 1))
        assert ratios.min() > 0.6
        assert ratios.max() < 1.4


def test_corners_are_drawn_evenly() -> None:
    corners = np.concatenate([Phantom(np.random.default_rng(seed)).corners.ravel() for seed in range(20)])
    shares = np.bincount(corners, minlength=4) / corners.size
    assert np.abs(shares - 0.25).max() < 0.02


@settings(deadline=None)
@given(
    pose=st.builds(Pose, st.floats(-5, 5), st.floats(-5, 5), st.floats(-3, 3), st.floats(1.0, 1.1)),
    point=st.tuples(st.floats(-80, 80), st.floats(-80, 80)),
)
def test_the_pose_maps_there_and_back(pose: Pose, point: tuple[float, float]) -> None:
    x, y = pose.to_detector(*point)
    u, v = pose.to_phantom(np.array([x], np.float32), np.array([y], np.float32))
    assert (u[0], v[0]) == pytest.approx(point, abs=1e-3)


@pytest.mark.parametrize("diameter", DIAMETERS_MM)
def test_a_disc_takes_the_light_that_beer_and_lambert_say(diameter: float) -> None:
    """The missing light, summed over all pixels, is pi r^2 (1 - exp(-mu T)), however small the disc."""
    phantom = Phantom(np.random.default_rng(0))
    phantom.__dict__["present"] = np.zeros((16, 16), bool)  # no lines
    phantom.__dict__["discs"] = [Disc(3.21, -4.56, diameter, 1.42)]
    pose, spacing, shape = Pose(1.1, -0.7, 0.5, 1.02), 0.1, (300, 300)
    transmission = phantom.transmission(pose, GOLD_ATTENUATION_PER_UM, spacing, shape, Region(0, 0, *shape))
    area = np.pi * (diameter / 2 * pose.magnification) ** 2
    expected = area * (1 - np.exp(-GOLD_ATTENUATION_PER_UM * 1.42))
    assert (1.0 - transmission).sum() * spacing**2 == pytest.approx(expected, rel=0.01)


def test_a_region_is_a_cut_of_the_whole_image() -> None:
    phantom, pose = Phantom(np.random.default_rng(1)), Pose(0.3, 0.2, 0.4, 1.01)
    whole = phantom.transmission(pose, GOLD_ATTENUATION_PER_UM, 0.1, (3000, 2400), Region(1200, 1000, 300, 300))
    part = phantom.transmission(pose, GOLD_ATTENUATION_PER_UM, 0.1, (3000, 2400), Region(1250, 1050, 100, 120))
    np.testing.assert_array_equal(part, whole[50:150, 50:170])
