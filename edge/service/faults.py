"""Named steps of the way at which a test may end or hold the process.

FISHERLENS_FAULT is a step's name, behind a colon a number, and behind another one a signal: when the process
has reached the step so many times, it sends itself the signal. KILL is what a power cut does; STOP holds
the process until the test continues it. Nothing else looks at the names.
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
    name, count, what = wanted.split(":")
    if step == name and _reached[step] == int(count):
        os.kill(os.getpid(), signal.Signals[f"SIG{what}"])
