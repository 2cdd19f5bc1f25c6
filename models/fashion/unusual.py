"""Images that nobody attacked, and that are not like those that the network learned from."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor

from ..study import alterations as changed
from ..study.subject import Alteration
from . import dataset


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


def _two(images: Tensor) -> Tensor:
    """Two things at once: each pixel the brighter one of an image and the next one."""
    return torch.maximum(images, images.roll(1, 0))


_TURNED = "rotation by 90 degrees"

UNUSUAL: dict[str, Alteration] = {
    "noise, 0.2": partial(changed.noisy, deviation=0.2),
    "blur, 1.5 pixels": partial(changed.blurred, deviation=1.5),
    _TURNED: lambda images: torch.rot90(images, 1, (2, 3)),
    "inversion": lambda images: 1 - images,
    "occlusion": _occluded,
    "uniform noise": _uniform,
    "handwritten digits": _digits,
}
"""The unusual sets of the tables."""

UNUSUAL_IN_POSES: dict[str, Alteration] = {name: UNUSUAL[name] for name in UNUSUAL if name != _TURNED} | {
    "two things at once": _two
}
"""Those of networks to which a rotation by 90 degrees is usual."""

CHOOSING: dict[str, Alteration] = {
    "salt and pepper, 5 %": partial(changed.salted, share=0.05),
    "gamma, 2": lambda images: images**2,
    "zoom, 1.4": partial(changed.zoomed, factor=1.4),
    "stripes": partial(changed.striped, amplitude=0.2, period=4),
    "JPEG, quality 10": partial(changed.recompressed, level=10),
    "shadow": partial(changed.shadowed, depth=0.7),
}
"""Alterations of other kinds, by which settings are chosen."""


def left_out(known: int, images: Tensor) -> Tensor:
    """Test images of the classes that a network of `known` classes has never seen, at most as many as `images`."""
    found, classes = dataset.evaluation()
    return found[classes >= known][: len(images)]
