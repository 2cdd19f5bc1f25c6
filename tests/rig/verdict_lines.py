"""The lines that a service delivers, as the rig sees them come."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field

import msgspec

from fisherlens.edge.verdict import Verdict


@dataclass(frozen=True)
class Told:
    """A verdict as it was delivered. seen: when the rig saw it, in seconds of time.monotonic."""

    id: str
    verdict: Verdict
    seen: float


@dataclass
class VerdictLines:
    """Lines of JSON that come in pieces; what stands after the last newline is kept for the next piece."""

    told: list[Told] = field(default_factory=list)
    offset: int = 0

    def take(self, piece: bytes) -> None:
        """Read the whole lines in what follows `offset`. A line that a power cut broke is passed over."""
        whole, newline, _ = piece.rpartition(b"\n")
        self.offset += len(whole) + len(newline)
        for line in whole.splitlines():
            try:
                read = json.loads(line)
            except ValueError:
                continue
            self.told.append(Told(read["id"], msgspec.convert(read["verdict"], Verdict), time.monotonic()))
