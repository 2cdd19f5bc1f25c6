"""Where a bundle's time goes: `python -m tests.benchmark.bundle_cost`.

As multiples of the bare forward pass in ONNX Runtime on one thread, medians of runs in turn: the head, what each check
of the default procedure is made of, and the whole bundle of a usual image, of a doubtful one, and with a map. Times are
the thread's own on the processor: others that use the machine change them little. Networks have random weights and
images of noise: what is doubtful is told by a bundle that was calibrated on others.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from fisherlens.edge.bundle import Bundle, Session, open_bundle, open_session
from fisherlens.edge.bundle.manifest import Input
from fisherlens.export.checks.judgement import measured
from fisherlens.export.fisher.fisher_graph import fisher_graph
from fisherlens.export.network.normalise import normalised
from fisherlens.export.network.source import Network, from_modules
from fisherlens.export.pipeline import DEFAULT, Request, export

from .graphs import FORWARD, graphs
from .networks import SUBJECTS, Subject

IMAGES = 200
ALPHA = 0.05
WARM = 5


@click.command()
@click.option("--subject", "number", default=0, show_default=True, help="Number of a network.")
@click.option("--runs", default=60, show_default=True)
def main(number: int, runs: int) -> None:
    """Print each part's time as a multiple of the forward pass."""
    subject = SUBJECTS[number]
    (network,) = from_modules(subject.make(), subject.shape, subject.name)
    with tempfile.TemporaryDirectory() as folder:
        bundle = _bundle(subject, network, Path(folder) / "bundle.onnx")
    timed = _parts(subject, network) | _whole(bundle, subject)
    times: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(WARM + runs):
        for name, run in timed.items():
            start = time.thread_time()
            run()
            times[name].append(time.thread_time() - start)
    print(f"{subject.name}: {FORWARD} {1e3 * median(times[FORWARD][WARM:]):.2f} ms")
    for name, seconds in times.items():
        ratios = [one / bare for one, bare in zip(seconds[WARM:], times[FORWARD][WARM:], strict=True)]
        print(f"{name}: {median(ratios):.3f}")


def _image(subject: Subject, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).uniform(size=subject.shape).astype(np.float32)


def _bundle(subject: Subject, network: Network, path: Path) -> Bundle:
    readers = [lambda seed=seed: _image(subject, seed) for seed in range(IMAGES)]
    request = Request(name=subject.name, version="1", head=subject.head, input=Input(), alpha=ALPHA)
    export([network], readers, None, request, path)
    return open_bundle(path, threads=1)


def _parts(subject: Subject, network: Network) -> dict[str, Callable[[], Any]]:
    """Runs of the forward pass alone, with the head, and with what each check is made of beside it."""
    graph = fisher_graph([normalised(network, subject.shape)], subject.head, groups=None, fitting=IMAGES // 2)
    found = measured(graph, DEFAULT.of_networks(1).checks)
    sessions: dict[str, Session] = {
        FORWARD: open_session(graphs(subject, network)[FORWARD], 1),
        "with the head": graph.session(graph.outputs, 1),
    }
    for name, check in found.items():
        sessions[f"and {name}'s features"] = graph.session({**graph.outputs, name: check.values[0]}, 1)
    feeds = {"image": _image(subject, 0)}
    return {name: lambda opened=opened: opened.run(None, feeds) for name, opened in sessions.items()}  # type: ignore[misc]


def _whole(bundle: Bundle, subject: Subject) -> dict[str, Callable[[], Any]]:
    """Runs of the bundle on the first images that are usual and doubtful, and of the usual one with a map."""
    cascade = [check.name for check in bundle.manifest.checks].index("cascade")
    found: dict[str, NDArray[np.float32]] = {}
    for seed in range(IMAGES, 2 * IMAGES):
        outputs = bundle.run(image := _image(subject, seed), explain=False)
        if not outputs["flagged"]:
            found.setdefault("doubtful" if outputs["statistic"][cascade] > 0 else "usual", image)
    runs = {f"bundle, {kind} image": (image, False) for kind, image in found.items()}
    runs["bundle, usual image, with a map"] = found["usual"], True
    return {name: lambda given=given: bundle.run(*given) for name, given in runs.items()}  # type: ignore[misc]


if __name__ == "__main__":
    main()
