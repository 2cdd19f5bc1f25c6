"""The networks: fixed layers do what geometry knows, a U-shaped network learns the rest."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from .first_order import resampling
from .interferometer import SOURCES_MM, nominal_rays
from .linear import REGULARISATION, LinearInverse
from .surface import SIZE, unobservable_basis, within_aperture

FINE_UM = 0.01
"""What the network corrects is of this order."""
UNKNOWN_UM = 1.0
"""Standard uncertainty stated where nothing is measured, outside the aperture."""


class Alignment(nn.Module):
    """A layer from path differences [N, sources, SIZE, SIZE] in um to each source's own picture of the surface, in um
    on the topography's grid, zero where it has none: [N, sources, SIZE, SIZE]. Fixed, nothing is learned.

    Misalignment and constants, as the linear inverse estimates them, are taken out; then every pixel of
    the surface takes from each source's camera pixels round its image the quadratic surface through them.
    """

    pixels: Tensor
    rows: Tensor
    effects: Tensor
    neighbours: Tensor
    weights: Tensor
    places: Tensor

    def __init__(self) -> None:
        super().__init__()
        effects, rows = LinearInverse(REGULARISATION).nuisances()
        valid = nominal_rays().valid
        gathered = resampling()
        self._keep("pixels", np.flatnonzero(valid), torch.int64)
        # Shifts and tilts do nearly the same, so their amounts are large and cancel: for single precision they
        # are told along an orthonormal basis of the effects.
        basis, mixture = np.linalg.qr(effects[:, valid].T)
        self._keep("rows", rows[:, valid].T @ mixture.T)
        self._keep("effects", basis.T)
        self._keep("neighbours", gathered.neighbours, torch.int64)
        self._keep("weights", gathered.weights)
        self._keep("places", gathered.places, torch.int64)

    def _keep(self, name: str, array: NDArray, dtype: torch.dtype = torch.float32) -> None:
        self.register_buffer(name, torch.tensor(array, dtype=dtype), persistent=False)

    def forward(self, differences: Tensor) -> Tensor:
        values = differences.flatten(1).index_select(1, self.pixels)
        values = values - (values @ self.rows) @ self.effects
        count, taken = self.neighbours.shape
        around = values.index_select(1, self.neighbours.flatten()).unflatten(1, (count, taken))
        at_surface = (around * self.weights).sum(dim=2)
        padded = nn.functional.pad(at_surface, (1, 0))
        return padded.index_select(1, self.places).unflatten(1, (len(SOURCES_MM), SIZE, SIZE))


class Stitching(nn.Module):
    """A layer from the sources' pictures to their mean, less what cannot be observed, [N, 1, SIZE, SIZE], and by how
    much each differs from that mean, [N, sources, SIZE, SIZE]. Fixed."""

    seen: Tensor
    share: Tensor
    basis: Tensor
    inside: Tensor

    def __init__(self) -> None:
        super().__init__()
        seen = resampling().seen
        inside = within_aperture()
        basis = np.zeros((SIZE * SIZE, unobservable_basis().shape[1]))
        basis[inside.ravel()] = unobservable_basis()
        for name, array in (
            ("seen", seen),
            ("share", seen / np.maximum(seen.sum(axis=0), 1)),
            ("basis", basis),
            ("inside", inside),
        ):
            self.register_buffer(name, torch.tensor(array, dtype=torch.float32), persistent=False)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        mean = (pictures * self.share).sum(dim=1, keepdim=True)
        flat = (mean * self.inside).flatten(1)
        observable = (flat - (flat @ self.basis) @ self.basis.T).unflatten(1, (1, SIZE, SIZE))
        return observable, (pictures - mean) * self.seen


class Step(nn.Sequential):
    """Two convolutions, each with a rectifier behind it."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__(
            nn.Conv2d(channels, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
        )


class FormNetwork(nn.Module):
    """One member: path differences [N, sources, SIZE, SIZE] in um to mean and log variance of the form
    deviation in um, [N, 2, SIZE, SIZE]."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.alignment = Alignment()
        self.stitching = Stitching()
        self.down = nn.ModuleList(
            [Step(2 * len(SOURCES_MM) + 2, width), Step(width, 2 * width), Step(2 * width, 4 * width)]
        )
        self.up = nn.ModuleList([Step(6 * width, 2 * width), Step(3 * width, width)])
        self.last = nn.Conv2d(width, 2, 1)

    def forward(self, differences: Tensor) -> Tensor:
        mean, residuals = self.stitching(self.alignment(differences))
        return self.corrected(mean, residuals)

    def corrected(self, mean: Tensor, residuals: Tensor) -> Tensor:
        """Correct the stitched mean by what the sources' differences from it show, all in um: mean and log variance,
        [N, 2, SIZE, SIZE]."""
        inside = self.stitching.inside.expand_as(mean)
        seen = self.stitching.seen.expand_as(residuals)
        level = torch.cat([mean, residuals / FINE_UM, seen, inside], dim=1)
        skipped = []
        for depth, step in enumerate(self.down):
            level = step(nn.functional.avg_pool2d(level, 2) if depth else level)
            skipped.append(level)
        for step, beside in zip(self.up, reversed(skipped[:-1]), strict=True):
            wide = nn.functional.interpolate(level, scale_factor=2, mode="nearest")
            level = step(torch.cat([wide, beside], dim=1))
        correction, log_variance = self.last(level).chunk(2, dim=1)
        value = (mean + FINE_UM * correction) * inside
        return torch.cat(
            [value, (log_variance + 2 * np.log(FINE_UM)) * inside + 2 * np.log(UNKNOWN_UM) * (1 - inside)], dim=1
        )
