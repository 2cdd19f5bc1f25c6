"""The whole service: what is started, in which order, and how it ends."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import msgspec
from starlette.routing import Route

from ..errors import EdgeError
from ..runtime import Runtime
from ..sandbox import Sandbox
from .configuration import read_configuration
from .delivery import Deliverer
from .kinds import DESTINATIONS, SOURCES, Part, Surroundings
from .metrics import Metrics
from .page import OperatorPage
from .scoring import Scorer, open_trusted
from .store import Store
from .store.retention import Retention
from .web import state_routes

_log = logging.getLogger(__name__)


class Service:
    """Everything that one configuration asks for."""

    def __init__(self, path: Path) -> None:
        """Read the configuration and open bundle and store; nothing runs yet.

        Raises ConfigurationRefused, BundleRefused, KeyRefused, StoreRefused, and what sources raise.
        """
        self._path = path
        self.configuration = read_configuration(path)
        runtime = open_trusted(self.configuration.bundle)
        self.store = Store(self.configuration.store)
        self.store.take_possession()
        self._admit(runtime)
        around = Surroundings(self.store, self.bundle_digest, self._sandbox, self._state_routes)
        destinations = [DESTINATIONS[kind](table, around) for kind, table in self.configuration.destination.all()]
        scoring = self.configuration.scoring
        names = tuple(destination.name for destination in destinations)
        self._metrics = Metrics(self.store, lambda: self.scorer.drift)
        self.scorer = Scorer(self.store, runtime, self._sandbox(), scoring, names, self._metrics)
        deliverers = [Deliverer(self.store, destination) for destination in destinations]
        retention = Retention(self.store, self.configuration.store.keep_images_days)
        sources = [SOURCES[kind](table, around) for kind, table in self.configuration.source.all()]
        self._parts: list[Part] = [*sources, *self._opened_page(), self.scorer, *deliverers, retention]

    def _admit(self, runtime: Runtime) -> None:
        bundle = runtime.bundle
        self.store.bundles.admit(bundle.manifest, bundle.digest)

    def _opened_page(self) -> list[Part]:
        table = self.configuration.page
        if table is None:
            return []
        return [OperatorPage(table, self.store, self._sandbox(), self.states, self.drifted, self._state_routes())]

    def _state_routes(self) -> list[Route]:
        return state_routes(self._metrics, self.troubles)

    def states(self) -> list[tuple[str, bool]]:
        """Give all parts by name, and whether each runs."""
        return [(part.name, part.is_alive()) for part in self._parts]

    def drifted(self) -> list[str]:
        """Give the checks by which images are not any more like those of the calibration."""
        return self.scorer.drift.drifted()

    def _sandbox(self) -> Sandbox:
        scoring = self.configuration.scoring
        return Sandbox(scoring.decoding_bytes, scoring.decoding_seconds)

    def bundle_digest(self) -> str:
        """Give the digest of the bundle that scores now."""
        return self.scorer.runtime.bundle.digest

    def start(self) -> None:
        """Start everything, consumers before producers."""
        for part in reversed(self._parts):
            part.start()
        _log.info("started with bundle %s, %d images waiting", self.bundle_digest(), self.store.waiting_count())

    def is_alive(self) -> bool:
        """Say whether all parts still run, and no image has been scored for longer than is configured."""
        return all(part.is_alive() for part in self._parts) and not self.scorer.is_stuck()

    def troubles(self) -> list[str]:
        """Say what does not work now, a line each."""
        ended = [f"{part.name} has ended" for part in self._parts if not part.is_alive()]
        stuck = ["scoring takes too long"] if self.scorer.is_stuck() else []
        return [*ended, *stuck, *filter(None, [self.store.failure])]

    def reload(self) -> None:
        """Take up another bundle at the configured path. What cannot be used is said, and the service goes on
        with what it has; other changes of the configuration are said to need a restart."""
        try:
            wanted = read_configuration(self._path)
            if msgspec.structs.replace(wanted, bundle=self.configuration.bundle) != self.configuration:
                _log.warning("configuration %s: changes beside [bundle] take effect at the next start", self._path)
            runtime = open_trusted(wanted.bundle)
            self._admit(runtime)
            self.scorer.runtime = runtime
        except EdgeError as refusal:
            _log.error("not reloaded: %s", refusal)
            return
        _log.info("reloaded, bundle %s", self.bundle_digest())

    def stop(self, seconds: float) -> bool:
        """End: take nothing more, finish the image that is being scored and the delivery that is under way.
        False if that took longer than `seconds`; nothing is lost then either."""
        end = time.monotonic() + seconds
        for part in self._parts:
            part.stop()
        for part in self._parts:
            part.join(max(0.0, end - time.monotonic()))
        return not any(part.is_alive() for part in self._parts)
