"""The last-layer Laplace head against laplace-torch, and against Bayesian linear regression."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from fisherlens.export.errors import NetworkError
from fisherlens.export.heads import LastLayerLaplace
from fisherlens.export.network.posterior import Posterior

from ...conftest import install_alone
from ..instruments import evaluated

PACKAGES = (
    "laplace-torch==0.3", "torchvision==0.28.0", "torchmetrics", "lightning-utilities", "asdfghjkl",
    "backpack-for-pytorch", "curvlinops-for-pytorch", "unfoldNd", "opt-einsum", "einconv", "linear_operator",
)  # fmt: skip


@pytest.fixture(scope="session")
def laplace(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """laplace-torch."""
    install_alone(tmp_path_factory.mktemp("laplace"), *PACKAGES)
    # The wheel of torchvision in the index has its operators for CUDA only; nothing here runs them.
    library = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import laplace  # type: ignore[import-not-found]

    return laplace


def module(outputs: int) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 3, stride=2), nn.Tanh(), nn.Flatten(), nn.Linear(27, outputs))


def data(classes: int | None) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(60, 1, 8, 8, generator=generator)
    values = torch.stack([images.mean(dim=(1, 2, 3)), images.std(dim=(1, 2, 3))], dim=1)
    return images, values if classes is None else (values[:, 0] * 40).long() % classes


def fitted(laplace: Any, likelihood: str, structure: str) -> tuple[Any, torch.Tensor]:
    images, targets = data(3 if likelihood == "classification" else None)
    network = module(3 if likelihood == "classification" else 2)
    found = laplace.Laplace(
        network, likelihood, subset_of_weights="last_layer", hessian_structure=structure,
        **({"sigma_noise": 0.3, "prior_precision": 2.0} if likelihood == "regression" else {}),
    )  # fmt: skip
    found.fit(DataLoader(TensorDataset(images, targets), batch_size=20))
    return found, images[:4]


@pytest.mark.parametrize("structure", ["full", "diag"])
def test_values_and_uncertainty_are_those_of_laplace_torch(laplace: Any, structure: str) -> None:
    found, images = fitted(laplace, "regression", structure)
    mean, variance = (part.detach().numpy() for part in found(images))
    outputs = evaluated(found, images, LastLayerLaplace(Posterior.of(found)))
    for i, given in enumerate(outputs):
        np.testing.assert_allclose(given["value"], mean[i], rtol=1e-4)
        np.testing.assert_allclose(given["u_epistemic"] ** 2, np.diag(variance[i]), rtol=1e-3)
        np.testing.assert_allclose(given["u_aleatoric"], 0.3, rtol=1e-5)


def test_probabilities_are_those_of_laplace_torch(laplace: Any) -> None:
    found, images = fitted(laplace, "classification", "full")
    expected = found(images, link_approx="probit").detach().numpy()
    outputs = evaluated(found, images, LastLayerLaplace(Posterior.of(found)))
    for given, probability in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(given["probability"], probability, rtol=1e-3)
        assert 0 < given["mutual_information"] < given["entropy"] < np.log(3)


def test_the_exact_posterior_is_that_of_bayesian_linear_regression() -> None:
    """Epistemic variance against the spread of 20,000 weights drawn by a ridge regression's bootstrap-free
    sampler: w = A^-1 (phiᵀ y / s^2 + noise), whose covariance is A^-1 (Papandreou & Yuille 2010)."""
    rng = np.random.default_rng(0)
    features, noise, prior = rng.normal(size=(40, 3)), 0.4, 1.5
    posterior = Posterior.exact(features, prior, np.array([noise]))
    phi = np.concatenate([features, np.ones((40, 1))], axis=1)
    precision = phi.T @ phi / noise**2 + prior * np.eye(4)
    perturbed = phi.T @ rng.normal(size=(40, 20_000)) / noise + np.sqrt(prior) * rng.normal(size=(4, 20_000))
    weights = np.linalg.solve(precision, perturbed)
    np.testing.assert_allclose(np.cov(weights), posterior.covariance[0], atol=0.03 * posterior.covariance[0].max())


def test_a_posterior_of_another_layer_is_refused() -> None:
    posterior = Posterior(np.stack([np.eye(5)] * 2), np.array([0.1, 0.1]))
    with pytest.raises(NetworkError, match="2 outputs of 27 features, the posterior is of 2 outputs of 4 features"):
        evaluated(module(2), data(None)[0][:1], LastLayerLaplace(posterior))
