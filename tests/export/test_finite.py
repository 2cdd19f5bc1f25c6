"""Networks that meet an exact zero on usual images: most can be differentiated there, and the others are refused with
the node that is to blame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import betabinom
from torch import Tensor, nn

from fisherlens.edge.bundle import open_bundle
from fisherlens.edge.bundle.manifest import Input
from fisherlens.export.calibration.images import Images
from fisherlens.export.calibration.parity import compare
from fisherlens.export.checks.judgement import DEFAULT, Procedure
from fisherlens.export.errors import NetworkError, ParityError
from fisherlens.export.heads import Softmax
from fisherlens.export.network.source import from_modules
from fisherlens.export.pipeline import Request, export

SIDE = 16
FRESH = 200
ALPHA = 0.1


class PaddedAttention(nn.Module):
    """Cosine attention over tokens that are padded with a zero, as in Swin V2: the padded key, which has no bias, is
    exactly zero."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 6, 4, 4)
        self.query, self.key, self.value = nn.Linear(6, 6), nn.Linear(6, 6, bias=False), nn.Linear(6, 6)
        self.head = nn.Linear(6, 3)

    def forward(self, image: Tensor) -> Tensor:
        tokens = F.pad(self.patches(image).flatten(2).transpose(1, 2), (0, 0, 0, 1))
        query, key = (F.normalize(layer(tokens), dim=2) for layer in (self.query, self.key))
        weights = torch.softmax(4.0 * query @ key.transpose(1, 2), dim=2)
        return self.head((weights @ self.value(tokens)).mean(1))


class Cosine(nn.Module):
    """A cosine head behind a ReLU: a dark patch gives features of exact zeros."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.head = nn.Conv2d(1, 6, 4, 4, bias=False), nn.Linear(6, 3, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(F.normalize(F.relu(self.features(image)), dim=1).mean((2, 3)))


class DeviationPool(nn.Module):
    """Standard deviation pooling, of which some channels are dead."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.head = nn.Conv2d(1, 6, 4, 4), nn.Linear(12, 3)
        self.features.bias = nn.Parameter(torch.tensor([-3.0, -3.0, -3.0, 0.5, 0.5, 0.5]))

    def forward(self, image: Tensor) -> Tensor:
        features = F.relu(self.features(image))
        return self.head(torch.cat([features.mean((2, 3)), features.std((2, 3))], 1))


class GradientMagnitude(nn.Module):
    """sqrt(gx^2 + gy^2), zero where the image is flat."""

    def __init__(self) -> None:
        super().__init__()
        self.slopes, self.head = nn.Conv2d(1, 2, 3, bias=False), nn.Conv2d(1, 3, 3)
        sobel = torch.tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
        self.slopes.weight.data[:, 0] = torch.stack([sobel, sobel.T])

    def forward(self, image: Tensor) -> Tensor:
        return self.head((self.slopes(image) ** 2).sum(1, keepdim=True).sqrt()).mean((2, 3))


def object_on_black(seed: int) -> np.ndarray:
    """A bright square somewhere on a background of exactly zero, [1, 1, 16, 16]."""
    rng = np.random.default_rng(seed)
    image = np.zeros((1, 1, SIDE, SIDE), np.float32)
    size, (top, left) = rng.integers(4, 9), rng.integers(0, 7, size=2)
    image[..., top : top + size, left : left + size] = rng.uniform(0.4, 0.9) + rng.normal(0.0, 0.02, (size, size))
    return image


def exported(network: nn.Module, images: Images, path: Path, **wishes: object) -> None:
    wanted = Request(name="network", version="1", head=Softmax(), input=Input(), **wishes)  # type: ignore[arg-type]
    export(from_modules([network.eval()], images[0]().shape, "network"), images, None, wanted, path)


def readers(count: int, image: Callable[[int], np.ndarray] = object_on_black) -> Images:
    return [lambda seed=seed: image(seed) for seed in range(count)]  # type: ignore[misc]


@pytest.mark.parametrize("procedure", [DEFAULT, Procedure(("fisher_trace", "fisher_profile"), "each")])
@pytest.mark.parametrize("network", [PaddedAttention, Cosine, DeviationPool, GradientMagnitude])
def test_of_fresh_usual_images_alpha_are_flagged_at_zeros_too(
    network: type[nn.Module], procedure: Procedure, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    exported(network(), readers(400), tmp_path / "out.onnx", alpha=ALPHA, procedure=procedure)
    bundle = open_bundle(tmp_path / "out.onnx")
    outputs = [bundle.run(object_on_black(10_000 + seed), explain=True) for seed in range(FRESH)]
    p_values = np.stack([output["p_value"] for output in outputs])
    for check, p in zip(bundle.manifest.checks, p_values.T, strict=True):
        assert len(np.unique(p)) > FRESH / 10
        if not check.flags:
            continue
        rank = int(check.alpha * (check.calibration_size + 1))
        assert np.sum(p <= check.alpha) <= betabinom.isf(1e-3, FRESH, rank, check.calibration_size + 1 - rank)
    assert np.isfinite([output["map_range"] for output in outputs]).all()
    assert np.ptp([output["map"] for output in outputs]) == 255


class Bright(nn.Module):
    """The mean of the bright places of a layer: of a dark image it is 0/0, and, where asked for, zero instead."""

    def __init__(self, instead: bool) -> None:
        super().__init__()
        self.features, self.head, self.instead = nn.Conv2d(1, 3, 4, 4, bias=False), nn.Linear(4, 3), instead
        self.features.weight.data[:] = 1 / 16

    def forward(self, image: Tensor) -> Tensor:
        features = F.max_pool2d(self.features(image), 2)
        bright = (features > 0.01).to(image.dtype)
        total, area = (bright * features).sum((1, 2, 3)), bright.sum((1, 2, 3))
        mean = total / area
        if self.instead:
            mean = torch.where(area > 0, mean, 0.0)
        return self.head(torch.cat([features.mean((2, 3)), mean[:, None]], 1))


def sometimes_dark(seed: int) -> np.ndarray:
    return object_on_black(seed) * np.float32(seed != 3)


@pytest.mark.parametrize(
    ("instead", "what", "begins"),
    [
        (False, "outputs of network 1", "Div (node node_div"),
        (True, "check fisher_trace", "the derivative of Div (node "),
    ],
)
def test_a_division_by_zero_on_a_usual_image_is_refused_with_its_node(
    instead: bool, what: str, begins: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    with pytest.raises(NetworkError) as refusal:
        exported(
            Bright(instead),
            readers(8, sometimes_dark),
            tmp_path / "out.onnx",
            alpha=0.4,
            procedure=Procedure(("fisher_trace",)),
        )
    said = str(refusal.value)
    assert f"{what}: not finite on 1 of 8" in said
    assert f"On image 4 it begins at {begins}" in said
    assert "whose result is NaN. " in said
    assert not list(tmp_path.iterdir())


def test_a_framework_that_gives_nan_does_not_agree_with_a_bundle_that_does_not() -> None:
    torch.manual_seed(0)
    (network,) = from_modules([Cosine().eval()], (1, 1, SIDE, SIDE), "network")
    broken = replace(network, forward=lambda image: [np.full((1, 3), np.nan, np.float32)])
    with pytest.raises(ParityError):
        compare([broken], readers(2), [[np.zeros((2, 1, 3), np.float32)]], 1e-3, lambda items, label: items)


class Masked(nn.Module):
    """Attention with a mask of -inf; beyond it, where asked for, a logarithm of the background's zero."""

    def __init__(self, logarithm: bool) -> None:
        super().__init__()
        self.patches, self.head, self.logarithm = nn.Conv2d(1, 4, 4, 4), nn.Linear(4, 3), logarithm

    def forward(self, image: Tensor) -> Tensor:
        tokens = self.patches(image).flatten(2).transpose(1, 2)
        scores = tokens @ tokens.transpose(1, 2)
        seen = F.avg_pool2d(image, 4).flatten(2) >= 0.0
        hidden = torch.where(seen.expand_as(scores).tril(), scores, -torch.inf)
        result = self.head((torch.softmax(hidden, dim=2) @ tokens).mean(1))
        return result + image.amin((2, 3)).log() * image.amin((2, 3)) if self.logarithm else result


def test_a_mask_of_infinity_is_exported(tmp_path: Path) -> None:
    torch.manual_seed(0)
    exported(Masked(False), readers(8), tmp_path / "out.onnx", alpha=0.4, procedure=Procedure(("fisher_trace",)))
    assert (tmp_path / "out.onnx").exists()


def test_infinity_that_makes_a_nan_is_traced_to_its_node_and_a_mask_is_not_blamed(tmp_path: Path) -> None:
    torch.manual_seed(0)
    with pytest.raises(NetworkError) as refusal:
        exported(Masked(True), readers(8), tmp_path / "out.onnx", alpha=0.4, procedure=Procedure(("fisher_trace",)))
    said = str(refusal.value)
    assert "not finite on 8 of 8" in said
    assert "On image 1 it begins at Mul (node node_mul" in said
    assert "of an infinite result of Log (node node_log" in said


class ArcCosine(nn.Module):
    """An angle, finite at one, where its derivative is not: of the image, before every layer."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.head = nn.Conv2d(1, 3, 4, 4), nn.Linear(3, 3)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(torch.tanh(self.features(torch.acos(image))).mean((2, 3)))


def test_a_map_that_is_not_finite_is_refused_with_the_node_whose_derivative_is_not(tmp_path: Path) -> None:
    torch.manual_seed(0)
    saturated = readers(8, lambda seed: np.ceil(object_on_black(seed)))
    with pytest.raises(NetworkError) as refusal:
        exported(ArcCosine(), saturated, tmp_path / "out.onnx", alpha=0.4, procedure=Procedure(("fisher_trace",)))
    said = str(refusal.value)
    assert "map: not finite on 8 of 8" in said
    assert "it begins at the derivative of Acos (node node_acos" in said
    assert not list(tmp_path.iterdir())
