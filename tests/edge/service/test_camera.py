"""Frames of a GigE Vision camera: Aravis' fake one, over the network of this machine."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from .running import Running

pytestmark = pytest.mark.skipif(
    shutil.which("arv-fake-gv-camera-0.8") is None,
    reason="arv-fake-gv-camera-0.8 is not installed (Debian: aravis-tools, gir1.2-aravis-0.8)",
)
SIDE = 32


def camera() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["arv-fake-gv-camera-0.8", "-i", "127.0.0.1", "-s", "FISHER01"])


@pytest.fixture
def fake_camera() -> Iterator[list[subprocess.Popen[bytes]]]:
    """The running camera, in a list so that a test may put another one in its place."""
    cameras = [camera()]
    yield cameras
    cameras[0].kill()
    cameras[0].wait()


def with_camera(service: Callable[..., Running], features: str) -> Running:
    pytest.importorskip("gi", reason="PyGObject is not installed (pip install fisherlens[camera])")
    running = service(
        extra=f"""
        [[source.camera]]
        device = "127.0.0.1"
        pixel-format = "Mono16"
        most-idle-seconds = 1.0
        features = {{ Width = {SIDE}, Height = {SIDE}, {features} }}
        """
    )
    running.start()
    return running


def test_every_frame_becomes_a_verdict(
    service: Callable[..., Running], fake_camera: list[subprocess.Popen[bytes]]
) -> None:
    running = with_camera(service, "AcquisitionFrameRate = 10.0")
    running.wait_for(lambda: len(running.lines_read()) >= 20, "twenty verdicts")
    assert running.stop() == 0
    verdicts = [line["verdict"] for line in running.lines_read()]
    assert "lost" not in running.log.read_text()
    numbers = [int(verdict["source"].rpartition(" ")[2]) for verdict in verdicts]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert all(verdict["outcome"] != "refused" for verdict in verdicts), verdicts[0]["reasons"]


def test_a_camera_that_is_unplugged_is_taken_up_again(
    service: Callable[..., Running], fake_camera: list[subprocess.Popen[bytes]]
) -> None:
    running = with_camera(service, "AcquisitionFrameRate = 10.0")
    running.wait_for(lambda: len(running.lines_read()) >= 3, "verdicts")
    fake_camera[0].kill()
    fake_camera[0].wait()
    running.wait_for(lambda: "again in" in running.log.read_text(), "a word about the camera")
    fake_camera[0] = camera()
    before = len(running.lines_read())
    running.wait_for(lambda: len(running.lines_read()) >= before + 3, "verdicts from the new camera")
    assert running.stop() == 0


def test_a_wrong_feature_is_said(service: Callable[..., Running], fake_camera: list[subprocess.Popen[bytes]]) -> None:
    running = with_camera(service, "Nonsense = 3")
    running.wait_for(lambda: "Nonsense" in running.log.read_text(), "a word about the feature")
    time.sleep(0.1)
    assert running.stop() == 0
