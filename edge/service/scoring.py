"""Scoring: images that wait get their verdicts, one after the other."""

from __future__ import annotations

import logging
import math
import time
from contextlib import suppress
from pathlib import Path

from tenacity import Retrying

from ..bundle import bundle_of, read_bundle
from ..bundle.golden import self_test
from ..bundle.manifest import Input
from ..bundle.signature import TrustedKeys
from ..decode import Arrived, Decoded
from ..errors import BundleRefused
from ..runtime import Runtime
from ..sandbox import Sandbox
from ..verdict import Verdict
from .configuration import BundleTable, ScoringTable
from .drift_watch import REMEMBERED, DriftWatch
from .faults import reach
from .loop import Loop
from .metrics import Metrics
from .patience import retrying
from .store import Store, StoreFailed

_log = logging.getLogger(__name__)


def open_trusted(table: BundleTable) -> Runtime:
    """Open the configured bundle, ready to run: signed by a trusted key, if keys are configured, and computing on
    this machine what it was calibrated to.

    Raises BundleRefused, KeyRefused.
    """
    data = read_bundle(table.path)
    if table.trusted_keys is not None:
        signer = TrustedKeys.open(table.trusted_keys).verify(table.path, data)
        _log.info("bundle %s: signed by %s", table.path, signer)
    bundle = bundle_of(table.path, data)
    difference, tolerance = self_test(bundle)
    if not difference <= tolerance:
        raise BundleRefused(
            f"bundle {table.path}: self-test failed, outputs differ from the golden ones by {difference:.1e} relative, "
            f"expected at most {tolerance:g}; this machine does not compute what the bundle was calibrated to"
        )
    return Runtime(bundle)


class Scorer(Loop):
    """The thread that scores. `runtime` may be replaced at any time: an image is finished with the one it
    began with."""

    def __init__(
        self,
        store: Store,
        runtime: Runtime,
        sandbox: Sandbox,
        table: ScoringTable,
        destinations: tuple[str, ...],
        metrics: Metrics,
    ) -> None:
        super().__init__("scoring")
        self.runtime = runtime
        self._store, self._sandbox = store, sandbox
        self._table, self._metrics = table, metrics
        self._destinations = destinations
        self.drift = self._watching(runtime)
        self._began = math.inf

    def run(self) -> None:
        persistent = retrying("scoring waits", StoreFailed, self.stopping)
        while not self.stopping.is_set():
            self._store.arrived.clear()
            with suppress(StoreFailed):  # only once the service is stopped: the image waits for the next start
                arrived = persistent(self._store.waiting)
                if arrived is None:
                    self._store.arrived.wait(1.0)
                else:
                    self._score(arrived, persistent)
        self._sandbox.close()

    def stop(self) -> None:
        """Finish the image that is being scored, and end."""
        super().stop()
        self._store.arrived.set()

    def _watching(self, runtime: Runtime) -> DriftWatch:
        return DriftWatch(runtime.bundle, self._store.checks(runtime.bundle.digest, REMEMBERED))

    def is_stuck(self) -> bool:
        """Say whether one image takes longer than is configured."""
        return time.monotonic() - self._began > self._table.most_seconds

    def _score(self, arrived: Arrived, persistent: Retrying) -> None:
        runtime = self.runtime
        self._began = time.monotonic()
        with self._metrics.scoring.time():
            verdicts = self._verdicts(runtime, arrived)
        self._began = math.inf
        persistent(self._store.add_verdicts, arrived.digest, runtime.bundle.digest, verdicts, self._destinations)
        if self.drift.digest != runtime.bundle.digest:
            self.drift = self._watching(runtime)  # which has read these verdicts
        else:
            for verdict in verdicts:
                self.drift.observe(verdict.checks)
        _log.info("%s: %s", arrived.digest, ", ".join(verdict.outcome for verdict in verdicts))

    def _verdicts(self, runtime: Runtime, arrived: Arrived) -> list[Verdict]:
        return [examined.verdict for examined in runtime.verdicts(arrived, self._decoded, self._table.explain)]

    def _decoded(self, path: Path, index: int, expected: Input) -> Decoded:
        decoded = self._sandbox.decode(path, index, expected)
        reach("decoded")
        return decoded
