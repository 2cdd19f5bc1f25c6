"""Errors of a roll-out: something given is refused, or a run ended early."""

from __future__ import annotations

from fisherlens.edge.errors import EdgeError


class RolloutRefused(EdgeError):
    """Refusal of a source, an output folder or a set of records that cannot be used."""


class RescoringStopped(RolloutRefused):
    """End of a run before all images had records; what was finished stays."""
