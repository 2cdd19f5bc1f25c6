"""Files: a folder tree, or a list of paths."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..errors import RolloutRefused


class Files:
    """Images in files that every node finds under the same path."""

    @contextmanager
    def fetched(self, location: str) -> Iterator[Path]:
        path = Path(location)
        if "\\x" in location and not path.exists():
            raise RolloutRefused("the file's name, or a folder's, is no UTF-8: rename it")
        yield path


@dataclass(frozen=True)
class FolderTree(Files):
    """All files of a folder and of those in it, but for names that begin with a dot, and DICOMDIR. Links to folders are
    not followed."""

    folder: Path

    def locations(self) -> Iterator[str]:
        if not self.folder.is_dir():
            raise RolloutRefused(f"source {self.folder}: no such folder")
        for place, folders, names in os.walk(self.folder):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                if not name.startswith(".") and name != "DICOMDIR":
                    # Records hold text alone: bytes that are none stand as escapes, and the image is refused.
                    yield os.fsencode(os.path.join(place, name)).decode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class FileList(Files):
    """The paths in a text file, one a line; relative ones count from its folder."""

    path: Path

    def locations(self) -> Iterator[str]:
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise RolloutRefused(f"list of files {self.path}: {error}") from error
        for line in filter(None, map(str.strip, lines)):
            yield str(self.path.absolute().parent / line)
