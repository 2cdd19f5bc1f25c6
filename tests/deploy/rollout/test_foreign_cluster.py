"""A cluster that somebody else started, whose processes know nothing of us before a worker comes."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from ...edge.service.ports import free_port
from .conftest import IMAGES


@dataclass(frozen=True)
class ForeignCluster:
    """address: of its head. home: of the user whose processes it runs."""

    address: str
    home: Path


@pytest.fixture
def foreign_cluster() -> Iterator[ForeignCluster]:
    scratch = Path(tempfile.mkdtemp(prefix="fl", dir="/tmp"))  # short: sockets' paths are limited
    home = scratch / "home"
    home.mkdir()
    port = free_port()
    ray = Path(sysconfig.get_path("scripts")) / "ray"
    started = subprocess.Popen(
        [ray, "start", "--head", "--block", f"--port={port}", "--node-ip-address=127.0.0.1", "--num-cpus=1",
         "--include-dashboard=false", f"--temp-dir={scratch}", "--object-store-memory=100000000"],
        env=without_our_settings(home), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        wait_for(port, started)
        yield ForeignCluster(f"127.0.0.1:{port}", home)
    finally:
        for process in (*psutil.Process(started.pid).children(recursive=True), started):
            process.kill()
        started.communicate()
        shutil.rmtree(scratch, ignore_errors=True)


def without_our_settings(home: Path) -> dict[str, str]:
    """This process's environment, of another user and without what importing us has set in it."""
    ours = ("ORT_", "XDG_", "RAY_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "HOME": str(home), "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}


def wait_for(port: int, started: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 90
    while True:
        assert started.poll() is None, started.communicate()
        assert time.monotonic() < end
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return


def test_a_worker_there_turns_no_telemetry_on(
    foreign_cluster: ForeignCluster, archive: Path, dicom_bundle: Path, tmp_path: Path
) -> None:
    command = [
        sys.executable, "-m", "fisherlens.edge.commands.main", "rescore", str(archive), "--bundle", str(dicom_bundle),
        "--out", str(tmp_path / "out"), "--address", foreign_cluster.address,
    ]  # fmt: skip
    driver = subprocess.run(
        command, env=without_our_settings(tmp_path), capture_output=True, text=True, check=False, timeout=180
    )
    assert driver.returncode == 0, driver.stderr
    assert f"{IMAGES + 3} images" in driver.stdout
    assert list(foreign_cluster.home.rglob("*onnxruntime*")) == []
