"""The cost of a verdict on this machine, beside the bare forward pass."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .opening import Bundle, open_bundle

FORWARD_PREFIX = "forward/"
"""Names of the nodes of the forward pass begin so."""


def verdict_seconds(bundle: Bundle, image: NDArray[np.float32], explain: bool, runs: int = 9) -> float:
    """Measure the median seconds of one run of the graph."""
    bundle.run(image, explain)
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        bundle.run(image, explain)
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def forward_seconds(bundle: Bundle, image: NDArray[np.float32], runs: int = 9) -> float:
    """Measure the median seconds that the forward pass's own nodes take, by ONNX Runtime's profiler: the
    device has nothing that could cut the graph in two."""
    with tempfile.TemporaryDirectory() as folder:
        profiled = open_bundle(bundle.path, profile=Path(folder) / "profile")
        for _ in range(runs + 1):
            profiled.run(image, explain=False)
        events = json.loads(Path(profiled.session.end_profiling()).read_text())
    totals = _forward_totals(events)
    return float(np.median(totals[1:]))


def _forward_totals(events: list[dict]) -> list[float]:
    """Seconds in forward nodes for each run: a run's events lie between its start and its end."""
    runs = [event for event in events if event.get("name") == "model_run"]
    kernels = [
        event
        for event in events
        if event.get("cat") == "Node" and FORWARD_PREFIX in event["name"] and event["name"].endswith("_kernel_time")
    ]
    return [sum(k["dur"] for k in kernels if run["ts"] <= k["ts"] <= run["ts"] + run["dur"]) / 1e6 for run in runs]
