"""The machine that measured: by which number objects in an archive tell it from others."""

from __future__ import annotations

import hashlib
import uuid
from contextlib import suppress
from pathlib import Path

from ...storage import write_whole

_IDENTITIES = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
_DIGITS = 16


def serial_number(folder: Path | None = None, identities: tuple[Path, ...] = _IDENTITIES) -> str:
    """Give a serial number that the machine keeps: of systemd's machine id; where there is none, of an identity that is
    kept in `folder`, else of its network card's address. All are hashed, since a machine id is not to be told to
    others as it is (machine-id(5))."""
    kept = (folder / "machine-id",) if folder else ()
    if found := _first_of((*identities, *kept)):
        return _hashed(found)
    for path in kept:
        with suppress(OSError):
            write_whole(path, uuid.uuid4().hex.encode())
    return _hashed(_first_of(kept) or f"{uuid.getnode():012x}")


def _first_of(paths: tuple[Path, ...]) -> str:
    for path in paths:
        with suppress(OSError, UnicodeDecodeError):
            if identity := path.read_text().strip():
                return identity
    return ""


def _hashed(identity: str) -> str:
    return hashlib.sha256(f"fisherlens {identity}".encode()).hexdigest()[:_DIGITS]
