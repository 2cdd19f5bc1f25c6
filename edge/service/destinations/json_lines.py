"""A file with a verdict a line, each with its identifier."""

from __future__ import annotations

import os

from ..configuration import JsonLinesTable
from ..store.outbox import Pending
from . import DeliveryFailed


class JsonLines:
    """Appends to the file, and flushes it before a verdict counts as delivered. A line that a crash cut off
    is ended first, so that the next one is whole."""

    def __init__(self, table: JsonLinesTable) -> None:
        self.name = table.name
        self._path = table.path

    def deliver(self, pending: Pending) -> None:
        """Append `{"id": ..., "verdict": ...}`. Raises DeliveryFailed."""
        line = pending.line() + b"\n"
        try:
            with self._path.open("ab+") as file:
                if file.tell() and _last_byte(file.fileno(), file.tell()) != b"\n":
                    line = b"\n" + line
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise DeliveryFailed(f"{self._path}: {error.strerror}") from error


def _last_byte(descriptor: int, size: int) -> bytes:
    os.lseek(descriptor, size - 1, os.SEEK_SET)
    return os.read(descriptor, 1)
