"""Removal of images that nobody needs any more: the disk of a machine that runs for years is finite."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from ..loop import Loop
from .database import StoreFailed
from .store import Store

EVERY_SECONDS = 3600.0

_log = logging.getLogger(__name__)


class Retention(Loop):
    """Removes, at the start and every hour, the images that were received more than `days` ago, scored, and
    delivered everywhere. Their verdicts stay."""

    def __init__(self, store: Store, days: float) -> None:
        super().__init__("retention")
        self._store, self._days = store, days

    def run(self) -> None:
        while not self.stopping.is_set():
            try:
                before = datetime.now(UTC) - timedelta(days=self._days)
                removed = self._store.remove_images(before.isoformat(timespec="milliseconds"))
                if removed:
                    _log.info("%d images removed that were received before %s", removed, before.date())
            except StoreFailed as failure:
                _log.warning("retention: %s", failure)
            self.stopping.wait(EVERY_SECONDS)
