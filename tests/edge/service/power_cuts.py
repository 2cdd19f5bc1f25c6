"""The power fails at random moments under load: `python -m tests.edge.service.power_cuts --cuts 200`.

Files fall into the watched folder and images are posted over HTTP without a pause, while the service is
killed and started again. In the end every acknowledged image has exactly one verdict, and every verdict is
delivered. The suite runs the same with fewer cuts.
"""

from __future__ import annotations

import http.client
import json
import shutil
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np
from rich.progress import track

from fisherlens.edge.digest import digest_of
from fisherlens.edge.service.store import Store

from ...bundles import ensemble, usual_image
from .ports import free_port
from .running import Running

TOKEN = "0123456789abcdef"
LONGEST_LIFE_SECONDS = 3.0
PAUSE_SECONDS = 0.05


@dataclass
class Load:
    """Images without end, each another one, into the folder and over HTTP in turn. acknowledged: digests."""

    running: Running
    port: int
    acknowledged: set[str] = field(default_factory=set)
    ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        number = 0
        while not self.ended.wait(PAUSE_SECONDS):
            number += 1
            data = image_file(number)
            if number % 2:
                beside = self.running.folder / "beside.npy"
                beside.write_bytes(data)
                beside.replace(self.running.inbox / f"{number}.npy")
            else:
                self.post(data)

    def post(self, data: bytes) -> None:
        """Hand an image in; without an answer it counts as not taken."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("POST", "/images", data, {"Authorization": f"Bearer {TOKEN}"})
            answer = connection.getresponse()
            if answer.status == 202:
                self.acknowledged.add(json.loads(answer.read())["digest"])
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()


def image_file(number: int) -> bytes:
    """A .npy file of an image that no other number has."""
    image = usual_image(number % 100)
    image.reshape(-1)[:4] ^= np.frombuffer(np.uint32(number).tobytes(), np.uint8)
    with tempfile.SpooledTemporaryFile() as file:
        np.save(file, image)
        file.seek(0)
        return file.read()


def with_http(running: Running) -> int:
    """Give a service that is not started yet an HTTP endpoint; says its port."""
    port = free_port()
    (running.folder / "token").write_text(TOKEN)
    running.extra += f'\n[source.http]\nport = {port}\ntoken-file = "token"\n'
    return port


def cut_power(running: Running, cuts: int, seed: int = 0) -> tuple[int, int]:
    """Kill the service `cuts` times and hold what is left against what was acknowledged. Numbers of acknowledged
    images and of verdicts.

    Raises AssertionError naming what was lost or doubled.
    """
    rng = np.random.default_rng(seed)
    load = Load(running, with_http(running))
    running.configure()
    thread = threading.Thread(target=load.run)
    thread.start()
    try:
        for _ in track(range(cuts), "cut the power", disable=cuts < 50):
            running.start()
            assert running.process is not None
            time.sleep(rng.uniform(0.0, LONGEST_LIFE_SECONDS))
            assert running.process.poll() is None, running.log.read_text()
            running.kill()
    finally:
        load.ended.set()
        thread.join()
    running.start()
    running.wait_for(lambda: not list(running.inbox.glob("*.npy")), "all files taken")
    store = running.store()
    running.wait_for(lambda: store.waiting_count() == 0, "all images scored")
    running.wait_for(lambda: ("file", "pending") not in store.outbox.counts(), "all verdicts delivered")
    assert running.stop() == 0
    return _audited(running, store, load.acknowledged | _taken(running.inbox / "taken"))


def _taken(folder: Path) -> set[str]:
    """Digests of the files that were moved out of the inbox."""
    return {digest_of(path.read_bytes()) for path in folder.iterdir()}


def _audited(running: Running, store: Store, acknowledged: set[str]) -> tuple[int, int]:
    verdicts = store.verdicts()
    counts = Counter(verdict.input_digest for _, verdict in verdicts)
    assert not acknowledged - set(counts), "acknowledged images without a verdict"
    assert max(counts.values()) == 1, "images with more than one verdict"
    assert all(verdict.outcome != "refused" for _, verdict in verdicts), "images that were damaged on the way"
    delivered = {line["id"] for line in running.lines_read()}
    assert delivered == {identifier for identifier, _ in verdicts}, "verdicts that were not delivered"
    return len(acknowledged), len(verdicts)


@click.command()
@click.option("--cuts", default=200, show_default=True, help="How often the power fails.")
@click.option("--seed", default=0, show_default=True, help="Of the moments.")
def main(cuts: int, seed: int) -> None:
    """Cut the power of a service under load, and say what was lost: nothing, or the command fails."""
    folder = Path(tempfile.mkdtemp(prefix="power-cuts-"))
    running = Running(folder, ensemble(folder))
    began = time.monotonic()
    try:
        acknowledged, verdicts = cut_power(running, cuts, seed)
    finally:
        if running.process is not None:
            running.process.kill()
    print(
        f"{cuts} power cuts in {time.monotonic() - began:.0f} s: {acknowledged} images acknowledged, {verdicts} "
        "verdicts, each delivered; nothing lost, nothing doubled"
    )
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
