"""From images that wait to verdicts that are kept, one after the other."""

from __future__ import annotations

import logging
import math
import threading
import time
from contextlib import suppress

from tenacity import Retrying

from ..bundle import bundle_of, read_bundle
from ..bundle.golden import self_test
from ..bundle.signature import TrustedKeys
from ..errors import BundleRefused, ImageRefused
from ..runtime import Explain, Runtime
from ..sandbox import Sandbox
from ..verdict import Verdict
from .configuration import BundleTable, ScoringTable
from .drift_watch import REMEMBERED, DriftWatch
from .faults import reach
from .metrics import Metrics
from .patience import patiently
from .store import Store, StoreFailed, Waiting

_log = logging.getLogger(__name__)


def open_trusted(table: BundleTable) -> Runtime:
    """The configured bundle, ready to run: signed by a trusted key, if keys are configured, and computing on
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


class Scorer(threading.Thread):
    """The thread that scores. `runtime` may be replaced at any time: an image is finished with the one it
    began with."""

    def __init__(
        self, store: Store, runtime: Runtime, sandbox: Sandbox, table: ScoringTable, destinations: tuple[str, ...]
    ) -> None:
        super().__init__(name="scoring", daemon=True)
        self.runtime = runtime
        self._store, self._sandbox = store, sandbox
        self._table = table
        self._destinations = destinations
        self.drift = self._watching(runtime)
        self.metrics = Metrics(store, lambda: self.drift)
        self._stopping = threading.Event()
        self._began = math.inf

    def run(self) -> None:
        persistent = patiently("scoring waits", StoreFailed, self._stopping)
        while not self._stopping.is_set():
            self._store.arrived.clear()
            with suppress(StoreFailed):  # only once the service is stopped: the image waits for the next start
                waiting = persistent(self._store.waiting)
                if waiting is None:
                    self._store.arrived.wait(1.0)
                else:
                    self._score(waiting, persistent)
        self._sandbox.close()

    def stop(self) -> None:
        """Finish the image that is being scored, and end."""
        self._stopping.set()
        self._store.arrived.set()

    def _watching(self, runtime: Runtime) -> DriftWatch:
        return DriftWatch(runtime.bundle, self._store.checks(runtime.bundle.digest, REMEMBERED))

    def is_stuck(self) -> bool:
        """Whether one image takes longer than is configured."""
        return time.monotonic() - self._began > self._table.most_seconds

    def _score(self, waiting: Waiting, persistent: Retrying) -> None:
        runtime = self.runtime
        self._began = time.monotonic()
        with self.metrics.scoring.time():
            verdicts = examined(runtime, self._sandbox, waiting, self._table.explain)
        self._began = math.inf
        persistent(self._store.add_verdicts, waiting.digest, runtime.bundle.digest, verdicts, self._destinations)
        if self.drift.digest != runtime.bundle.digest:
            self.drift = self._watching(runtime)  # which has read these verdicts
        else:
            for verdict in verdicts:
                self.drift.observe(verdict.checks)
        _log.info("%s: %s", waiting.digest, ", ".join(verdict.outcome for verdict in verdicts))


def examined(runtime: Runtime, sandbox: Sandbox, waiting: Waiting, explain: Explain) -> list[Verdict]:
    """One verdict a frame, refused ones included, and at least one."""
    verdicts: list[Verdict] = []
    frames = 1
    while len(verdicts) < frames:
        decoded = sandbox.decode(waiting.path, len(verdicts), runtime.bundle.manifest.input)
        frames = decoded.frames
        reach("decoded")
        number, name = len(verdicts) + 1, decoded.name or waiting.name or waiting.digest
        try:
            if decoded.image is None:
                raise ImageRefused(decoded.refusal)
            verdicts.append(runtime.judge(decoded.image, explain, name, number, waiting.digest))
        except Exception as error:  # whatever one frame does, the others are still scored
            reason = str(error) if isinstance(error, ImageRefused) else f"unexpected {type(error).__name__}: {error}"
            verdicts.append(runtime.refused(reason, name, number, waiting.digest))
    return verdicts
