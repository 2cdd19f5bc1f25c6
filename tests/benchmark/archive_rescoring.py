"""What rescoring an archive costs: `python -m tests.benchmark.archive_rescoring`.

Images per second by workers, against plain loops of the runtime with one thread over the same files in the same run,
as many processes at a time: what the machine itself allows. Memory of a worker with the process that reads files for
it. Rates are of the middle of a run: what starting takes, a large archive does not notice.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

import click
import numpy as np
import psutil
import ray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from fisherlens.deploy.rollout.rescore import RescoreRequest, rescore
from fisherlens.deploy.rollout.sources.files import FolderTree
from fisherlens.edge.bundle import open_bundle
from fisherlens.edge.runtime import Runtime
from fisherlens.models.mammography import BUNDLE
from fisherlens.models.mammography.acquisition import Exposure
from fisherlens.models.mammography.dicom import write_dicom
from fisherlens.models.mammography.phantom import Phantom
from fisherlens.models.mammography.systems import SYSTEMS

from ..rig.panel_physics import Panel

SIDE = 1100
_SYSTEM = "scintillator, 0.1 mm"
_PART_IMAGES = 8
_LOOK_SECONDS = 3.0
"""Between two looks at the workers' memory, which cost time that is measured here."""
_EUROS_A_CORE_HOUR = 0.04
"""Assumed, of a rented core; what one's own costs is to be put in its place."""
_LARGE = 1e8


@dataclass
class Arrivals:
    """Notes when images were finished."""

    times: list[tuple[float, int]] = field(default_factory=list)

    def __call__(self, finished: int, _: int) -> None:
        self.times.append((time.monotonic(), finished))

    def rate(self, workers: int) -> float:
        """Images per second, from when each worker had finished its second part until it had its last but one: whole
        rounds of all workers, which finish at about the same time."""
        first, last = 2 * workers - 1, (len(self.times) // workers - 1) * workers - 1
        images = sum(advance for _, advance in self.times[first + 1 : last + 1])
        return images / (self.times[last][0] - self.times[first][0])


class Memory:
    """Looks at the workers' memory all the time; most: in bytes, of one with its child."""

    def __init__(self) -> None:
        self.most = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK_SECONDS):
            for process in psutil.process_iter(["cmdline"]):
                try:
                    if "ray::MapWorker" in " ".join(process.info["cmdline"] or []):
                        family = [process, *process.children(recursive=True)]
                        self.most = max(self.most, sum(member.memory_info().rss for member in family))
                except psutil.Error:
                    continue


def make_archive(folder: Path, images: int) -> None:
    """So many simulated DICOM images of SIDE x SIDE pixels."""
    panel = Panel(SYSTEMS[_SYSTEM], Phantom(np.random.default_rng(0)), SIDE, SIDE, seed=0)
    for number in track(range(images), "simulate"):
        exposure = Exposure(air_kerma=100.0)
        write_dicom(folder / f"{number:05}.dcm", panel.read(exposure), exposure, "benchmark")


def plain_loop(paths: list[Path]) -> float:
    """Images per second of the runtime alone, one thread."""
    runtime = Runtime(open_bundle(BUNDLE, threads=1))
    list(runtime.score_file(paths[0]))
    began = time.monotonic()
    for path in paths[1:]:
        list(runtime.score_file(path))
    return (len(paths) - 1) / (time.monotonic() - began)


def plain_loops(paths: list[Path], processes: int) -> float:
    """Images per second of so many loops at a time, each over all of the files."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        return sum(pool.map(plain_loop, [paths] * processes))


@click.command()
@click.option("--images", default=240, show_default=True)
@click.option("--rounds", default=3, show_default=True, help="Of which medians are told.")
def main(images: int, rounds: int) -> None:
    """Print images per second, efficiency, overhead, memory, and what 10^8 images would take."""
    cores = psutil.cpu_count() or 1
    loops: dict[int, list[float]] = {n: [] for n in range(1, cores + 1)}
    rates: dict[int, list[float]] = {n: [] for n in range(1, cores + 1)}
    with tempfile.TemporaryDirectory(prefix="fisherlens-archive-") as scratch:
        folder = Path(scratch) / "archive"
        folder.mkdir()
        make_archive(folder, images)
        paths = sorted(folder.iterdir())
        ray.init(include_dashboard=False, log_to_driver=False, object_store_memory=200 * 2**20)
        with Memory() as memory:
            for number in range(rounds):
                for workers in range(1, cores + 1):
                    loops[workers].append(plain_loops(paths[: images // 4], workers))
                    arrivals = Arrivals()
                    out = Path(scratch) / f"out-{number}-{workers}"
                    asked = RescoreRequest(
                        FolderTree(folder), BUNDLE, out, workers=workers, part_images=_PART_IMAGES
                    )  # fmt: skip
                    rescore(asked, arrivals)
                    rates[workers].append(arrivals.rate(workers))
        ray.shutdown()
    _print(loops, rates, memory.most)


def _print(loops: dict[int, list[float]], rates: dict[int, list[float]], memory: int) -> None:
    table = Table("processes", "plain loops, images/s", "of linear", "rescore, images/s", "of linear", "overhead")
    for workers in rates:
        overheads = [loop / rate - 1 for loop, rate in zip(loops[workers], rates[workers], strict=True)]
        table.add_row(
            str(workers),
            f"{statistics.median(loops[workers]):.2f}", f"{_efficiency(loops, workers):.2f}",
            f"{statistics.median(rates[workers]):.2f}", f"{_efficiency(rates, workers):.2f}",
            f"{100 * statistics.median(overheads):.1f} %",
        )  # fmt: skip
    console = Console(highlight=False, width=110)
    console.print(table)
    console.print(f"memory of a worker with its reader: {memory / 2**20:.0f} MB at most")
    hours = _LARGE / (statistics.median(rates[max(rates)]) / max(rates)) / 3600
    console.print(
        f"10^8 images: {hours:,.0f} core hours, {hours / 1000:.1f} hours on 1,000 cores, "
        f"{hours * _EUROS_A_CORE_HOUR:,.0f} euros at {_EUROS_A_CORE_HOUR:g} a core hour (assumed)"
    )


def _efficiency(rates: dict[int, list[float]], workers: int) -> float:
    """Share of what so many times one would do, median over the rounds."""
    return statistics.median(n / one / workers for n, one in zip(rates[workers], rates[1], strict=True))


if __name__ == "__main__":
    main()
