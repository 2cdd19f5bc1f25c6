"""Metrics for Prometheus: counts of the store, and times."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .drift_watch import DriftWatch
from .store import Store

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics(Collector):
    """The service's metrics. Counts are read from the store when they are asked for, and so outlive a restart.
    scoring: seconds that the verdicts on an image took. drift: gives the tests for drift of the bundle that scores."""

    def __init__(self, store: Store, drift: Callable[[], DriftWatch]) -> None:
        self._store, self._drift = store, drift
        self._registry = CollectorRegistry()
        self._registry.register(self)
        self.scoring = Histogram(
            "fisherlens_scoring_seconds",
            "Time to decode and score an image",
            registry=self._registry,
            buckets=(0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60),
        )

    def text(self) -> bytes:
        """Write all metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Read all counts now; the registry calls this."""
        waiting = GaugeMetricFamily("fisherlens_images_waiting", "Images that are to be scored")
        waiting.add_metric([], self._store.waiting_count())
        yield waiting
        verdicts = CounterMetricFamily("fisherlens_verdicts", "Verdicts by outcome", labels=["outcome"])
        for outcome, count in self._store.outcome_counts().items():
            verdicts.add_metric([outcome], count)
        yield verdicts
        deliveries = GaugeMetricFamily(
            "fisherlens_deliveries", "Verdicts by destination and state", labels=["destination", "state"]
        )
        for (destination, state), count in self._store.outbox.counts().items():
            deliveries.add_metric([destination, state], count)
        yield deliveries
        drift = GaugeMetricFamily(
            "fisherlens_drift_level", "Against images being usual; 100000 alarms", labels=["check"]
        )
        for check, level in self._drift().levels().items():
            drift.add_metric([check], level)
        yield drift
