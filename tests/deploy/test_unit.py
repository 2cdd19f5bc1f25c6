"""The systemd unit, judged by systemd."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ..edge.service.running import Running

UNIT = Path(__file__).parents[2] / "deploy" / "fisherlens.service"
MOST_EXPOSURE = 1.5

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed (Debian: systemd)"
)


@needs_systemd
def test_the_units_exposure_is_low() -> None:
    command = ["systemd-analyze", "security", "--offline=yes", str(UNIT)]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    found = re.search(r"Overall exposure level for fisherlens.service: ([\d.]+)", said)
    assert found, said
    assert float(found[1]) <= MOST_EXPOSURE
    assert "User=/DynamicUser=" not in [line.split()[1] for line in said.splitlines() if line.startswith("✗")]


@needs_systemd
def test_systemd_understands_every_line_of_the_unit(tmp_path: Path) -> None:
    installed = tmp_path / "fisherlens.service"
    installed.write_text(UNIT.read_text().replace("/opt/fisherlens/current/bin/fisherlens", "/bin/true"))
    command = ["systemd-analyze", "verify", "--man=no", str(installed)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "fisherlens" not in result.stderr, result.stderr


def test_systemd_is_told_that_the_service_is_ready_alive_and_ending(
    service: Callable[..., Running], tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(30)
        running = service()
        running.environment = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        running.start()
        assert systemd.recv(4096) == b"READY=1"
        assert systemd.recv(4096) == b"WATCHDOG=1\nSTATUS=running"
        assert running.stop() == 0
        said = b""
        while said != b"STOPPING=1":
            said = systemd.recv(4096)


def test_the_service_runs_without_memory_that_is_writable_and_executable(service: Callable[..., Running]) -> None:
    """What MemoryDenyWriteExecute= forbids, the kernel can forbid a process as well (PR_SET_MDWE, Linux 6.3)."""
    running = service()
    running.environment = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent / "mdwe")])}
    running.start()
    running.wait_for(lambda: "INFO started" in running.log.read_text(), "the start")
    if "not supported" in running.log.read_text():
        pytest.skip("this machine does not allow PR_SET_MDWE (Linux 6.3 knows it)")
    from ..edge.service.test_service import png

    (running.inbox / "one.png").write_bytes(png(1))
    running.wait_for(lambda: len(running.lines_read()) == 1, "the verdict")
    assert running.lines_read()[0]["verdict"]["outcome"] != "refused"
    assert running.stop() == 0
