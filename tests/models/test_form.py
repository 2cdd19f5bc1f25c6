"""The virtual interferometer by physics that it was not written from, and the evaluations of its data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import approx_fprime

from fisherlens.models.form.cases import CASES
from fisherlens.models.form.first_order import resampling, sensitivities
from fisherlens.models.form.interferometer import (
    OBSERVATION_MM,
    SOURCES_MM,
    Instrument,
    Misalignment,
    design_lengths,
    nominal_rays,
    path_differences,
)
from fisherlens.models.form.linear import LinearInverse, root_mean_square
from fisherlens.models.form.network import Alignment, FormNetwork, Stitching
from fisherlens.models.form.population import Measurement, usual
from fisherlens.models.form.surface import (
    DESIGN,
    GRID_MM,
    SIZE,
    Specimen,
    design_sag,
    design_slopes,
    form_deviation,
    interpolation,
    unobservable_modes,
    within_aperture,
)
from fisherlens.models.form.topographies import CORRELATION_MM, PEAK_TO_VALLEY_UM, smooth
from fisherlens.models.form.train import StitchedMeasurements, train
from fisherlens.models.weights import load, save

FOCUS_MM = 40.5


@pytest.fixture(scope="module")
def inverse() -> LinearInverse:
    return LinearInverse(0.01)


def quiet(number: int, height: float = 1.0) -> Measurement:
    """A usual surface, scaled, measured without noise by a perfect instrument in its nominal place."""
    taken = usual(number, "tests")
    topography = taken.topography / np.ptp(taken.topography[within_aperture()]) * height
    return replace(taken, topography=topography, misalignment=Misalignment(), instrument=Instrument(), noise=0.0)


def test_slopes_are_the_derivatives_of_the_sag() -> None:
    for x, y in np.random.default_rng(0).uniform(-7, 7, (20, 2)):
        expected = approx_fprime([x, y], lambda p: design_sag(p[0], p[1]), 1e-6)
        np.testing.assert_allclose(design_slopes(x, y), expected, atol=1e-6)


def test_rays_take_stationary_paths() -> None:
    """Fermat's principle, which the law of reflection is not told of: where the ray to a pixel meets the
    specimen, the path from the source by way of the surface to the pixel does not change to first order."""
    rays = nominal_rays()
    rng = np.random.default_rng(0)
    for source in range(len(SOURCES_MM)):
        focus = np.array([*SOURCES_MM[source], FOCUS_MM])
        for row, column in rng.choice(np.argwhere(rays.valid[source]), 5):
            pixel = np.array([rays.observed_x[row, column], rays.observed_y[row, column], OBSERVATION_MM])

            def path(at: np.ndarray, focus: np.ndarray = focus, pixel: np.ndarray = pixel) -> float:
                point = np.array([at[0], at[1], design_sag(at[0], at[1])])
                return float(np.linalg.norm(pixel - point) - np.linalg.norm(focus - point))

            at = np.array([rays.x[source, row, column], rays.y[source, row, column]])
            step = 1e-4
            slopes = [(path(at + d) - path(at - d)) / (2 * step) for d in step * np.eye(2)]
            assert np.abs(slopes).max() < 1e-8
            assert design_lengths()[source, row, column] == pytest.approx(path(at), abs=1e-9)


def test_sensitivities_are_the_first_order_of_the_rays() -> None:
    topography = 1e-3 * quiet(0).topography
    valid = nominal_rays().valid
    expected = np.zeros(valid.shape)
    expected[valid] = sensitivities() @ topography.ravel()
    for picture, seen in zip(expected, valid, strict=True):
        picture[seen] -= picture[seen].mean()
    difference = path_differences(Specimen(topography)) - expected
    assert difference[valid].std() < 2e-3 * expected[valid].std()


@pytest.mark.parametrize(
    "moved",
    [
        Misalignment(shift=(0.1, 0.0, 0.0)),
        Misalignment(shift=(0.0, 0.1, 0.0)),
        Misalignment(shift=(0.0, 0.0, 0.1)),
        Misalignment(tilt=(10.0, 0.0)),
        Misalignment(tilt=(0.0, 10.0)),
    ],
)
def test_a_specimen_in_another_place_has_no_form_deviation(moved: Misalignment, inverse: LinearInverse) -> None:
    """It looks as though its surface deviated by modes that the measurand leaves out."""
    data = path_differences(DESIGN, moved).transpose(1, 2, 0)
    assert np.abs(data).max() > 1e-4
    assert root_mean_square(inverse.evaluate(data)) < 2e-3 * data.std()
    x, y = np.meshgrid(GRID_MM, GRID_MM)
    modes = unobservable_modes(x, y).reshape(6, -1)
    valid = nominal_rays().valid
    effects = (sensitivities() @ modes.T).T
    constants = np.stack([np.where(np.arange(9)[:, None, None] == i, 1.0, 0.0) * valid for i in range(9)])[:, valid]
    basis = np.concatenate([effects, constants]).T
    values = data.transpose(2, 0, 1)[valid]
    residual = values - basis @ np.linalg.lstsq(basis, values, rcond=None)[0]
    assert residual.std() < 2e-3 * values.std()


def test_the_measurand_has_no_part_that_cannot_be_observed() -> None:
    x, y = np.meshgrid(GRID_MM, GRID_MM)
    topography = quiet(1).topography
    shifted = topography + np.tensordot([3.0, -2.0, 1.0, 0.5, 0.2, 4.0], unobservable_modes(x, y), axes=1)
    inside = within_aperture()
    np.testing.assert_allclose(form_deviation(shifted)[inside], form_deviation(topography)[inside], atol=1e-9)
    assert np.isnan(form_deviation(topography)[~inside]).all()


def test_cubic_convolution_reproduces_quadratics() -> None:
    x, y = np.random.default_rng(0).uniform(-9, 9, (2, 50))
    u, v = np.meshgrid(GRID_MM, GRID_MM)
    surface = 0.3 + 0.1 * u - 0.2 * v + 0.05 * u**2 - 0.04 * u * v
    np.testing.assert_allclose(
        interpolation(x, y) @ surface.ravel(), 0.3 + 0.1 * x - 0.2 * y + 0.05 * x**2 - 0.04 * x * y, atol=1e-10
    )


def test_topographies_have_the_stated_height_and_correlation() -> None:
    """Neighbours at the shortest correlation length are correlated at least by exp(-1) on average."""
    rng = np.random.default_rng(0)
    fields = [smooth(rng) for _ in range(60)]
    heights = [np.ptp(field[within_aperture()]) for field in fields]
    assert PEAK_TO_VALLEY_UM[0] <= min(heights)
    assert max(heights) <= PEAK_TO_VALLEY_UM[1]
    pixels = round(CORRELATION_MM[0] / (GRID_MM[1] - GRID_MM[0]))
    correlations = [np.corrcoef(f[pixels:].ravel(), f[:-pixels].ravel())[0, 1] for f in fields]
    assert np.mean(correlations) > np.exp(-1.0)


def test_the_linear_inverse_recovers_low_surfaces_to_a_fraction_of_a_nanometre(inverse: LinearInverse) -> None:
    for number in range(3):
        measurement = quiet(number, height=0.3)
        error = inverse.evaluate(measurement.data()) - measurement.truth
        assert 1e3 * root_mean_square(error) < 0.3


def test_rays_that_miss_their_pixels_are_not_measured() -> None:
    rough = np.random.default_rng(0).normal(0.0, 50.0, (SIZE, SIZE))
    with pytest.raises(ValueError, match="too steep or too rough"):
        path_differences(Specimen(rough))


def test_alignment_and_stitching_do_what_the_linear_inverse_does(inverse: LinearInverse) -> None:
    """The part of the networks that is not learned, on usual measurements: as near to the truth."""
    alignment, stitching = Alignment(), Stitching()
    for number in range(3):
        measurement = usual(number, "tests")
        data = measurement.data()
        with torch.no_grad():
            mean, residuals = stitching(alignment(torch.from_numpy(data).permute(2, 0, 1)[None]))
        difference = mean[0, 0].numpy() - inverse.evaluate(data)
        error = root_mean_square(inverse.evaluate(data) - measurement.truth)
        assert root_mean_square(difference) < max(error, measurement.noise)
        assert (residuals[0].numpy()[~resampling().seen] == 0).all()


def test_training_is_reproducible_and_survives_the_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    shapes = (32, 1, SIZE, SIZE), (32, len(SOURCES_MM), SIZE, SIZE), (32, SIZE, SIZE)
    data = StitchedMeasurements(*(torch.from_numpy(rng.normal(0, 0.1, shape).astype(np.float32)) for shape in shapes))
    first, second = (train(data, epochs=1, seed=3) for _ in range(2))
    measured = torch.from_numpy(usual(0, "tests").data()).permute(2, 0, 1)[None]
    torch.testing.assert_close(first(measured), second(measured))
    save([first], tmp_path / "members.pt")
    (loaded,) = load(tmp_path / "members.pt", FormNetwork)
    assert isinstance(loaded, FormNetwork)
    torch.testing.assert_close(loaded(measured), first(measured))


def test_measurements_are_reproducible_and_their_kinds_differ() -> None:
    for name, make in CASES.items():
        np.testing.assert_array_equal(make(3).data(), make(3).data(), err_msg=name)
    assert len({make(3).data().tobytes() for make in CASES.values()}) == len(CASES)
