"""The network: small enough for two cores, and blind to no detail that the detector resolves."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .observer import DIAMETERS_MM

PHASES = 8
"""The field is split into 8 x 8 phases: stacked as channels, every pixel is kept."""


class PhaseStack(nn.Module):
    """A layer that stacks phases: image [N, 1, H, W] in (0, 1] to [N, PHASES**2 + 1, H/PHASES, W/PHASES].

    The logarithm makes gold contrast additive. Each block's mean is a channel of its own, and is
    taken out of the block's pixels, so that noise of a few percent fills the range of the others.
    """

    contrast_scale = 40.0
    level_offset = -0.8
    floor = 1e-4

    def forward(self, image: Tensor) -> Tensor:
        blocks = nn.functional.pixel_unshuffle(torch.log(image.clamp(min=self.floor)), PHASES)
        level = blocks.mean(dim=1, keepdim=True)
        contrast = (blocks - level) * self.contrast_scale
        return torch.cat([contrast, (level - self.level_offset)], dim=1)


class ThresholdNetwork(nn.Module):
    """One member: [N, 1, H, W] to mean and log variance of the logarithm of the threshold
    thickness (um) at the five diameters, [N, 10].

    It is given nothing but the image. `spacing`, used in training alone, estimates the logarithm of the
    pixel spacing from the same features: a disc's diameter in pixels must be known to judge it.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.stack = PhaseStack()
        self.features = nn.Sequential(
            nn.Conv2d(PHASES**2 + 1, width, 1),
            nn.ReLU(),
            nn.Conv2d(width, width + 16, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(width + 16, 2 * width, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.hidden = nn.Sequential(nn.Linear(2 * width, 64), nn.ReLU())
        self.thresholds = nn.Linear(64, 2 * len(DIAMETERS_MM))
        self.spacing = nn.Linear(64, 1)

    def described(self, image: Tensor) -> Tensor:
        """Features of the whole image, [N, 64]."""
        return self.hidden(self.features(self.stack(image)).mean(dim=(2, 3)))

    def forward(self, image: Tensor) -> Tensor:
        return self.thresholds(self.described(image))
