"""The usual images that rivals are fitted on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from .passes import Pass, forward_passes

Score = Callable[[Sequence[Pass]], Tensor]
"""The members' forward passes of n images to scores [n], larger for more unusual."""


@dataclass(frozen=True)
class Usual:
    """Usual images float32 [n, C, H, W], their classes int64 [n], and what the members' passes of them show."""

    members: Sequence[nn.Module]
    images: Tensor
    classes: Tensor
    passes: Sequence[Pass]

    @classmethod
    def of(cls, members: Sequence[nn.Module], images: Tensor, classes: Tensor) -> Usual:
        """Run the members over the images."""
        return cls(members, images, classes, forward_passes(members, images))
