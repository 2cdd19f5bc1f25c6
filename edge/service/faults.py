"""Named steps of the way at which a test may end the process, as a power cut would.

With FISHERLENS_FAULT set to a step's name, and a number behind a colon, the process kills itself when it
has reached that step so many times. Nothing else looks at the names.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

STEPS = (
    "before the image is written",
    "image written, no row yet",
    "image kept, not acknowledged",
    "acknowledged",
    "decoded",
    "scored, nothing committed",
    "verdict committed",
    "before delivery",
    "delivered, not noted",
    "delivery noted",
)
_reached: Counter[str] = Counter()


def reach(step: str) -> None:
    """Say that a step has been reached."""
    wanted = os.environ.get("FISHERLENS_FAULT")
    if wanted is None:
        return
    assert step in STEPS, step
    _reached[step] += 1
    name, _, count = wanted.partition(":")
    if step == name and _reached[step] == int(count or 1):
        os.kill(os.getpid(), signal.SIGKILL)
