"""Fisher form, sensitivity, eigen-components and maps against autograd in float64 and numpy."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, jacrev

from fisherlens.export.checks import CHECKS
from fisherlens.export.errors import NetworkError
from fisherlens.export.fisher.fisher_graph import FisherGraph
from fisherlens.export.fisher.form import fisher_form, sensitivity
from fisherlens.export.heads import Gaussian, Head, Softmax
from fisherlens.export.maps import MAPS
from fisherlens.export.maps.integrated import without_details

from ..instruments import evaluated

IMAGES = torch.rand(2, 1, 12, 12, generator=torch.Generator().manual_seed(0))
TOLERANCE = 2e-3


def smooth() -> nn.Module:
    """Every derivative exists: ReLU's second one would not."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2), nn.Tanh(), nn.Conv2d(4, 6, 3, padding=1), nn.Softplus(), nn.Flatten(),
        nn.Linear(150, 8), nn.Tanh(), nn.Linear(8, 4),
    )  # fmt: skip


def log_densities(head: Head, outputs: Tensor) -> Tensor:
    """Score functions [S] of outputs [4], with the distribution held fixed where it weighs them."""
    if isinstance(head, Softmax):
        p = outputs.softmax(0).detach()
        return torch.diag(p.sqrt()) @ outputs - p.sqrt() * (p @ outputs)
    mean, log_variance = outputs.chunk(2)
    return torch.cat([mean / (log_variance.detach() / 2).exp(), log_variance / 2**0.5])


def entropy(head: Head, outputs: Tensor) -> Tensor:
    if isinstance(head, Softmax):
        return -(outputs.softmax(0) * outputs.log_softmax(0)).sum()
    return outputs.chunk(2)[1].sum() / 2


def form(head: Head, network: nn.Module, image: Tensor, direction: dict[str, Tensor] | None) -> tuple[Tensor, dict]:
    """vᵀ F v with F = Jᵀ LᵀL J from dense Jacobians, and v."""
    parameters = dict(network.named_parameters())
    run = lambda p: functional_call(network, p, (image,))[0]  # noqa: E731
    jacobian = jacrev(run)(parameters)
    outputs = run(parameters)
    if direction is None:
        slope = torch.func.grad(lambda p: entropy(head, run(p)))(parameters)
        norm = torch.sqrt(sum((g**2).sum() for g in slope.values()))
        direction = {name: (-g / norm).detach() for name, g in slope.items()}
    along = sum((jacobian[name].flatten(1) @ direction[name].flatten()) for name in parameters)
    return ((_factors(head, outputs) @ along) ** 2).sum(), direction


def _factors(head: Head, outputs: Tensor) -> Tensor:
    """L, as a function of the outputs."""
    if isinstance(head, Softmax):
        p = outputs.softmax(0)
        return torch.diag(p.sqrt()) - torch.outer(p.sqrt(), p)
    log_variance = outputs.chunk(2)[1]
    return torch.diag(torch.cat([(-log_variance / 2).exp(), torch.full_like(log_variance, 0.5**0.5)]))


@pytest.mark.parametrize("head", [Softmax(), Gaussian()])
def test_the_fisher_form_and_its_sensitivity_are_those_of_dense_jacobians(head: Head) -> None:
    def outputs(graph: FisherGraph) -> dict:
        found = fisher_form(graph.forward, graph.readout)
        return {"form": found.form, "sensitivity": sensitivity(graph.forward, found)}

    network = deepcopy(smooth()).double()
    for image, given in zip(IMAGES, evaluated(smooth(), IMAGES, head, outputs), strict=True):
        x = image[None].double().requires_grad_()
        _, direction = form(head, network, x, None)
        expected, _ = form(head, network, x, direction)
        assert given["form"] == pytest.approx(float(expected.detach()), rel=TOLERANCE)
        (slope,) = torch.autograd.grad(expected, x)
        largest = float(slope.abs().max())
        np.testing.assert_allclose(given["sensitivity"], slope.abs().numpy(), atol=TOLERANCE * largest)


@pytest.mark.parametrize("head", [Softmax(), Gaussian()])
def test_the_largest_eigenvalue_is_that_of_the_information_about_the_image(head: Head) -> None:
    network = deepcopy(smooth()).double()

    def outputs(graph: FisherGraph) -> dict:
        return {
            "eigenvalue": CHECKS["largest_eigenvalue"].measured(graph).values[0],
            "component": MAPS["eigen"].values(graph),
        }

    for image, given in zip(IMAGES, evaluated(smooth(), IMAGES, head, outputs), strict=True):
        rows = jacrev(lambda x: log_densities(head, network(x[None])[0]))(image.double()).flatten(1).detach().numpy()
        values, vectors = np.linalg.eigh(rows.T @ rows)
        assert given["eigenvalue"] == pytest.approx(values[-1], rel=TOLERANCE)
        np.testing.assert_allclose(
            given["component"].ravel(), values[-1] * vectors[:, -1] ** 2, atol=TOLERANCE * values[-1]
        )


def members(count: int) -> list[nn.Module]:
    """Networks like `smooth`, each with weights of its own."""
    found = []
    for seed in range(count):
        found.append(smooth())
        torch.manual_seed(seed)
        nn.init.normal_(list(found[-1].parameters())[-2])
    return found


def test_the_disagreement_of_an_ensemble_of_regressors_is_the_mean_ratio_of_its_variances() -> None:
    ensemble = members(3)
    measured = evaluated(ensemble, IMAGES, Gaussian(), _disagreement)
    for image, given in zip(IMAGES, measured, strict=True):
        outputs = torch.stack([member.double()(image[None].double())[0] for member in deepcopy(ensemble)])
        means, log_variances = outputs.chunk(2, dim=1)
        ratio = means.var(dim=0, unbiased=False) / log_variances.exp().mean(dim=0)
        assert given["disagreement"] == pytest.approx(float(ratio.log().mean().exp().detach()), rel=1e-4)


def test_the_disagreement_of_an_ensemble_of_classifiers_is_its_mutual_information() -> None:
    ensemble = members(3)
    measured = evaluated(ensemble, IMAGES, Softmax(), _disagreement)
    for image, given in zip(IMAGES, measured, strict=True):
        outputs = torch.stack([member.double()(image[None].double())[0] for member in deepcopy(ensemble)])
        whole = torch.distributions.Categorical(outputs.softmax(1).mean(dim=0)).entropy()
        single = torch.distributions.Categorical(logits=outputs).entropy().mean()
        assert given["disagreement"] == pytest.approx(float((whole - single).detach()), rel=1e-4)


@pytest.mark.parametrize("head", [Softmax(), Gaussian()])
def test_a_single_network_cannot_disagree(head: Head) -> None:
    with pytest.raises(NetworkError, match="it needs several"):
        evaluated(smooth(), IMAGES, head, _disagreement)


def _disagreement(graph: FisherGraph) -> dict:
    return {"disagreement": CHECKS["ensemble_disagreement"].measured(graph).values[0]}


def test_the_gradient_map_is_the_squared_derivative_of_the_predicted_log_probability() -> None:
    network = deepcopy(smooth()).double()
    outputs = evaluated(smooth(), IMAGES, Softmax(), lambda i: {"map": MAPS["gradient"].values(i)})
    for image, given in zip(IMAGES, outputs, strict=True):
        x = image[None].double().requires_grad_()
        (slope,) = torch.autograd.grad(network(x).log_softmax(1).max(), x)
        np.testing.assert_allclose(given["map"], slope.numpy() ** 2, atol=TOLERANCE * float((slope**2).max()))


@pytest.mark.parametrize("head", [Softmax(), Gaussian()])
def test_integrated_gradients_are_complete(head: Head) -> None:
    """They add up to the target on the image less that on the baseline (Sundararajan et al. 2017,
    proposition 1), also of a network with kinks; and the oriented ones are their two signs."""
    names = ("integrated_gradients", "integrated_gradients_raising", "integrated_gradients_lowering")

    def outputs(graph: FisherGraph) -> dict:
        baseline = without_details(graph.tape, graph.image)
        return {"baseline": baseline, **{name: MAPS[name].values(graph) for name in names}}

    torch.manual_seed(0)
    kinked = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(800, 16), nn.ReLU(), nn.Linear(16, 4))
    with torch.no_grad():
        for parameter in kinked.parameters():
            parameter.mul_(3.0)  # as far from linear as a trained network
    disc = ((torch.arange(12)[:, None] - 6) ** 2 + (torch.arange(12) - 5) ** 2 < 9).float()
    images = torch.stack([disc, 3 * disc])[:, None] + 0.1 * IMAGES
    for image, given in zip(images, evaluated(kinked, images, head, outputs), strict=True):
        results = [kinked(x)[0].detach() for x in (image[None], torch.from_numpy(given["baseline"]))]
        if isinstance(head, Softmax):
            predicted = int(results[0].argmax())
            target = lambda o, c=predicted: o.log_softmax(1)[:, c]  # noqa: E731
        else:
            unit = (results[0][2:] / 2).exp()
            target = lambda o, u=unit: (o[:, :2] / u).sum(dim=1)  # noqa: E731
        there, before = (target(result[None]) for result in results)
        by_autograd = _integrated(kinked, target, image[None], torch.from_numpy(given["baseline"]))
        assert given[names[0]].sum() == pytest.approx(float(there - before), rel=1e-3)
        np.testing.assert_allclose(given[names[0]], by_autograd, atol=0.02 * np.abs(by_autograd).max())
        np.testing.assert_allclose(given[names[1]] - given[names[2]], given[names[0]], atol=1e-6)
        assert given[names[1]].min() >= 0
        assert given[names[2]].min() >= 0


def _integrated(network: nn.Module, target: Callable[[Tensor], Tensor], image: Tensor, baseline: Tensor) -> np.ndarray:
    """By the midpoint rule over 2,000 nodes."""
    places = ((torch.arange(2000) + 0.5) / 2000)[:, None, None, None]
    path = (baseline + places * (image - baseline)).requires_grad_()
    (slopes,) = torch.autograd.grad(target(network(path)).sum(), path)
    return ((image - baseline) * slopes.mean(dim=0, keepdim=True)).detach().numpy()


def test_grad_cam_is_that_of_the_paper() -> None:
    """alpha = mean of dy/dA over places; ReLU(sum alpha A) (Selvaraju et al. 2017, eqs. 1 and 2)."""
    network = smooth()
    outputs = evaluated(network, IMAGES, Softmax(), lambda i: {"map": MAPS["grad_cam"].values(i)})
    for image, given in zip(IMAGES, outputs, strict=True):
        activation = network[:3](image[None])  # type: ignore[index]
        logits = network[3:](activation)  # type: ignore[index]
        (slope,) = torch.autograd.grad(logits.log_softmax(1).max(), activation)
        coarse = F.relu((slope.mean(dim=(2, 3), keepdim=True) * activation).sum(dim=1, keepdim=True))
        expected = F.interpolate(coarse, size=(12, 12), mode="bilinear", align_corners=False).detach().numpy()
        np.testing.assert_allclose(given["map"], expected, atol=1e-4 * expected.max())


@pytest.mark.parametrize("kind", sorted(MAPS))
@pytest.mark.parametrize("probes", [0, 1])
def test_every_map_is_written_for_regression_and_classification(kind: str, probes: int) -> None:
    for head in (Softmax(), Gaussian()):
        (given,) = evaluated(smooth(), IMAGES[:1], head, lambda i: {"map": MAPS[kind].values(i)}, probes=probes)
        assert given["map"].shape == (1, 1, 12, 12)
        assert np.isfinite(given["map"]).all()
        assert kind == "grad_cam" or np.any(given["map"])  # whose ReLU may leave nothing
