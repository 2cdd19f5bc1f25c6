"""A measuring camera that waits for nobody: each frame that comes has its verdict."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import pytest
from labgrid import Environment
from labgrid.driver.exception import ExecutionError

from ...bundles import usual_image
from ..evidence import Evidence
from ..protocols import CameraProtocol, ServiceProtocol

PART = "measuring camera"
_FRAMES = 40


@pytest.fixture
def camera(env: Environment) -> Iterator[tuple[CameraProtocol, ServiceProtocol]]:
    target = env.get_target("measuring-machine")
    if target is None:
        pytest.skip("the environment file has no target measuring-machine")
    camera, service = target.get_driver(CameraProtocol), target.get_driver(ServiceProtocol)
    camera.show([usual_image(number) for number in range(_FRAMES)])
    try:
        service.start()
    except ExecutionError as reason:
        if "fisherlens[camera]" in str(reason):
            pytest.skip(f"the service has no PyGObject: {str(reason)[-150:]}")
        raise
    yield camera, service
    service.stop()
    camera.off()


def test_frames_of_a_camera_have_their_verdicts(
    camera: tuple[CameraProtocol, ServiceProtocol], evidence: Evidence
) -> None:
    _, service = camera
    end = time.monotonic() + 60
    while len(service.verdicts()) < _FRAMES and time.monotonic() < end:
        time.sleep(0.1)
    verdicts = [line.verdict for line in service.verdicts()]
    numbers = [int(verdict.source.rpartition(" ")[2]) for verdict in verdicts]
    gaps = [str(b) for a, b in itertools.pairwise(numbers) if b != a + 1]
    refused = [verdict.source for verdict in verdicts if verdict.outcome == "refused"]
    subject = "GigE Vision at 10 frames/s"
    evidence.judge(PART, subject, "verdicts", len(verdicts), f"at least {_FRAMES}", len(verdicts) >= _FRAMES)
    evidence.judge_none(PART, subject, "gaps in the frames' numbers", gaps)
    evidence.judge_none(PART, subject, "refused", refused)
    evidence.judge_none(
        PART, subject, "said to be lost", [line for line in service.log().splitlines() if " lost" in line]
    )
