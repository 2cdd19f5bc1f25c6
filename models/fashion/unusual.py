"""Images that nobody attacked, and that are not like those that the network learned from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor

from . import dataset


def _noisy(images: Tensor) -> Tensor:
    return (images + 0.2 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)


def _blurred(images: Tensor) -> Tensor:
    places = torch.arange(-4, 5).double()
    kernel = torch.exp(-(places**2) / (2 * 1.5**2)).float()
    kernel = kernel / kernel.sum()
    return F.conv2d(F.conv2d(images, kernel.view(1, 1, 1, 9), padding=(0, 4)), kernel.view(1, 1, 9, 1), padding=(4, 0))


def _occluded(images: Tensor) -> Tensor:
    """A quarter of the image grey."""
    covered = images.clone()
    covered[:, :, 7:21, 7:21] = 0.5
    return covered


def _uniform(images: Tensor) -> Tensor:
    return torch.rand(images.shape, generator=torch.Generator().manual_seed(1))


def _digits(images: Tensor) -> Tensor:
    """Handwritten digits (Alpaydin & Kaynak 1998, as scikit-learn ships them), enlarged from 8 x 8."""
    digits = torch.from_numpy(load_digits().images[: len(images)].astype(np.float32) / 16.0)[:, None]
    return F.interpolate(digits, size=28, mode="bilinear", align_corners=False)


ALTERED: dict[str, Callable[[Tensor], Tensor]] = {
    "noise, 0.2": _noisy,
    "blur, 1.5 pixels": _blurred,
    "rotation by 90 degrees": lambda images: torch.rot90(images, 1, (2, 3)),
    "inversion": lambda images: 1 - images,
    "occlusion": _occluded,
    "uniform noise": _uniform,
    "handwritten digits": _digits,
}
"""Functions by name that make of usual images [n, 1, 28, 28] in [0, 1] as many unusual ones."""


def left_out(known: int, count: int) -> Tensor:
    """Test images of the classes that a network of `known` classes has never seen."""
    images, classes = dataset.evaluation()
    return images[classes >= known][:count]
