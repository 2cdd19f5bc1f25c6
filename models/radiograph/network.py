"""The network: four stages of two residual blocks."""

from __future__ import annotations

from torch import Tensor, nn

from . import CLASSES

WIDTHS = (16, 32, 64, 96)


class Block(nn.Module):
    """A residual block (He et al. 2016, arXiv 1512.03385), which halves the image where `stride` is 2."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv2d(channels, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
        )
        self.beside = (
            nn.Identity()
            if (stride, channels) == (1, width)
            else nn.Sequential(nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width))
        )

    def forward(self, image: Tensor) -> Tensor:
        return nn.functional.relu(self.path(image) + self.beside(image))


def radiograph_network() -> nn.Sequential:
    """One member: images [N, 1, SIDE, SIDE] in [0, 1] to logits [N, classes]."""
    first = WIDTHS[0]
    layers: list[nn.Module] = [nn.Conv2d(1, first, 5, 2, 2, bias=False), nn.BatchNorm2d(first), nn.ReLU()]
    channels = first
    for width in WIDTHS:
        layers += [Block(channels, width, 2), Block(width, width, 1)]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, len(CLASSES)))
