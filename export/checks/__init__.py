"""Checks: statistics of the Fisher quantities, and the p-values by which they flag. One row a kind."""

from __future__ import annotations

from .kind import CheckKind, Statistic
from .profile import fitted_profile, profile_features
from .scalars import disagreement, form, largest_eigenvalue, trace

CHECKS: dict[str, CheckKind] = {
    "fisher_trace": CheckKind(trace, "Fisher information is larger than on nearly all usual images", default=True),
    "fisher_form": CheckKind(form, "the prediction's entropy depends on the parameters as on hardly any usual image"),
    "largest_eigenvalue": CheckKind(
        largest_eigenvalue, "a small change of the image changes the result as on hardly any usual image"
    ),
    "ensemble_disagreement": CheckKind(
        disagreement, "the networks of the ensemble disagree as on hardly any usual image"
    ),
    "fisher_profile": CheckKind(
        profile_features,
        "Fisher information is spread over the network's layers as on hardly any usual image",
        fitted_profile,
        default=True,
        by_layer=True,
    ),
}

__all__ = ["CHECKS", "CheckKind", "Statistic"]
