"""A disk that is full or read-only, at every step of the way: nothing is lost, and it goes on by itself."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from fisherlens.edge.service.faults import STEPS

from .ports import free_port
from .running import Running
from .test_service import png

DISK_BYTES = 8 * 2**20
IMAGES = 4


@dataclass
class Disk:
    """A small file system of its own, from an image in a file, where the service has its store."""

    image: Path
    folder: Path

    def make(self) -> None:
        with self.image.open("wb") as file:
            file.truncate(DISK_BYTES)
        subprocess.run(["mkfs.ext4", "-q", "-F", self.image], check=True, capture_output=True)

    def mount(self) -> None:
        """A file system that finds an error in itself becomes read-only, as Debian's installer sets it up."""
        command: list[str | Path] = ["mount", "-o", "loop,errors=remount-ro", self.image, self.folder]
        subprocess.run(command, check=True, capture_output=True)

    def unmount(self) -> None:
        subprocess.run(["umount", self.folder], check=True, capture_output=True)

    def fail(self) -> None:
        """Let the file system find an error in itself."""
        device = subprocess.check_output(["findmnt", "-no", "SOURCE", self.folder], text=True).strip()
        name = Path(device).name
        Path(f"/sys/fs/ext4/{name}/trigger_fs_error").write_text("1")

    def repair(self) -> None:
        """What an administrator does: take it out of use, check it, and mount it again."""
        self.unmount()
        subprocess.run(["e2fsck", "-fy", self.image], check=False, capture_output=True)
        self.mount()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path / "disk.img", tmp_path / "disk")
    disk.folder.mkdir()
    try:
        disk.make()
        disk.mount()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this machine does not allow loop mounts (root may make them)")
    yield disk
    subprocess.run(["umount", "--lazy", disk.folder], check=False)


@pytest.fixture
def on_small_disk(service: Callable[..., Running], disk: Disk) -> Iterator[Running]:
    """A service whose store is on a disk of its own, of DISK_BYTES."""
    running = service()
    (disk.folder / "store").mkdir()
    (running.folder / "store").symlink_to(disk.folder / "store")
    yield running
    if running.process is not None:
        running.kill()


@pytest.mark.parametrize("step", STEPS)
def test_a_disk_that_is_full_at_any_step_delays_and_loses_nothing(on_small_disk: Running, step: str) -> None:
    running = on_small_disk
    running.start(fault=f"{step}:2:STOP")
    for seed in range(IMAGES):
        (running.inbox / f"{seed}.png").write_bytes(png(seed))
    running.wait_for(running.is_stopped, "the step")
    filler = running.folder / "store" / "filler"
    fill(filler)
    assert running.process is not None
    running.process.send_signal(signal.SIGCONT)
    time.sleep(1.5)
    assert running.process.poll() is None, running.log.read_text()
    filler.unlink()
    all_is_well(running)


def test_a_full_disk_is_told_until_it_has_room_again(on_small_disk: Running) -> None:
    running = on_small_disk
    port = free_port()
    running.extra = f"[page]\nport = {port}\n"
    running.start()
    running.wait_for(lambda: "INFO started" in running.log.read_text(), "the start")
    fill(running.folder / "store" / "filler")
    for seed in range(IMAGES):
        (running.inbox / f"{seed}.png").write_bytes(png(seed))
    running.wait_for(lambda: "No space left on device" in running.log.read_text(), "a word about the disk")
    assert len(list(running.inbox.glob("*.png"))) == IMAGES
    status, said = health(port)
    assert status == 503
    assert "No space left on device" in said
    taken = running.folder / "elsewhere"
    taken.mkdir()
    for path in running.inbox.glob("*.png"):
        path.rename(taken / path.name)  # nothing comes any more that would find the disk to have room again
    (running.folder / "store" / "filler").unlink()
    running.wait_for(lambda: health(port) == (200, "running\n"), "health")
    for path in taken.iterdir():
        path.rename(running.inbox / path.name)
    all_is_well(running)


def health(port: int) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize("step", STEPS)
def test_a_disk_that_becomes_read_only_at_any_step_loses_nothing(on_small_disk: Running, disk: Disk, step: str) -> None:
    running = on_small_disk
    running.start(fault=f"{step}:2:STOP")
    for seed in range(IMAGES):
        (running.inbox / f"{seed}.png").write_bytes(png(seed))
    running.wait_for(running.is_stopped, "the step")
    disk.fail()
    assert running.process is not None
    running.process.send_signal(signal.SIGCONT)
    (running.inbox / "more.png").write_bytes(png(IMAGES))
    running.wait_for(lambda: "Read-only file system" in running.log.read_text(), "a word about the disk")
    assert (running.inbox / "more.png").exists(), "nothing is taken"
    running.kill()
    disk.repair()
    running.start()
    all_is_well(running, IMAGES + 1)


def fill(path: Path) -> None:
    """Write until nothing fits any more."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        for block in (2**16, 2**12, 1):
            with suppress(OSError):
                while True:
                    file.write(os.urandom(block))


def all_is_well(running: Running, images: int = IMAGES) -> None:
    """Every file is taken, has one verdict, and each is delivered."""
    running.wait_for(lambda: not list(running.inbox.glob("*.png")), "all files taken")
    running.wait_for(
        lambda: running.store().outbox.counts() == {("file", "delivered"): images}, "all verdicts delivered"
    )
    assert running.stop() == 0
    verdicts = running.store().verdicts()
    assert len({verdict.source for _, verdict in verdicts}) == len(verdicts) == images
    assert {line["id"] for line in running.lines_read()} == {identifier for identifier, _ in verdicts}
