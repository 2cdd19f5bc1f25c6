"""What a verdict costs beside the bare forward pass: `python -m tests.benchmark.verdict_cost`.

All rivals in one run, on one processor and on two, medians of alternating rounds and their ratios to
the forward pass in ONNX Runtime. Writes the table to tests/benchmark/verdict_cost.md. Of a rival that is
not installed (pip install '.[benchmark]') or cannot run a network the table says so.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median

import click
import numpy as np
import onnxruntime
import torch
from rich.progress import track

from fisherlens.export.network.source import from_modules

from .graphs import ACTIVATIONS, EXACT, FORWARD, NOT_TAKEN, PARAMETERS, TAKEN, graphs
from .networks import SUBJECTS, Subject
from .rivals import Run, Torch, jax_residual, openvino

TABLE = Path(__file__).with_suffix(".md")
SECONDS = 25.0
"""Time for the rounds of one subject and number of threads."""

SETTLE = 0.02
"""Seconds for the threads of the rival before to stop waiting for work, before a run that is not timed
and one that is."""

LIMITS = {ACTIVATIONS: 2.0, PARAMETERS: 3.0, EXACT: 21.0, NOT_TAKEN: 1.1}
"""Targets for the residual network, one thread."""


@click.command()
@click.option("--subject", "only", type=int, multiple=True, help="Number of a network, from 0; default all.")
@click.option("--threads", type=int, multiple=True, default=(1, 2), show_default=True)
def main(only: tuple[int, ...], threads: tuple[int, ...]) -> None:
    """Time everything, print the table and write it."""
    lines = [_heading()]
    for number in only or range(len(SUBJECTS)):
        for count in threads:
            lines += _in_process(number, count)
        lines += _memory(number)
    print("\n".join(lines))
    if not only:
        TABLE.write_text("\n".join(lines) + "\n")


def _heading() -> str:
    libraries = f"ONNX Runtime {onnxruntime.__version__}, torch {torch.__version__}"
    return f"Medians, printed by `python -m tests.benchmark.verdict_cost` ({libraries}). A ratio is to `{FORWARD}`."


def _in_process(number: int, threads: int) -> list[str]:
    """In a process of its own that has only so many processors: not every rival can be told."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, os.sched_setaffinity, (0, set(range(threads)))) as pool:
        return pool.submit(_measured, number, threads).result()


def _measured(number: int, threads: int) -> list[str]:
    subject = SUBJECTS[number]
    torch.set_num_threads(threads)
    runs, failed = _candidates(subject, threads)
    times: dict[str, list[float]] = {name: [] for name in runs}
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end or min(map(len, times.values())) < 5:
        for name, run in runs.items():
            time.sleep(SETTLE)
            run()
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    reference = median(times[FORWARD])
    lines = ["", f"**{subject.name}, {threads} thread{'s' if threads > 1 else ''}**", "", "| | ms | ratio | |"]
    lines.append("|---|---|---|---|")
    for name, values in times.items():
        limit = LIMITS.get(name) if subject is SUBJECTS[0] and threads == 1 else None
        aim = f"target {limit:g}" if limit else ""
        lines.append(f"| {name} | {1e3 * median(values):.2f} | {median(values) / reference:.2f} | {aim} |")
    return lines + [f"| {name} | | | {reason} |" for name, reason in failed.items()]


def _candidates(subject: Subject, threads: int) -> tuple[dict[str, Run], dict[str, str]]:
    """What can be run here, each run once, and why the others cannot."""
    image = np.random.default_rng(0).normal(size=subject.shape).astype(np.float32)
    (network,) = from_modules(subject.make(), subject.shape, subject.name)
    models = graphs(subject, network)
    runs = {name: _onnxruntime(model, image, threads, name) for name, model in models.items()}
    runs[TAKEN] = _onnxruntime(models[NOT_TAKEN], image, threads, TAKEN)
    makers: dict[str, Callable[[], Run]] = {}
    for label, compiled in (("PyTorch", False), ("PyTorch, compiled", True)):
        makers[f"{label}: forward"] = lambda c=compiled: Torch(subject, image, c).forward  # type: ignore[misc]
        makers[f"{label}: gradient"] = lambda c=compiled: Torch(subject, image, c).gradient  # type: ignore[misc]
        makers[f"{label}: gradient, parameters"] = lambda c=compiled: Torch(subject, image, c).parameters  # type: ignore[misc]
        if subject.exact and not compiled:
            makers[f"{label}: exact trace"] = lambda c=compiled: Torch(subject, image, c).exact  # type: ignore[misc]
    if subject is SUBJECTS[0]:
        makers["JAX: forward"] = lambda: jax_residual(image)["forward"]
        makers["JAX: gradient, parameters"] = lambda: jax_residual(image)["parameters"]
    for name in (FORWARD, ACTIVATIONS, PARAMETERS, *([EXACT] if subject.exact else [])):
        makers[f"OpenVINO: {name}"] = lambda n=name: openvino(models[n], {"image": image}, threads)  # type: ignore[misc]
    failed: dict[str, str] = {}
    for name, make in track(makers.items(), f"{subject.name}, {threads} threads"):
        try:
            run = make()
            run()
        except Exception as error:  # a rival's own reasons
            failed[name] = f"{type(error).__name__}: {' '.join(str(error).split())[:80]}"
        else:
            runs[name] = run
    return runs, failed


def _onnxruntime(model: bytes, image: np.ndarray, threads: int, name: str) -> Run:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.enable_mem_pattern = False
    options.add_session_config_entry("session.force_spinning_stop", "1")  # leave the processor to the next rival
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feeds = {"image": image}
    if name in (NOT_TAKEN, TAKEN):
        feeds["explain"] = np.array(name == TAKEN)
    run = lambda: session.run(None, feeds)  # noqa: E731
    run()
    return run


def _memory(number: int) -> list[str]:
    """Peak resident memory of a process that runs one graph, beside one that runs the forward pass."""
    peaks = {}
    for name in (FORWARD, ACTIVATIONS, PARAMETERS):
        command = [sys.executable, "-m", "tests.benchmark.peak_memory", str(number), name]
        peaks[name] = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    parts = [f"{name} {peak:.0f} MB ({peak / peaks[FORWARD]:.2f})" for name, peak in peaks.items()]
    return ["", "Peak memory of a process: " + ", ".join(parts) + "."]


if __name__ == "__main__":
    main()
