"""A disk that is full or read-only, at every step of the way: nothing is lost, and it goes on by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fisherlens.edge.service.faults import STEPS

from .running import Running
from .test_service import png

DISK_BYTES = 4 * 2**20
IMAGES = 4


@pytest.fixture
def on_small_disk(service: Callable[..., Running]) -> Iterator[Running]:
    """A service whose store is a disk of its own, of DISK_BYTES."""
    running = service()
    disk = running.folder / "store"
    disk.mkdir()
    try:
        _mount(disk, "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the right to mount, as root has it")
    yield running
    if running.process is not None:
        running.process.kill()
        running.process.wait()
    subprocess.run(["umount", "--lazy", disk], check=True)


def _mount(disk: Path, *options: str) -> None:
    subprocess.run(["mount", *options, disk], check=True, capture_output=True)


@pytest.mark.parametrize("step", STEPS)
def test_a_disk_that_is_full_at_any_step_delays_and_loses_nothing(on_small_disk: Running, step: str) -> None:
    running = on_small_disk
    running.start(fault=f"{step}:2:STOP")
    for seed in range(IMAGES):
        (running.inbox / f"{seed}.png").write_bytes(png(seed))
    running.wait_for(lambda: is_stopped(running), "the step")
    filler = running.folder / "store" / "filler"
    fill(filler)
    assert running.process is not None
    running.process.send_signal(signal.SIGCONT)
    time.sleep(1.5)
    assert running.process.poll() is None, running.log.read_text()
    filler.unlink()
    all_is_well(running)


def test_a_full_disk_is_told(on_small_disk: Running) -> None:
    running = on_small_disk
    running.start()
    running.wait_for(lambda: "INFO started" in running.log.read_text(), "the start")
    fill(running.folder / "store" / "filler")
    for seed in range(IMAGES):
        (running.inbox / f"{seed}.png").write_bytes(png(seed))
    running.wait_for(lambda: "No space left on device" in running.log.read_text(), "a word about the disk")
    assert len(list(running.inbox.glob("*.png"))) == IMAGES
    (running.folder / "store" / "filler").unlink()
    all_is_well(running)


def test_a_disk_that_becomes_read_only_delays_and_loses_nothing(on_small_disk: Running) -> None:
    running = on_small_disk
    running.start(fault="decoded:2:STOP")
    for seed in range(IMAGES):
        (running.inbox / f"{seed}.png").write_bytes(png(seed))
    running.wait_for(lambda: is_stopped(running), "the step")
    # The mount itself cannot turn while files are open for writing, a bind mount over it can.
    disk = running.folder / "store"
    _mount(disk, "--bind", str(disk))
    _mount(disk, "-o", "remount,ro,bind")
    assert running.process is not None
    running.process.send_signal(signal.SIGCONT)
    time.sleep(1.5)
    assert running.process.poll() is None, running.log.read_text()
    subprocess.run(["umount", disk], check=True)
    all_is_well(running)


def is_stopped(running: Running) -> bool:
    assert running.process is not None
    return Path(f"/proc/{running.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def fill(path: Path) -> None:
    """Write until nothing fits any more."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        for block in (2**16, 2**12, 1):
            with suppress(OSError):
                while True:
                    file.write(os.urandom(block))


def all_is_well(running: Running) -> None:
    """Every file is taken, has one verdict, and each is delivered."""
    running.wait_for(lambda: not list(running.inbox.glob("*.png")), "all files taken")
    running.wait_for(
        lambda: running.store().delivery_counts() == {("file", "delivered"): IMAGES}, "all verdicts delivered"
    )
    assert running.stop() == 0
    verdicts = list(running.store().verdicts())
    assert sorted(verdict.source for _, verdict in verdicts) == [f"{seed}.png" for seed in range(IMAGES)]
    assert {line["id"] for line in running.lines_read()} == {identifier for identifier, _ in verdicts}
