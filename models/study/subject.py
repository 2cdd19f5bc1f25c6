"""What a model's room gives to the study."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from fisherlens.edge.bundle.manifest import Input
from fisherlens.export.calibration.targets import Targets
from fisherlens.export.heads import Head

from .attacks import Attack

Alteration = Callable[[Tensor], Tensor]
"""Makes of usual images [n, C, H, W] at most as many unusual ones, of the same kind of values."""


class SubjectMissing(Exception):
    """The weights or images of a subject are not where they were said to be."""


@dataclass(frozen=True)
class Part:
    """Usual images float32 [n, C, H, W] as the graph reads them, and what is known of them, [n, ...]: see the task."""

    images: Tensor
    known: Tensor

    def __len__(self) -> int:
        return len(self.known)

    def taken(self, chosen: slice | Tensor) -> Part:
        """The images of a slice, of a mask or of some numbers."""
        return Part(self.images[chosen], self.known[chosen])

    def mixed(self, count: int) -> Part:
        """Take `count` of the images, at most, in an order drawn once and for all: files lie by class."""
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(0))
        return self.taken(order[:count])


class Task(Protocol):
    """The kind of result that a subject's networks give: see `Classification` and `Regression`."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; none where results are values."""
        ...

    @property
    def right_means(self) -> str:
        """Words of the tables for images whose result is right, behind their share."""
        ...

    def ensemble(self, members: Sequence[nn.Module]) -> nn.Module:
        """The studied network as one module."""
        ...

    def right(self, outputs: Tensor, known: Tensor) -> Tensor:
        """Tell whether the ensemble's outputs agree with what is known, bool [n]."""
        ...

    def wrong(self, known: Tensor) -> Any:
        """The criterion of foolbox by which an attack succeeds."""
        ...

    def groups(self, known: Tensor) -> Tensor:
        """The classes that usual images are grouped by, int64 [n]."""
        ...

    def targets(self, known: Tensor) -> Targets | None:
        """The known values that an export is given."""
        ...


@dataclass(frozen=True)
class Sets:
    """Attacks by foolbox, and what makes other unusual images, by name."""

    attacks: Mapping[str, Attack] = field(default_factory=dict)
    unusual: Mapping[str, Alteration] = field(default_factory=dict)


@dataclass(frozen=True)
class Subject:
    """A network, or an ensemble of it, and the images that it is studied on.

    members: torch modules, images to what the head reads. task: the kind of result. calibration: usual images that no
    member has learned from, of which every other one fits, and the others count for thresholds; evaluation: such that
    nothing else has seen, for figures only. bounds: of the images' values. reported: the sets of the tables; choosing:
    sets of other kinds, made of images that count, by which settings are chosen: they are in no table. companions:
    networks trained like the members, which rivals take beside them that need an ensemble. probes: of the Fisher
    information, as in an export's request.
    kinds: usual images of one kind, as of one class, that nothing else has seen: alpha is of all usual images as they
    come, and the tables tell what share of these is flagged.
    """

    name: str
    title: str
    members: Sequence[nn.Module]
    task: Task
    head: Head
    input: Input
    calibration: Part
    evaluation: Part
    reported: Sets
    choosing: Sets
    bounds: tuple[float, float] = (0.0, 1.0)
    companions: Sequence[nn.Module] = ()
    kinds: Mapping[str, Part] = field(default_factory=dict)
    probes: int | None = None

    @property
    def network(self) -> nn.Module:
        """The members as one module: see the task's ensemble."""
        return self.task.ensemble(self.members)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """The shape of the graph's image, [1, C, H, W]."""
        return (1, *self.calibration.images.shape[1:])
