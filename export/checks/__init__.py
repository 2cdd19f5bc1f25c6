"""Checks: statistics of an image, and the p-values by which they flag. One row a kind, from the cheapest on."""

from __future__ import annotations

from .activation_profile import activation_features
from .fisher_profile import profile_features
from .image_texture import texture_features
from .kind import CheckKind
from .profile import fitted_profile
from .rao_score import score_features
from .scalars import disagreement, form, largest_eigenvalue, trace, uncertainty

CHECKS: dict[str, CheckKind] = {
    "image_texture": CheckKind(
        texture_features,
        "the image's texture is as of hardly any usual image",
        fitted_profile,
        forward_only=True,
    ),
    "activation_profile": CheckKind(
        activation_features,
        "the network's channels respond as to hardly any usual image",
        fitted_profile,
        forward_only=True,
    ),
    "uncertainty": CheckKind(uncertainty, "the result is as uncertain as on hardly any usual image", forward_only=True),
    "ensemble_disagreement": CheckKind(
        disagreement,
        "the networks of the ensemble disagree as on hardly any usual image",
        forward_only=True,
        ensembles=True,
    ),
    "rao_score": CheckKind(
        score_features, "the result pulls at the network's channels as on hardly any usual image", fitted_profile
    ),
    "fisher_trace": CheckKind(trace, "Fisher information is larger than on nearly all usual images"),
    "fisher_profile": CheckKind(
        profile_features,
        "Fisher information is spread over the network's layers as on hardly any usual image",
        fitted_profile,
    ),
    "fisher_form": CheckKind(form, "the prediction's entropy depends on the parameters as on hardly any usual image"),
    "largest_eigenvalue": CheckKind(
        largest_eigenvalue, "a small change of the image changes the result as on hardly any usual image"
    ),
}


def first_checks(members: int) -> tuple[str, ...]:
    """Checks that a cascade computes of every image by default, for an ensemble of so many networks: all that take no
    derivative."""
    return tuple(name for name, kind in CHECKS.items() if kind.forward_only and (members > 1 or not kind.ensembles))


def default_checks(members: int) -> tuple[str, ...]:
    """The default checks: the first ones, and of doubtful images the Rao score (models/radiograph/EVIDENCE.md)."""
    return (*first_checks(members), "rao_score")


__all__ = ["CHECKS", "CheckKind", "default_checks", "first_checks"]
