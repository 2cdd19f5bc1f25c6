"""What a model's room gives to the study."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from fisherlens.edge.bundle.manifest import Input
from fisherlens.export.heads import Head

from .attacks import Attack

Alteration = Callable[[Tensor], Tensor]
"""Makes of usual images [n, C, H, W] at most as many unusual ones, of the same kind of values."""


class SubjectMissing(Exception):
    """The weights or images of a subject are not where they were said to be."""


@dataclass(frozen=True)
class Part:
    """Usual images float32 [n, C, H, W] as the graph reads them, and their classes int64 [n]."""

    images: Tensor
    classes: Tensor

    def __len__(self) -> int:
        return len(self.classes)

    def taken(self, chosen: slice | Tensor) -> Part:
        """The images of a slice, of a mask or of some numbers."""
        return Part(self.images[chosen], self.classes[chosen])

    def mixed(self, count: int) -> Part:
        """Take `count` of the images, at most, in an order drawn once and for all: files lie by class."""
        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(0))
        return self.taken(order[:count])


@dataclass(frozen=True)
class Sets:
    """Attacks by foolbox, and what makes other unusual images, by name."""

    attacks: Mapping[str, Attack] = field(default_factory=dict)
    unusual: Mapping[str, Alteration] = field(default_factory=dict)


@dataclass(frozen=True)
class Subject:
    """A network, or an ensemble of it, and the images that it is studied on.

    members: torch modules, images to logits [n, K]. calibration: usual images that no member has learned from, of which
    every other one fits, and the others count for thresholds; evaluation: such that nothing else has seen, for figures
    only. bounds: of the images' values. reported: the sets of the tables; choosing: sets of other kinds, made of images
    that count, by which settings are chosen: they are in no table. companions: networks trained like the members, which
    rivals take beside them that need an ensemble. kinds: usual images of one kind, as of one class, that nothing else
    has seen: alpha is of all usual images as they come, and the tables tell what share of these is flagged.
    """

    name: str
    title: str
    members: Sequence[nn.Module]
    classes: tuple[str, ...]
    head: Head
    input: Input
    calibration: Part
    evaluation: Part
    reported: Sets
    choosing: Sets
    bounds: tuple[float, float] = (0.0, 1.0)
    companions: Sequence[nn.Module] = ()
    kinds: Mapping[str, Part] = field(default_factory=dict)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """The shape of the graph's image, [1, C, H, W]."""
        return (1, *self.calibration.images.shape[1:])


class Ensemble(nn.Module):
    """The studied network as one module: images to the logarithms of the members' mean probability, [n, K].

    The softmax of these is that mean, so that they serve as logits; of a single member they are its logits less their
    log-sum-exp.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, images: Tensor) -> Tensor:
        return mean_log_probability([member(images) for member in self.members])


def mean_log_probability(logits: Sequence[Tensor]) -> Tensor:
    """Average the probabilities of the members' logits [n, K] each; their logarithms, [n, K]."""
    each = torch.stack([values.log_softmax(dim=1) for values in logits])
    return each.logsumexp(dim=0) - torch.tensor(float(len(logits))).log()
