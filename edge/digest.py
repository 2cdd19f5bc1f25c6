"""Digests by which files and arrays are known: "sha256:" and hexadecimal digits."""

from __future__ import annotations

import hashlib
from pathlib import Path

PREFIX = "sha256:"


def digest_of(data: bytes | bytearray) -> str:
    """Give the digest of bytes."""
    return PREFIX + hashlib.sha256(data).hexdigest()


def digest_of_file(path: Path) -> str | None:
    """Give the digest of a file's bytes; None where they cannot be read, and for what is no regular file, since a pipe
    would be waited for without end."""
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            return PREFIX + hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return None
