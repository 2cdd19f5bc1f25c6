"""Where images of an archive lie: what lists them, and what brings one to where it is scored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol


class Source(Protocol):
    """A place of images. It goes to every worker by pickle, so it holds no connection."""

    def locations(self) -> Iterator[str]:
        """All images, each by a name that leads to it. Raises ArchiveRefused."""

    def fetched(self, location: str) -> AbstractContextManager[Path]:
        """The image in a file, for as long as it is looked at. Raises ArchiveRefused, OSError."""
