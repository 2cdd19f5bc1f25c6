"""Sources of an archive's images: they list them, and bring one to where it is scored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol


class Source(Protocol):
    """A place of images. It goes to every worker by pickle, so it holds no connection."""

    def locations(self) -> Iterator[str]:
        """List all images, each by a name that leads to it. Raises RolloutRefused."""

    def fetched(self, location: str) -> AbstractContextManager[Path]:
        """Give the image in a file, for as long as the context lasts. Raises RolloutRefused, OSError."""
