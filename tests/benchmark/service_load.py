"""What the service sustains: `python -m tests.benchmark.service_load`.

Images are posted over HTTP, first as fast as the service acknowledges them, then at half of the rate at which it
scored. Prints images a second, the time from arrival to verdict, and the service's memory.
"""

from __future__ import annotations

import http.client
import json
import queue
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from fisherlens.models.mammography import BUNDLE
from fisherlens.models.mammography.dicom import write_dicom
from fisherlens.models.mammography.population import usual

from ..bundles import ensemble
from ..edge.service.power_cuts import TOKEN, image_file, with_http
from ..edge.service.running import Running

CONNECTIONS = 4
_LATEST = 2000
"""Images that latencies are taken of."""


@dataclass(frozen=True)
class Subject:
    """What is scored: a bundle, and the bytes of its image of a number, each another one."""

    name: str
    bundle: Path
    image: Callable[[int], bytes]


def small(folder: Path) -> Subject:
    """32 x 32 pixels and a network to match: what the service itself costs."""
    return Subject("32 x 32 pixels", ensemble(folder), image_file)


def mammography(folder: Path) -> Subject:
    """Whole simulated acquisitions as DICOM, and the shipped bundle."""
    acquisition = usual(0, "load")
    path = folder / "acquisition.dcm"
    write_dicom(path, acquisition.image(), acquisition.exposure, "load", acquisition.detector.pixel_spacing)
    data = path.read_bytes()

    def numbered(number: int) -> bytes:
        return data[:-4] + (number % 2**14).to_bytes(2, "little") + (number // 2**14).to_bytes(2, "little")

    return Subject(f"mammography, {len(data) / 1e6:.0f} MB", BUNDLE, numbered)


class Clients:
    """Connections that post images, and try again while the spool is full."""

    def __init__(self, subject: Subject, port: int) -> None:
        self._subject, self._port = subject, port
        self._numbers: queue.Queue[int | None] = queue.Queue(maxsize=1)
        self.acknowledged = 0
        self._threads = [threading.Thread(target=self._post) for _ in range(CONNECTIONS)]
        for thread in self._threads:
            thread.start()

    def send(self, number: int) -> None:
        self._numbers.put(number)

    def end(self) -> None:
        for _ in self._threads:
            self._numbers.put(None)
        for thread in self._threads:
            thread.join()

    def _post(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        while (number := self._numbers.get()) is not None:
            data = self._subject.image(number)
            while self._status(connection, data) == 503:
                time.sleep(0.2)
            self.acknowledged += 1

    @staticmethod
    def _status(connection: http.client.HTTPConnection, data: bytes) -> int:
        connection.request("POST", "/images", data, {"Authorization": f"Bearer {TOKEN}"})
        answer = connection.getresponse()
        assert answer.status in (202, 503), json.loads(answer.read())
        answer.read()
        return answer.status


def memory_mb(running: Running) -> float:
    """Resident memory of the service and its children (the readers), MB."""
    assert running.process is not None
    pids = [running.process.pid]
    for children in Path(f"/proc/{pids[0]}/task").glob("*/children"):
        pids += [int(pid) for pid in children.read_text().split()]
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids) * 4096 / 1e6


def flood(running: Running, subject: Subject, port: int, images: int) -> dict[str, float]:
    """Post as fast as is acknowledged, wait for the last verdict."""
    clients = Clients(subject, port)
    store = running.store()
    began = time.monotonic()
    memory: list[float] = []
    for number in track(range(images), f"{subject.name}: as fast as acknowledged"):
        clients.send(number)
        if number % max(1, images // 10) == images // 20:
            memory.append(memory_mb(running))
    clients.end()
    acknowledged = images / (time.monotonic() - began)
    while store.waiting_count():
        time.sleep(0.05)
    scored = images / (time.monotonic() - began)
    memory.append(memory_mb(running))
    return {"acknowledged": acknowledged, "scored": scored, "first": memory[0], "last": memory[-1]}


def pace(running: Running, subject: Subject, port: int, first: int, rate: float, seconds: float) -> np.ndarray:
    """Post at a rate; seconds from arrival to verdict of each image."""
    clients = Clients(subject, port)
    count = max(20, int(rate * seconds))
    began = time.monotonic()
    for number in track(range(count), f"{subject.name}: {rate:.3g} images a second"):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        clients.send(first + number)
    clients.end()
    store = running.store()
    while store.waiting_count():
        time.sleep(0.05)
    times = [
        (datetime.fromisoformat(one.verdict.created) - datetime.fromisoformat(one.received)).total_seconds()
        for one in store.latest(min(count, _LATEST))
    ]
    return np.array(times)


def measured(subject: Subject, folder: Path, images: int, seconds: float) -> list[str]:
    """A row of the table."""
    folder.mkdir()
    running = Running(folder, subject.bundle, store_table="most-waiting-bytes = 300000000")
    port = with_http(running)
    running.start()
    running.wait_for(lambda: "INFO started" in running.log.read_text(), "the start")
    try:
        found = flood(running, subject, port, images)
        times = pace(running, subject, port, images, found["scored"] / 2, seconds)
    finally:
        running.stop()
    p50, p99 = np.percentile(times, [50, 99])
    return [
        subject.name, str(images), f"{found['acknowledged']:.3g}/s", f"{found['scored']:.3g}/s", f"{1e3 * p50:.0f} ms",
        f"{1e3 * p99:.0f} ms", f"{found['first']:.0f} MB", f"{found['last']:.0f} MB",
    ]  # fmt: skip


@click.command()
@click.option("--images", default=20_000, show_default=True, help="Small images that are posted at once.")
@click.option("--acquisitions", default=60, show_default=True, help="Whole acquisitions that are posted at once.")
@click.option("--seconds", default=60.0, show_default=True, help="Of posting at half of the rate.")
def main(images: int, acquisitions: int, seconds: float) -> None:
    """Print what the service sustains on this machine."""
    columns = ("subject", "images", "acknowledged", "scored", "to verdict, p50", "p99", "memory, start", "end")
    table = Table(*columns)
    with tempfile.TemporaryDirectory(prefix="service-load-") as work:
        for make, count in ((small, images), (mammography, acquisitions)):
            folder = Path(work) / make.__name__
            folder.mkdir()
            table.add_row(*measured(make(folder), folder / "service", count, seconds))
    Console(highlight=False, width=140).print(table)


if __name__ == "__main__":
    main()
