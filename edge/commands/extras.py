"""Extras of the package: which are installed, and what to say where one is not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, distribution, requires

import click

PACKAGE = "fisherlens"
_REQUIREMENT = re.compile(r"([\w.-]+)\s*(?:\[([^]]*)\])?")


class ExtraMissing(click.ClickException):
    """Call of a command whose extra is not installed."""

    exit_code = 2


def missing(extra: str) -> list[str]:
    """Name the distributions that an extra asks for and that are not installed, without importing any."""
    wanted = (text for text in requires(PACKAGE) or () if re.search(f"extra == ['\"]{extra}['\"]", text))
    found = []
    for name, further in (match.groups() for match in map(_REQUIREMENT.match, wanted) if match):
        if name == PACKAGE:
            found += [inner for other in further.split(",") for inner in missing(other.strip())]
        elif not _is_installed(name):
            found.append(name)
    return found


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


@contextmanager
def needing(extra: str | None, command: str) -> Iterator[None]:
    """Tell of a module that `command` does not find which extra brings it.

    Raises ExtraMissing. A module of ours, and any where the extra is installed, is a fault in what was run: that
    ModuleNotFoundError goes on.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if extra is None or str(error.name).partition(".")[0] == PACKAGE or not missing(extra):
            raise
        raise ExtraMissing(
            f"{command} needs {error.name}, which is not installed: pip install 'fisherlens[{extra}]'"
        ) from error
