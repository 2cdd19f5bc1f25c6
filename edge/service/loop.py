"""Threads of the service that work until they are told to stop."""

from __future__ import annotations

import threading


class Loop(threading.Thread):
    """A thread whose `run` goes on until `stopping` is set. It ends with the process, whatever it does then."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.stopping = threading.Event()

    def stop(self) -> None:
        """End after what is under way: an image, a file, a delivery."""
        self.stopping.set()
