"""The Fisher quantities of whole networks against torch autograd."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from fisherlens.edge.bundle import Bundle, open_bundle
from fisherlens.export.derivatives.bundle_gradient import result_gradient
from fisherlens.export.fisher.fisher_graph import fisher_graph
from fisherlens.export.heads import Softmax
from fisherlens.export.heads.readout import Directions
from fisherlens.export.network.normalise import normalised
from fisherlens.export.network.source import from_modules
from tests.bundles import run, usual_image
from tests.networks import classifier, ensemble

TOLERANCE = 1e-4


def _image(seed: int) -> np.ndarray:
    return (usual_image(seed).astype(np.float32) / 65535.0)[None, None]


def _deployed(network: Any) -> nn.Module:
    """With batch normalisation in the weights, as the device runs it: the information is about those."""
    network.entry[0] = fuse_conv_bn_eval(network.entry[0], network.entry[1])
    network.entry[1] = nn.Identity()
    network.norm.weight.requires_grad_(False)
    network.norm.bias.requires_grad_(False)
    return network


def _squared_scores(
    network: nn.Module, image: Tensor, scores: Callable[[Tensor], list[Tensor]]
) -> tuple[float, Tensor]:
    """Sum over score functions of the squared gradients: in all parameters, and in each pixel."""
    parameters = [p for p in network.parameters() if p.requires_grad]
    trace, about_image = 0.0, torch.zeros_like(image)
    for score in scores(network(image)):
        *gradients, pixel = torch.autograd.grad(score, [*parameters, image], retain_graph=True)
        trace += sum(float((g.double() ** 2).sum()) for g in gradients)
        about_image = about_image + pixel**2
    return trace, about_image


def _classifier_scores(temperature: float) -> Callable[[Tensor], list[Tensor]]:
    """sqrt(p_k) log p_k with p_k held fixed: their squared gradients add up to E[(grad log p)^2]."""

    def scores(logits: Tensor) -> list[Tensor]:
        logp = (logits / temperature).log_softmax(dim=1)[0]
        return [logp[k] * logp[k].detach().exp().sqrt() for k in range(len(logp))]

    return scores


def _gaussian_scores(outputs: Tensor) -> list[Tensor]:
    mean, log_variance = outputs[0].chunk(2)
    return [*(mean / (log_variance.detach() / 2).exp()), *(log_variance / 2**0.5)]


def _exported(network: str, head: str, images: Path, targets: Path, path: Path) -> Bundle:
    """A bundle of tests.networks with the trace of the Fisher information as its only check."""
    run(
        "export", f"tests.networks:{network}", "--head", head, "--check", "fisher_trace",
        "--images", images, "--targets", targets, "-o", path,
    )  # fmt: skip
    return open_bundle(path)


def test_classifier_trace_and_map_agree_with_autograd(usual_folder: Path, classes_csv: Path, tmp_path: Path) -> None:
    bundle = _exported("classifier", "softmax", usual_folder, classes_csv, tmp_path / "classifier.onnx")
    assert bundle.manifest.temperature is not None
    network = _deployed(classifier())
    for seed in range(5):
        outputs = bundle.run(_image(seed), explain=True)
        image = torch.tensor(_image(seed), requires_grad=True)
        trace, about_image = _squared_scores(network, image, _classifier_scores(bundle.manifest.temperature))
        assert outputs["statistic"][0] == pytest.approx(trace, rel=TOLERANCE)
        _assert_map(outputs, about_image)


def test_ensemble_trace_and_map_are_the_mean_of_the_members(
    usual_folder: Path, targets_csv: Path, tmp_path: Path
) -> None:
    bundle = _exported("ensemble", "gaussian", usual_folder, targets_csv, tmp_path / "ensemble.onnx")
    for seed in range(5):
        outputs = bundle.run(_image(seed), explain=True)
        image = torch.tensor(_image(seed), requires_grad=True)
        parts = [_squared_scores(network, image, _gaussian_scores) for network in ensemble()]
        assert outputs["statistic"][0] == pytest.approx(np.mean([trace for trace, _ in parts]), rel=TOLERANCE)
        _assert_map(outputs, torch.stack([about for _, about in parts]).mean(dim=0))


def _assert_map(outputs: dict[str, np.ndarray], about_image: Tensor) -> None:
    low, high = outputs["map_range"]
    expected = about_image[0].sum(dim=0).sqrt().detach().numpy()  # cells of one pixel on a 32 x 32 image
    decoded = low + outputs["map"] / 255.0 * (high - low)
    assert outputs["map"].shape == expected.shape
    assert np.abs(decoded - expected).max() <= (high - low) / 255.0 * 0.51 + TOLERANCE * high
    assert high == pytest.approx(expected.max(), rel=TOLERANCE)


class _Shared(nn.Module):
    """A convolution that is used twice, as a head over a pyramid or an unrolled loop does."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.entry, self.twice, self.last = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(4, 3)

    def forward(self, image: Tensor) -> Tensor:
        x = torch.tanh(self.twice(torch.tanh(self.entry(image))))
        return self.last(torch.tanh(self.twice(x)).mean(dim=(2, 3)))


@pytest.mark.parametrize("probes", [0, 1])
def test_gradients_of_shared_weights_are_added_before_they_are_squared(probes: int) -> None:
    module = _Shared()
    (network,) = from_modules(module, (1, 1, 12, 12), "shared")
    graph = fisher_graph([normalised(network, (1, 1, 12, 12))], Softmax(), probes)
    assert len(graph.layers) == 3
    session = graph.session({"trace": graph.trace})
    image = torch.randn(1, 1, 12, 12)
    (trace,) = session.run(None, {"image": image.numpy()})
    logits = module(image)
    p = logits.softmax(dim=1).detach()[0]
    expected = 0.0
    for row in Directions.choose(3, probes).rows:
        weighted = torch.from_numpy(row).float() * p.sqrt()
        score = ((weighted - weighted.sum() * p) * logits[0]).sum()
        gradients = torch.autograd.grad(score, list(module.parameters()), retain_graph=True)
        expected += float(sum((g**2).sum() for g in gradients))
    assert trace == pytest.approx(expected, rel=TOLERANCE)


def test_input_gradient_agrees_with_autograd(classifier_bundle: Path) -> None:
    gradient = result_gradient(classifier_bundle, "probability")
    temperature = open_bundle(classifier_bundle).manifest.temperature
    assert temperature is not None
    weights = np.linspace(-1, 1, 10, dtype=np.float32)
    for seed in range(5):
        image = torch.tensor(_image(seed), requires_grad=True)
        result = ((classifier()(image) / temperature).softmax(dim=1)[0] * torch.from_numpy(weights)).sum()
        (expected,) = torch.autograd.grad(result, image)
        _, actual = gradient(_image(seed), weights)
        assert np.abs(actual - expected.numpy()).max() <= TOLERANCE * float(expected.abs().max())


def test_map_is_left_out_unless_asked_for(classifier_bundle: Path) -> None:
    bundle = open_bundle(classifier_bundle)
    outputs = next(o for seed in range(20) if not (o := bundle.run(_image(seed), explain=False))["flagged"])
    assert outputs["map"].size == 0
    assert outputs["map_range"].size == 0
