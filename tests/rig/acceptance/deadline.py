"""Frames at a stated rate: none is dropped, and each has its verdict in time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from labgrid import Environment

from ..audit import Sent
from ..evidence import Evidence
from ..station import Station

PART = "deadline run"
_LOOK_SECONDS = 0.02


def test_frames_at_a_rate(station: Station, env: Environment, evidence: Evidence, pytestconfig: pytest.Config) -> None:
    rate, deadline = env.config.get_option("frames-per-second"), env.config.get_option("deadline-seconds")
    seconds = pytestconfig.option.rig_deadline_run
    sent: list[Sent] = []
    with _verdicts_watched(station):
        began = time.monotonic()
        for number in range(round(seconds * rate)):
            frame = station.image()
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            sent += station.send(frame)
        achieved = len(sent) / (time.monotonic() - began)
    station.wait_for(sent)
    seen = {line.verdict.source: line.seen for line in reversed(station.told_of(sent))}
    dropped = [entry.frame.identity for entry in sent if entry.frame.identity not in seen]
    evidence.deadline = deadline
    evidence.latencies = [seen[entry.frame.identity] - entry.at for entry in sent if entry.frame.identity in seen]
    _judge(evidence, f"{rate:g} frames/s for {seconds:g} s", achieved, 0.9 * rate, deadline)
    evidence.judge_none(PART, "frames", "dropped", dropped)
    evidence.judge_none(PART, "frames", "other than the bundle says by itself", station.account(sent).different)


@contextmanager
def _verdicts_watched(station: Station) -> Iterator[None]:
    """Verdicts are looked for all the time, so that it is known when each came."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_LOOK_SECONDS):
            station.service.verdicts()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _judge(evidence: Evidence, subject: str, achieved: float, least: float, deadline: float) -> None:
    missed = sum(latency > deadline for latency in evidence.latencies)
    p50, p95, p99 = np.percentile(evidence.latencies, [50, 95, 99])
    percentiles = f"{1e3 * p50:.0f}, {1e3 * p95:.0f}, {1e3 * p99:.0f} ms"
    reached = f"{achieved:.2f} frames/s"
    evidence.judge(PART, subject, "rate that the rig reached", reached, f"at least {least:g}", achieved >= least)
    evidence.judge(PART, subject, "deadlines missed", f"{missed} of {len(evidence.latencies)}", "0", missed == 0)
    evidence.judge(PART, subject, "latency, 50th, 95th, 99th percentile", percentiles, f"99th below {deadline:g} s",
                   bool(p99 < deadline))  # fmt: skip
