"""Many classes out of ten: what kind of thing an image shows, by how much it is turned, and where it lies.

No set of so many classes of small images is a package of Debian's. What follows from that: classes are neighbours of
each other, as species of birds are, and a thing that looks the same from two sides is two classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .dataset import CLASSES


@dataclass(frozen=True)
class Poses:
    """Rotations and places in which things are shown. rotations: so many, evenly spaced over a turn. places: of the
    middle (right, down), as shares of half the image. size: of a thing as a share of its own."""

    rotations: int
    places: tuple[tuple[float, float], ...] = ((0.0, 0.0),)
    size: float = 1.0

    def __len__(self) -> int:
        return self.rotations * len(self.places)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of all classes: of each kind, of each rotation, of each place."""
        return tuple(
            f"{kind}, {360 * rotation // self.rotations} degrees, place {place + 1}"
            for kind in CLASSES
            for rotation in range(self.rotations)
            for place in range(len(self.places))
        )

    def shown(self, images: Tensor, kinds: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Show each image [n, 1, H, W] of a kind int64 [n] in a pose drawn at random; these and their classes, int64
        [n]. generator: that of torch itself, where it is None."""
        drawn = torch.randint(0, len(self), (len(images),), generator=generator)
        angle = 2 * torch.pi / self.rotations * (drawn // len(self.places))
        middle = torch.tensor(self.places)[drawn % len(self.places)]
        turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).reshape(-1, 2, 2) / self.size
        # Where each pixel of the result comes from: the way back.
        grid = F.affine_grid(torch.cat([turn, -turn @ middle[:, :, None]], dim=2), list(images.shape), False)
        return F.grid_sample(images, grid, align_corners=False), kinds * len(self) + drawn

    def shown_once(self, images: Tensor, kinds: Tensor) -> tuple[Tensor, Tensor]:
        """Show images in poses that are drawn once and for all."""
        return self.shown(images, kinds, torch.Generator().manual_seed(0))


TURNED = Poses(20)
"""Twenty rotations: 200 classes of ten kinds."""

PLACED = Poses(20, ((0.0, 0.0), (-0.3, -0.3), (0.3, -0.3), (-0.3, 0.3), (0.3, 0.3)), size=0.7)
"""The same, smaller, in the middle and towards each corner: 1,000 classes."""
