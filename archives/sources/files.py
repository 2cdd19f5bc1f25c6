"""Files: a folder tree, or a list of paths."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import ArchiveRefused


@dataclass(frozen=True)
class FolderTree:
    """All files of a folder and of those in it, but for names that begin with a dot, and DICOMDIR. Links to folders are
    not followed."""

    folder: Path

    def locations(self) -> Iterator[str]:
        if not self.folder.is_dir():
            raise ArchiveRefused(f"source {self.folder}: no such folder")
        for place, folders, names in os.walk(self.folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                if not name.startswith(".") and name != "DICOMDIR":
                    yield _text(os.path.join(place, name))

    @contextmanager
    def fetched(self, location: str) -> Iterator[Path]:
        yield Path(location)


@dataclass(frozen=True)
class FileList:
    """The paths in a text file, one a line; relative ones count from its folder."""

    path: Path

    def locations(self) -> Iterator[str]:
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ArchiveRefused(f"list of files {self.path}: {error}") from error
        for line in filter(None, map(str.strip, lines)):
            yield str(self.path.absolute().parent / line)

    @contextmanager
    def fetched(self, location: str) -> Iterator[Path]:
        yield Path(location)


def _text(path: str) -> str:
    """Paths go through Arrow, which takes UTF-8 alone."""
    try:
        path.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        raise ArchiveRefused(f"source: {shown}: its name is no UTF-8; rename it") from None
    return path
