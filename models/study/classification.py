"""Networks whose result is a class: when it is right, and what the study's ensemble of them is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import foolbox
import torch
from torch import Tensor, nn

from fisherlens.export.calibration.targets import Targets


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


@dataclass(frozen=True)
class Classification:
    """One of some classes: what is known of n images is int64 [n]."""

    classes: tuple[str, ...]
    right_means: str = "are recognised"

    def ensemble(self, members: Sequence[nn.Module]) -> Ensemble:
        """The studied network as one module."""
        return Ensemble(members)

    def right(self, outputs: Tensor, known: Tensor) -> Tensor:
        """Tell whether the ensemble's most probable class is the known one, bool [n]."""
        return outputs.argmax(dim=1) == known

    def wrong(self, known: Tensor) -> Any:
        """The criterion of foolbox by which an attack succeeds."""
        return foolbox.criteria.Misclassification(known)

    def groups(self, known: Tensor) -> Tensor:
        """The classes that usual images are grouped by, int64 [n]."""
        return known

    def targets(self, known: Tensor) -> Targets | None:
        """The known values that an export is given: a class is not fitted to any."""
        return None
