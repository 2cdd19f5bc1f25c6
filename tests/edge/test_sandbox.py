"""The process that reads files, when it dies or dawdles."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from threading import Thread

import numpy as np
import psutil
import pytest

from fisherlens.edge.bundle.manifest import Input
from fisherlens.edge.sandbox import Sandbox, SandboxFailed, _exit_at_the_end_of

MEMORY = 4 * 2**30
PATIENCE_SECONDS = 20.0
PARENT = f"""
import sys, time
from pathlib import Path
import pydicom
from fisherlens.edge.sandbox import Sandbox
def endless(*_, **__):
    print("reading", flush=True)
    sum(range(10**15))
if __name__ == "__main__":
    Sandbox({MEMORY}, 600.0).header(Path("any"))
elif sys.argv[1] == "reading":
    pydicom.dcmread = endless
else:
    print("starting", flush=True)
    time.sleep(600)
"""
"""A program whose child process, which imports it as well, never ends to read, or to start."""


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.npy"
    np.save(path, np.arange(64, dtype=np.uint16).reshape(8, 8))
    return path


@pytest.fixture
def stalled(image: Path) -> Iterator[Sandbox]:
    """A sandbox whose process has stopped answering."""
    sandbox = Sandbox(MEMORY, 5.0)
    sandbox.decode(image, 0, Input())
    assert sandbox._process is not None
    assert sandbox._process.pid is not None
    os.kill(sandbox._process.pid, signal.SIGSTOP)
    sandbox.most_seconds = 1.0
    yield sandbox
    sandbox.close()


def test_an_image_that_takes_too_long_is_refused_in_words(stalled: Sandbox, image: Path) -> None:
    decoded = stalled.decode(image, 0, Input())
    assert decoded.image is None
    assert decoded.refusal == "reading it took longer than 1 s"


def test_a_header_that_could_not_be_read_is_not_taken_for_no_header(stalled: Sandbox, image: Path) -> None:
    """An archive would count the verdict as delivered, with nothing to deliver."""
    with pytest.raises(SandboxFailed):
        stalled.header(image)


def test_a_sandbox_is_started_anew_after_it_died(image: Path) -> None:
    sandbox = Sandbox(MEMORY, 60.0)
    for _ in range(2):
        decoded = sandbox.decode(image, 0, Input())
        assert decoded.image is not None
        np.testing.assert_array_equal(decoded.image[0, 0].ravel(), np.arange(64))
        assert sandbox._process is not None
        sandbox._process.kill()
        sandbox._process.join()
    assert sandbox.header(image) is None
    sandbox.close()


@pytest.mark.parametrize("doing", ["starting", "reading"])
def test_the_process_that_reads_is_gone_once_its_parent_is_killed(tmp_path: Path, doing: str) -> None:
    (tmp_path / "parent.py").write_text(PARENT)
    parent = subprocess.Popen([sys.executable, tmp_path / "parent.py", doing], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdout.readline().decode() == f"{doing}\n"
    children = psutil.Process(parent.pid).children(recursive=True)
    assert children
    parent.kill()
    parent.wait()
    end = time.monotonic() + PATIENCE_SECONDS
    while (left := [child for child in children if is_running(child)]) and time.monotonic() < end:
        time.sleep(0.01)
    for child in left:
        child.kill()
    assert not left


def is_running(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_where_the_kernel_does_not_end_it_a_process_ends_itself_with_its_parent() -> None:
    context = get_context("spawn")
    life, held = context.Pipe(duplex=False)
    child = context.Process(target=_exit_at_the_end_of, args=(life,))
    child.start()
    life.close()
    held.close()  # as the parent's end does
    child.join(PATIENCE_SECONDS)
    assert child.exitcode == 1


def test_a_process_that_reads_outlives_the_thread_that_started_it(image: Path) -> None:
    sandbox = Sandbox(MEMORY, 60.0)
    thread = Thread(target=sandbox.decode, args=(image, 0, Input()))
    thread.start()
    thread.join()
    first = sandbox._process
    assert sandbox.decode(image, 0, Input()).image is not None
    assert sandbox._process is first
    sandbox.close()
