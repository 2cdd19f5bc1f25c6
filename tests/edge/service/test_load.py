"""The load figures' command, in a small version."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...benchmark.service_load import Subject, flood
from .power_cuts import image_file, with_http
from .running import Running

MOST_GROWTH_MB = 20.0


def test_memory_stays_flat_under_load_and_the_spool_bounds_what_waits(
    service: Callable[..., Running], ensemble_bundle: Path
) -> None:
    running = service(store_table="most-waiting-bytes = 50000")
    port = with_http(running)
    running.start()
    running.wait_for(lambda: "INFO started" in running.log.read_text(), "the start")
    found = flood(running, Subject("small", ensemble_bundle, image_file), port, 800)
    assert found["last"] - found["first"] < MOST_GROWTH_MB
    assert running.stop() == 0
    assert len(running.store().verdicts()) == 800
