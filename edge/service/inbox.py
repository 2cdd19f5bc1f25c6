"""Inboxes, which sources hand their images in to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..reading import is_dicom
from .store import Store


@dataclass(frozen=True)
class Inbox:
    """The store, as one kind of source sees it. bundle: gives the digest of the bundle that scores now. kind: by
    which records tell where an image came from."""

    store: Store
    bundle: Callable[[], str]
    kind: str

    def keep(self, data: bytes | bytearray, name: str) -> str:
        """Take an image as `Store.keep` does: when this returns its digest, it is on stable storage.

        Raises StoreFailed, SpoolFull, ImageTooLarge.
        """
        return self.store.keep(data, self.kind, name, self.bundle())

    def keep_file(self, path: Path) -> str:
        """Take a file as `keep` does, by its own name, but a DICOM file without one, since that may be a patient's; one
        that is too large is not read.

        Raises OSError, and what `keep` raises.
        """
        if (size := path.stat().st_size) > self.store.most_image_bytes:
            raise self.store.too_large(size)
        return self.keep(path.read_bytes(), "" if is_dicom(path) else _name_of(path))


def _name_of(path: Path) -> str:
    """The name of a file in records: its own, not where it lay."""
    return path.name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
