"""Watching for drift, tested on the service's stream of verdicts."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from contextlib import suppress

from ..bundle import Bundle
from ..drift import DriftTest
from ..verdict import CheckResult

REMEMBERED = 10_000
"""Images whose checks are read again at a start, so that it forgets no drift."""

_log = logging.getLogger(__name__)


class DriftWatch:
    """A drift test of each of a bundle's checks, of which an alarm is false once in 100,000 images at most, on
    average. digest: the bundle's."""

    def __init__(self, bundle: Bundle, past: Iterable[Sequence[CheckResult]]) -> None:
        self.digest = bundle.digest
        self._tests: dict[str, DriftTest] = {}
        for check in bundle.manifest.checks:
            with suppress(ValueError):  # bundles of before have no tables of usual statistics
                self._tests[check.name] = DriftTest.of(bundle, check.name)
        for checks in past:
            self._take(checks)

    def observe(self, checks: Sequence[CheckResult]) -> None:
        """Take in what the checks said of one image; an alarm that it raises is logged."""
        before = set(self.drifted())
        self._take(checks)
        for name in sorted(set(self.drifted()) - before):
            _log.warning("drift: the images are not any more like those of the calibration, by check %s", name)

    def drifted(self) -> list[str]:
        """Give the checks whose alarm is raised."""
        return [name for name, test in self._tests.items() if test.drifted]

    def levels(self) -> dict[str, float]:
        """Give for each check how much speaks against the images being usual; 100,000 raises its alarm."""
        return {name: test.level for name, test in self._tests.items()}

    def _take(self, checks: Sequence[CheckResult]) -> None:
        for check in checks:
            if check.name in self._tests:
                self._tests[check.name].observe(math.inf if check.statistic is None else check.statistic)
