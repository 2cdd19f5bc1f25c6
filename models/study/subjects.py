"""The subjects by name. Rooms of models are imported when they are asked for: each needs data of its own."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from .sources import Sources
from .subject import Subject


def _of(room: str, make: str = "subject", *arguments: str) -> Callable[[Sources], Subject]:
    def subject(sources: Sources) -> Subject:
        made: Subject = getattr(import_module(f"fisherlens.models.{room}.subject"), make)(*arguments, sources)
        return made

    return subject


SUBJECTS: dict[str, Callable[[Sources], Subject]] = {
    "radiograph": _of("radiograph"),
    "fashion-small": _of("fashion", "whole", "small", "a small network"),
    "fashion-residual": _of("fashion", "whole", "residual", "a residual network"),
    "fashion-small-left-out": _of("fashion", "partly", "small", "a small network of eight classes"),
    "fashion-residual-left-out": _of("fashion", "partly", "residual", "a residual network of eight classes"),
}
"""Functions that make each subject. They raise SubjectMissing."""
