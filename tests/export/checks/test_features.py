"""What the profiles are made of, against torch's own hooks and autograd in float64."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch
from scipy.ndimage import laplace
from torch import Tensor, nn

from fisherlens.export.checks import CHECKS
from fisherlens.export.fisher.fisher_graph import DEPTH, FisherGraph
from fisherlens.export.heads import Gaussian, Head, Softmax

from ..instruments import evaluated

IMAGES = torch.rand(3, 1, 12, 12, generator=torch.Generator().manual_seed(0))
MEMBERS = 2


def ensemble() -> list[nn.Sequential]:
    torch.manual_seed(0)
    return [
        nn.Sequential(
            nn.Conv2d(1, 4, 3, stride=2), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(54, 6)
        )
        for _ in range(MEMBERS)
    ]  # fmt: skip


def textures(images: list[Tensor]) -> list[np.ndarray]:
    """Features of the texture of images of any size, by a network that reads their mean."""
    found = []
    for image in images:
        network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2))
        found += evaluated(
            [network], image, Softmax(), lambda graph: {"t": CHECKS["image_texture"].measured(graph).values[0]}
        )
    return [one["t"] for one in found]


def watched(check: str, head: Head) -> list[np.ndarray]:
    """The features of a check, [F] of each image."""

    def outputs(graph: FisherGraph) -> dict:
        measured = CHECKS[check].measured(graph)
        assert sum(part.count for part in measured.watched) == measured.values[0].shape[0]  # type: ignore[index]
        return {"features": measured.values[0]}

    return [found["features"] for found in evaluated(ensemble(), IMAGES, head, outputs)]


def layers(network: nn.Sequential) -> list[nn.Conv2d | nn.Linear]:
    return [module for module in network if isinstance(module, (nn.Conv2d, nn.Linear))]


def last(network: nn.Sequential) -> list[nn.Conv2d | nn.Linear]:
    found = layers(network)
    return found[int(len(found) * (1 - DEPTH)) :]


def test_the_activation_profile_is_of_what_each_of_the_last_layers_acts_on_means_and_active_shares() -> None:
    found = watched("activation_profile", Softmax())
    for image, features in zip(IMAGES, found, strict=True):
        inputs: list[Tensor] = []
        outputs = []
        for network in ensemble():
            for layer in last(network):
                layer.register_forward_pre_hook(lambda _, given, to=inputs: to.append(given[0]))
            outputs.append(network(image[None])[0])
        means = [value.mean(dim=(2, 3))[0] if value.ndim == 4 else value[0] for value in inputs]
        shares = [(value > 0).float().mean(dim=(2, 3))[0] for value in inputs if value.ndim == 4]
        expected = torch.cat([*means, *outputs, *shares]).detach().numpy()
        np.testing.assert_allclose(features, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "head", [Softmax(), Softmax(temperature=1.7), Gaussian()], ids=["softmax", "tempered", "gaussian"]
)
def test_the_scores_are_autograds_in_the_biases_of_the_last_layers_channels(head: Head) -> None:
    found = watched("rao_score", head)
    for image, features in zip(IMAGES, found, strict=True):
        networks = [deepcopy(network).double() for network in ensemble()]
        parameters = [_perturbable(network) for network in networks]
        outputs = torch.stack([network(image[None].double())[0] for network in networks])
        flat = [value for of_member in parameters for value in of_member]
        gradients = torch.autograd.grad(_target(head, outputs), flat)
        expected = torch.cat(gradients).numpy()
        np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def _perturbable(network: nn.Sequential) -> list[Tensor]:
    """A bias of zero behind each of the last layers but that of the results, a value a channel, that moves the mean
    over pixels by as much."""
    found: list[Tensor] = []
    for layer in last(network)[:-1]:
        shape = (1, -1, 1, 1) if isinstance(layer, nn.Conv2d) else (1, -1)
        bias = torch.zeros(layer.weight.shape[0], dtype=torch.float64, requires_grad=True)
        layer.register_forward_hook(lambda _, __, made, b=bias, to=shape: made + (b / made[0, 0].numel()).view(to))
        found.append(bias)
    return found


def _target(head: Head, outputs: Tensor) -> Tensor:
    """Log odds of the class that the ensemble predicts, the members' mean; or the sum of all values in units of the
    aleatoric uncertainty."""
    if isinstance(head, Softmax):
        scaled = outputs / head.temperature
        predicted = int(scaled.softmax(dim=1).mean(dim=0).argmax())
        p = scaled.softmax(dim=1)[:, predicted]
        return (p.log() - (1 - p).log()).mean()
    means, log_variances = outputs.chunk(2, dim=1)
    aleatoric = log_variances.exp().mean(dim=0).sqrt().detach()
    return (means.mean(dim=0) / aleatoric).sum()


def test_the_texture_is_of_differences_between_neighbouring_means() -> None:
    found = watched("image_texture", Softmax())
    steps = ((0, 1), (1, 0))
    for image, features in zip(IMAGES.numpy().astype(float)[:, 0], found, strict=True):
        halved, quartered = (image.reshape(12 // n, n, 12 // n, n).mean(axis=(1, 3)) for n in (2, 4))
        expected = [halved.mean(), halved.std(), halved.max(), halved.min(), np.log(1 / image.size)]
        for level in (image, halved, quartered):
            inner = level[1:-1, 1:-1]
            for down, across in steps:
                moved = level[1 + down :, 1 + across :][: len(inner), : len(inner)]
                expected.append(np.log(np.abs(moved - inner).mean()))
            mixed = np.diff(np.diff(level, n=2, axis=0), n=2, axis=1)
            expected += [np.log(np.abs(laplace(level)[1:-1, 1:-1]).mean()), np.log(np.abs(mixed).mean())]
        np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5)


def test_what_is_beside_unmeasured_pixels_takes_no_part_in_the_texture() -> None:
    """Zeros round an image change its share of zeros and its moments alone, where the steps of the scales agree."""
    image = 5.0 + torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    padded = nn.functional.pad(image, (8, 24, 16, 16))
    found = [of_image[5:] for of_image in textures([image, padded])]
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4)


def test_the_uncertainty_of_classes_is_the_entropy_of_the_members_mean_probability() -> None:
    found = evaluated(
        ensemble(), IMAGES, Softmax(), lambda graph: {"u": CHECKS["uncertainty"].measured(graph).values[0]}
    )
    probability = torch.stack([network(IMAGES).softmax(dim=1) for network in ensemble()]).mean(dim=0)
    expected = torch.distributions.Categorical(probability).entropy().detach().numpy()
    np.testing.assert_allclose([one["u"] for one in found], expected, rtol=1e-5)


def test_the_uncertainty_of_values_is_the_geometric_mean_of_their_standard_uncertainties() -> None:
    found = evaluated(
        ensemble(), IMAGES, Gaussian(), lambda graph: {"u": CHECKS["uncertainty"].measured(graph).values[0]}
    )
    means, log_variances = torch.stack([network(IMAGES) for network in ensemble()]).double().chunk(2, dim=2)
    variance = log_variances.exp().mean(dim=0) + means.var(dim=0, unbiased=False)
    expected = variance.log().mean(dim=1).mul(0.5).exp().detach().numpy()
    np.testing.assert_allclose([one["u"] for one in found], expected, rtol=1e-5)
