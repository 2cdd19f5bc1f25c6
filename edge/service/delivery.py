"""Delivery of verdicts, tried for as long as it takes."""

from __future__ import annotations

from contextlib import suppress

from ..errors import EdgeError
from .destinations import DeliveryFailed, Destination
from .faults import reach
from .loop import Loop
from .patience import retrying
from .store import Store
from .store.outbox import Pending


class Deliverer(Loop):
    """Delivers to one destination. When nothing could be delivered it pauses, longer each time."""

    def __init__(self, store: Store, destination: Destination) -> None:
        super().__init__(f"delivery to {destination.name}")
        self._store, self._destination = store, destination

    def run(self) -> None:
        persistent = retrying(self.name, EdgeError, self.stopping)
        while not self.stopping.is_set():
            with suppress(EdgeError):  # only once the service is stopped: what is pending stays so
                persistent(self._deliver_pending)

    def stop(self) -> None:
        """End after the delivery that is under way."""
        super().stop()
        self._store.scored.set()

    def _deliver_pending(self) -> None:
        """Try all that is pending once, or wait a second for it. Raises the last DeliveryFailed if none of it was
        taken; StoreFailed."""
        self._store.scored.clear()
        pending = self._store.outbox.pending(self._destination.name)
        if not pending:
            self._store.scored.wait(1.0)
        failures = []
        for one in pending:
            if self.stopping.is_set():
                return
            try:
                self._deliver(one)
            except DeliveryFailed as failure:
                failures.append(failure)
        if pending and len(failures) == len(pending):
            raise failures[-1]

    def _deliver(self, pending: Pending) -> None:
        name = self._destination.name
        reach("before delivery")
        try:
            self._destination.deliver(pending)
        except Exception as error:  # whatever one delivery does, it stays pending and the others go on
            said = str(error) if isinstance(error, DeliveryFailed) else f"unexpected {type(error).__name__}"
            self._store.outbox.failed(pending.id, name, said)
            raise DeliveryFailed(f"{pending.id}: {said}") from error
        self._store.outbox.delivered(pending.id, name)
