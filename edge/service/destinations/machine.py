"""The machine that measured: by which number objects in an archive tell it from others."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path

_IDENTITIES = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
_DIGITS = 16


def serial_number(identities: tuple[Path, ...] = _IDENTITIES) -> str:
    """Give a serial number that the machine keeps: of systemd's machine id, else of its network card's address. Both
    are hashed, since they are not to be told to others as they are (machine-id(5))."""
    for path in identities:
        try:
            identity = path.read_text().strip()
        except (OSError, UnicodeDecodeError):
            continue
        if identity:
            return _hashed(identity)
    return _hashed(f"{uuid.getnode():012x}")


def _hashed(identity: str) -> str:
    return hashlib.sha256(f"fisherlens {identity}".encode()).hexdigest()[:_DIGITS]
