"""The subjects by name. Rooms of models are imported when they are asked for: each needs data of its own."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import click

from .sources import Sources
from .subject import Subject


def _of(room: str, make: str = "subject", *arguments: str) -> Callable[[Sources], Subject]:
    def subject(sources: Sources) -> Subject:
        made: Subject = getattr(import_module(f"fisherlens.models.{room}.subject"), make)(*arguments, sources)
        return made

    return subject


SUBJECTS: dict[str, Callable[[Sources], Subject]] = {
    "radiograph": _of("radiograph"),
    "mammography": _of("mammography"),
    "form": _of("form"),
    "fashion-small": _of("fashion", "whole", "small", "a small network"),
    "fashion-residual": _of("fashion", "whole", "residual", "a residual network"),
    "fashion-rare": _of("fashion", "rare"),
    "fashion-200": _of("fashion", "posed", "small-200", "a small network of 200 classes"),
    "fashion-1000": _of("fashion", "posed", "small-1000", "a small network of 1,000 classes"),
    "fashion-small-left-out": _of("fashion", "partly", "small", "a small network of eight classes"),
    "fashion-residual-left-out": _of("fashion", "partly", "residual", "a residual network of eight classes"),
}
"""Functions that make each subject. They raise SubjectMissing."""


def of_subject(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the argument of a subject and the options of where its data, weights and results are."""
    for option in (
        click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder that keeps what is made."),
        click.option("--weights", type=click.Path(path_type=Path), required=True, help="File or folder of weights."),
        click.option("--data", type=click.Path(path_type=Path), help="Folder of images, where no package has them."),
        click.argument("subject", type=click.Choice(list(SUBJECTS))),
    ):
        command = option(command)
    return command
