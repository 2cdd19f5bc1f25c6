"""A clock that jumps."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable

import pytest

from .running import Running
from .test_service import png


@pytest.mark.skipif(shutil.which("faketime") is None, reason="faketime is not installed (Debian: faketime)")
def test_a_clock_that_jumps_an_hour_back_delays_and_loses_nothing(service: Callable[..., Running]) -> None:
    running = service()
    offset = running.folder / "offset"
    offset.write_text("+0h")
    # Only the clock of the day jumps: time that is counted goes on, as it does on a machine whose clock is set.
    running.environment = {
        "LD_PRELOAD": subprocess.check_output(["faketime", "-f", "+0h", "printenv", "LD_PRELOAD"], text=True).strip(),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    running.configure()
    running.lines.mkdir()  # deliveries fail and wait while the clock jumps
    running.start()
    (running.inbox / "0.png").write_bytes(png(0))
    running.wait_for(lambda: "delivery to file: " in running.log.read_text(), "a failed delivery")
    offset.write_text("-1h")
    (running.inbox / "1.png").write_bytes(png(1))
    running.wait_for(lambda: len(running.store().verdicts()) == 2, "the second verdict")
    running.lines.rmdir()
    running.wait_for(lambda: len(running.lines_read()) == 2, "both deliveries")
    assert running.stop() == 0
    first, second = (verdict.created for _, verdict in running.store().verdicts())
    assert second < first, "the clock did jump"
