"""The networks that verdicts are timed on, with random weights: speed does not depend on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from fisherlens.export.heads import Gaussian, Head, Softmax


class Block(nn.Module):
    """Two 3 x 3 convolutions and a skip."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride, 1)
        self.second = nn.Conv2d(outputs, outputs, 3, 1, 1)
        self.skip = nn.Conv2d(inputs, outputs, 1, stride) if stride > 1 or inputs != outputs else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.second(torch.relu(self.first(x))) + self.skip(x))


class Residual(nn.Module):
    """308 thousand parameters, ten classes."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, width, 5, 2, 2)
        widths = [width, width, 2 * width, 4 * width, 8 * width]
        self.blocks = nn.Sequential(*(Block(a, b, 1 if a == b else 2) for a, b in pairwise(widths)))
        self.head = nn.Linear(8 * width, 10)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.blocks(torch.relu(self.stem(image))).mean(dim=(2, 3)))


@dataclass(frozen=True)
class Subject:
    """A network to time. exact: whether all score factors are few enough to be timed too."""

    name: str
    shape: tuple[int, int, int, int]
    make: Callable[[], nn.Module]
    head: Head = Softmax()  # noqa: RUF009
    exact: bool = False


def _densenet() -> nn.Module:
    from monai.networks.nets import DenseNet121

    return DenseNet121(spatial_dims=2, in_channels=1, out_channels=10)


def _unet() -> nn.Module:
    from monai.networks.nets import UNet

    return UNet(2, 1, 2, channels=(16, 32, 64, 128, 256), strides=(2, 2, 2, 2), num_res_units=2)


def _mammography() -> nn.Module:
    from fisherlens.models.mammography.network import ThresholdNetwork

    return ThresholdNetwork()


SUBJECTS = (
    Subject("residual network, 256 x 256", (1, 1, 256, 256), Residual, exact=True),
    Subject("MONAI DenseNet121, 224 x 224", (1, 1, 224, 224), _densenet),
    Subject("MONAI UNet, 256 x 256", (1, 1, 256, 256), _unet),
    Subject("mammography, one member, 1024 x 1024", (1, 1, 1024, 1024), _mammography, Gaussian()),
)
