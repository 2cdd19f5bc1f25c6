"""Why we differ, or refuse, and are right: each reason names the files or the words that it is about. What no reason
here explains is a fault, of ours or of this table."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """A reason. files: pattern of the names of the files that it holds for. said: pattern of our refusal; None for
    differences. oracle: whose values may differ, at most by `bound`."""

    text: str
    files: str
    said: str | None = None
    oracle: str = ""
    bound: float = 0

    def explains_refusal(self, file: str, said: str) -> bool:
        """Say whether this is why we refuse a file with these words."""
        return self.said is not None and bool(re.search(self.files, file)) and bool(re.search(self.said, said))

    def explains_difference(self, file: str, oracle: str, difference: float) -> bool:
        """Say whether this is why an oracle's values are others."""
        there = self.said is None and bool(re.search(self.files, file))
        return there and bool(re.match(self.oracle, oracle)) and difference <= self.bound


REASONS: tuple[Reason, ...] = ()
