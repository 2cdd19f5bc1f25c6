"""Drift on the service's stream of verdicts."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable

import cv2
import numpy as np

from .ports import free_port
from .running import Running
from .test_service import png

IMAGES = 60


def noise(seed: int) -> bytes:
    image = np.random.default_rng(seed).integers(0, 4096, (32, 32)).astype(np.uint16)
    return cv2.imencode(".png", image)[1].tobytes()


def page(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        return answer.read().decode()


def test_other_images_raise_the_alarm_which_outlives_a_restart_and_usual_ones_do_not(
    service: Callable[..., Running],
) -> None:
    port = free_port()
    running = service(extra=f"[page]\nport = {port}\n")
    running.start()
    for seed in range(IMAGES):
        (running.inbox / f"{seed}.png").write_bytes(png(1000 + seed))
    running.wait_for(lambda: len(running.lines_read()) == IMAGES, "verdicts on usual images")
    assert "fisherlens_drift_level" in page(port, "/metrics")
    assert "Drift:" not in page(port, "/")
    for seed in range(IMAGES):
        (running.inbox / f"other {seed}.png").write_bytes(noise(seed))
    running.wait_for(lambda: len(running.lines_read()) == 2 * IMAGES, "verdicts on other images")
    running.wait_for(lambda: "WARNING drift: " in running.log.read_text(), "the alarm")
    assert "Drift:" in page(port, "/")
    assert running.stop() == 0
    running.start()
    running.wait_for(lambda: running.log.read_text().count("INFO started") == 2, "the second start")
    assert "Drift:" in page(port, "/"), "before another image comes"
    assert running.stop() == 0
