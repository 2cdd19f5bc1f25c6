"""Networks whose result is values with uncertainties: when it is right, and what the study's ensemble of them is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import eagerpy
import foolbox
import torch
from torch import Tensor, nn

from fisherlens.edge.bundle.manifest import Measurand
from fisherlens.export.calibration.targets import Targets

COVERAGE_FACTOR = 2.0
"""Expanded uncertainty is this multiple of the standard uncertainty, about 95 % of a Gaussian's values."""


class GaussianEnsemble(nn.Module):
    """The studied network as one module: images to the members' mean value and its standard uncertainty, [n, 2, D] or
    [n, 2, D, h, w], in the logarithm where the networks give that.
    """

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, images: Tensor) -> Tensor:
        means, variances = means_and_variances([member(images) for member in self.members])
        return torch.stack([means.mean(dim=0), total_variance(means, variances).sqrt()], dim=1)


def means_and_variances(outputs: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """The means, and the variances that they state, of the members' outputs [n, 2 D, ...] each: [members, n, D, ...]
    both."""
    means, log_variances = torch.stack(list(outputs)).chunk(2, dim=2)
    return means, log_variances.exp()


def total_variance(means: Tensor, variances: Tensor) -> Tensor:
    """The mean of the members' variances and the variance of their means, [n, D, ...] of [members, n, D, ...]
    (Lakshminarayanan et al. 2017, arXiv 1612.01474)."""
    return variances.mean(dim=0) + means.var(dim=0, correction=0)


def normalised_error(outputs: Tensor, known: Tensor) -> Tensor:
    """The error of a GaussianEnsemble's values over their expanded uncertainty, [n]: the root of the mean square over
    all that is known, which is [n, D, ...], NaN elsewhere. As E_n of ISO 13528, 9.7."""
    value, uncertainty = outputs.unbind(dim=1)
    where = known.isfinite()
    ratios = (value - torch.where(where, known, value.detach())) / (COVERAGE_FACTOR * uncertainty)
    return ((ratios**2).flatten(1).sum(dim=1) / where.flatten(1).sum(dim=1)).sqrt()


class WrongValue(foolbox.criteria.Misclassification):
    """An attack succeeds where the values' normalised error exceeds one: the known values are not where the stated
    uncertainty has them. Labels are the known values; foolbox's gradient attacks take no other base class."""

    def __call__(self, perturbed: Any, outputs: Any) -> Any:
        found, restored = eagerpy.astensor_(outputs)
        return restored(eagerpy.astensor(normalised_error(found.raw, self.labels.raw) > 1.0))


@dataclass(frozen=True)
class Regression:
    """Values of some measurands: what is known of n images is float32 [n, D] or [n, D, h, w], NaN where it is not.
    logarithmic: whether the networks give its logarithm."""

    measurands: tuple[Measurand, ...]
    logarithmic: bool = False
    classes: tuple[str, ...] = ()
    right_means: str = (
        f"have a right value: the error is at most {COVERAGE_FACTOR:g} standard uncertainties in the root mean square"
    )

    def ensemble(self, members: Sequence[nn.Module]) -> GaussianEnsemble:
        """The studied network as one module."""
        return GaussianEnsemble(members)

    def right(self, outputs: Tensor, known: Tensor) -> Tensor:
        """Tell whether the known values are where the stated uncertainty has them, bool [n]."""
        return normalised_error(outputs, self._as_given(known)) <= 1.0

    def wrong(self, known: Tensor) -> WrongValue:
        """The criterion of foolbox by which an attack succeeds."""
        return WrongValue(self._as_given(known))

    def groups(self, known: Tensor) -> Tensor:
        """The classes that usual images are grouped by, int64 [n]: all are of one."""
        return torch.zeros(len(known), dtype=torch.int64)

    def targets(self, known: Tensor) -> Targets:
        """The known values that an export is given."""
        return Targets(self.measurands, known.double().numpy())

    def _as_given(self, known: Tensor) -> Tensor:
        return known.log() if self.logarithmic else known
