"""What the input's own uncertainty does to the values."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d
from torch import Tensor, nn

from fisherlens.export.errors import CalibrationError, NetworkError
from fisherlens.export.heads import Gaussian, Softmax
from fisherlens.export.heads.input_noise import InputNoise, read_correlation

from ...networks import ensemble, images, regressor
from ..instruments import evaluated

IMAGES = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))


def linear() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(32 * 32, 4))


def mean_jacobian(modules: list[nn.Module], image: Tensor) -> np.ndarray:
    """Of the members' mean values, [2, 32, 32]."""

    def values(x: Tensor) -> Tensor:
        return torch.stack([module(x)[0, :2] for module in modules]).mean(dim=0)

    return torch.autograd.functional.jacobian(values, image[None])[:, 0, 0].numpy()


@pytest.mark.parametrize("make", [lambda: [linear()], lambda: [regressor()], lambda: list(ensemble())])
def test_to_first_order_it_is_the_law_of_propagation(make) -> None:  # type: ignore[no-untyped-def]
    """u^2 = sum_i (df/dx_i)^2 u^2(x_i): JCGM 100, eq. 10, derivatives by autograd."""
    modules = make()
    noise = InputNoise(constant=0.02, proportional=0.001)
    for image, outputs in zip(IMAGES, evaluated(modules, IMAGES, Gaussian(), input_noise=noise), strict=True):
        variance = 0.02**2 + 0.001 * image[0].numpy()
        expected = np.sqrt((mean_jacobian(modules, image) ** 2 * variance).sum(axis=(1, 2)))
        np.testing.assert_allclose(outputs["u_input"], expected, rtol=1e-4)
        parts = [outputs[name] for name in ("u_aleatoric", "u_epistemic", "u_input")]
        np.testing.assert_allclose(outputs["u"] ** 2, sum(part**2 for part in parts), rtol=1e-5)


def test_correlated_noise_counts_by_its_covariance() -> None:
    """u^2 = J Sigma Jᵀ with Sigma = K Kᵀ of filtered white noise (JCGM 102, 6.2.1.3)."""
    kernel = np.array([[0.0, 1.0, 0.0], [2.0, 4.0, 1.0], [0.0, 3.0, 0.0]])
    kernel /= np.sqrt((kernel**2).sum())
    module = regressor()
    noise = InputNoise(constant=0.05, correlation=kernel)
    (outputs,) = evaluated([module], IMAGES[:1], Gaussian(), input_noise=noise)
    rows = mean_jacobian([module], IMAGES[0])
    expected = [0.05 * np.linalg.norm(convolve2d(row, kernel, mode="same")) for row in rows]
    np.testing.assert_allclose(outputs["u_input"], expected, rtol=1e-3)


def test_many_draws_give_what_first_order_gives_where_the_network_is_linear() -> None:
    by_order, by_draws = (
        evaluated([linear()], IMAGES[:1], Gaussian(), input_noise=noise)[0]["u_input"]
        for noise in (InputNoise(0.02), InputNoise(0.02, method="draws", draws=600))
    )
    np.testing.assert_allclose(by_draws, by_order, rtol=0.12)  # four standard errors of a standard deviation


def test_draws_reach_each_pixel_of_an_image_of_values() -> None:
    """A 1 x 1 convolution with weight w: u_input = |w| times the noise, everywhere."""
    module = nn.Conv2d(1, 2, 1)
    (outputs,) = evaluated(
        [module], IMAGES[:1], Gaussian(), probes=1, input_noise=InputNoise(0.03, method="draws", draws=200)
    )
    weight = abs(float(module.weight.detach()[0]))
    assert outputs["u_input"].shape == (1, 32, 32)
    assert np.sqrt((outputs["u_input"] ** 2).mean()) == pytest.approx(0.03 * weight, rel=0.02)
    assert outputs["u_input"].std() / outputs["u_input"].mean() == pytest.approx(1 / np.sqrt(2 * 199), rel=0.2)


def test_what_cannot_be_propagated_is_refused_in_words() -> None:
    with pytest.raises(NetworkError, match="to first order for at most 64"):
        evaluated([_first(images())], IMAGES[:1], Gaussian(), probes=1, input_noise=InputNoise(0.1))
    with pytest.raises(NetworkError, match="input noise for a classifier"):
        evaluated([linear()], IMAGES[:1], Softmax(), input_noise=InputNoise(0.1))


def _first(module: nn.Module) -> nn.Module:
    class First(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            return module(image)[0]

    return First()


def test_a_noise_correlation_from_a_file_has_unit_energy(tmp_path: Path) -> None:
    np.save(tmp_path / "kernel.npy", np.arange(9.0).reshape(3, 3))
    kernel = read_correlation(tmp_path / "kernel.npy")
    assert (kernel**2).sum() == pytest.approx(1.0)
    np.testing.assert_allclose(kernel / kernel[2, 2], np.arange(9.0).reshape(3, 3) / 8)


@pytest.mark.parametrize("kernel", [np.ones((2, 2)), np.ones((3, 5)), np.zeros((3, 3)), np.full((3, 3), np.nan)])
def test_what_is_no_kernel_is_refused(kernel: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "kernel.npy", kernel)
    with pytest.raises(CalibrationError, match=r"expected finite numbers \[k, k\] with odd k"):
        read_correlation(tmp_path / "kernel.npy")
    with pytest.raises(CalibrationError, match="noise correlation"):
        read_correlation(tmp_path / "absent.npy")
