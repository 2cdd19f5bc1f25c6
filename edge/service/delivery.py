"""Delivering verdicts for as long as it takes."""

from __future__ import annotations

import logging
import random
import threading

from .destinations import DeliveryFailed, Destination
from .faults import reach
from .store import Pending, Store

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 300.0

_log = logging.getLogger(__name__)


class Deliverer(threading.Thread):
    """Delivers to one destination, in order. After a failure it pauses, twice as long each time, up to five
    minutes: by a clock that never jumps, and forgotten at a restart."""

    def __init__(self, store: Store, destination: Destination) -> None:
        super().__init__(name=f"delivery to {destination.name}", daemon=True)
        self._store, self._destination = store, destination
        self._stopping = threading.Event()
        self._pause = FIRST_PAUSE_SECONDS

    def run(self) -> None:
        while not self._stopping.is_set():
            self._store.judged.clear()
            pending = self._store.pending(self._destination.name)
            if not pending:
                self._store.judged.wait(1.0)
            elif not all(self._deliver(one) for one in pending if not self._stopping.is_set()):
                self._stopping.wait(self._pause * random.uniform(0.8, 1.2))
                self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)

    def stop(self) -> None:
        """End after the delivery that is under way."""
        self._stopping.set()
        self._store.judged.set()

    def _deliver(self, pending: Pending) -> bool:
        name = self._destination.name
        reach("before delivery")
        try:
            self._destination.deliver(pending)
        except Exception as error:  # whatever one delivery does, it stays pending and the others go on
            said = str(error) if isinstance(error, DeliveryFailed) else f"unexpected {type(error).__name__}"
            self._store.failed(pending.id, name, said)
            _log.warning("delivery of %s to %s failed: %s", pending.id, name, said)
            return False
        self._store.delivered(pending.id, name)
        self._pause = FIRST_PAUSE_SECONDS
        return True
