"""What this room refuses."""

from __future__ import annotations

from fisherlens.edge.errors import EdgeError


class ArchiveRefused(EdgeError):
    """A source, an output folder or a set of records cannot be used."""


class RescoringStopped(ArchiveRefused):
    """A run ended before all images had records; what was finished stays."""
