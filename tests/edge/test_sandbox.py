"""The process that reads files, when it dies or dawdles."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fisherlens.edge.bundle.manifest import Input
from fisherlens.edge.sandbox import Sandbox, SandboxFailed

MEMORY = 4 * 2**30


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
