"""A cluster of two nodes, network namespaces of this machine: its driver is killed, then one of the nodes is lost."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from fisherlens.deploy.rollout.dataset import parts, relation

from ...conftest import FORBIDDEN
from .conftest import IMAGES, RECORDS

HEAD, OTHER = "fisherlens-head", "fisherlens-node"
ADDRESSES = {HEAD: "10.78.0.1", OTHER: "10.78.0.2"}
FAST = {
    "RAY_health_check_period_ms": "500", "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "4", "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0",
}  # fmt: skip
"""So that a lost node is noticed in seconds."""


@dataclass
class Cluster:
    """Two namespaces joined by a cable, each with a Ray node of one core."""

    scratch: Path

    def command(self, node: str, *arguments: str) -> list[str]:
        return ["ip", "netns", "exec", node, *arguments]

    def lay_cable(self) -> None:
        for node in ADDRESSES:
            subprocess.run(["ip", "netns", "add", node], check=True, capture_output=True)
        cable = f"ip link add fl-a netns {HEAD} type veth peer name fl-b netns {OTHER}"
        subprocess.run(cable.split(), check=True, capture_output=True)
        for node, end in ((HEAD, "fl-a"), (OTHER, "fl-b")):
            for setting in (f"addr add {ADDRESSES[node]}/24 dev {end}", f"link set {end} up", "link set lo up"):
                subprocess.run(self.command(node, "ip", *setting.split()), check=True, capture_output=True)

    def start(self, node: str) -> None:
        ray = str(Path(sysconfig.get_path("scripts")) / "ray")
        where = (
            ["--head", "--port=6399", "--include-dashboard=false", f"--temp-dir={self.scratch}"]
            if node == HEAD
            else [f"--address={ADDRESSES[HEAD]}:6399"]
        )
        own = [f"--node-ip-address={ADDRESSES[node]}", "--num-cpus=1", "--object-store-memory=100000000"]
        command = self.command(node, ray, "start", *where, *own)
        done = subprocess.run(command, env={**os.environ, **FAST}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def lose(self, node: str) -> None:
        """The cable first, so that nobody says goodbye."""
        subprocess.run(self.command(node, "ip", "link", "set", "fl-b", "down"), check=True)
        self.kill(node)

    def kill(self, node: str) -> None:
        pids = subprocess.run(["ip", "netns", "pids", node], capture_output=True, text=True, check=False).stdout.split()
        subprocess.run(["kill", "-9", *pids], capture_output=True, check=False)

    def remove(self) -> None:
        for node in ADDRESSES:
            self.kill(node)
            subprocess.run(["ip", "netns", "del", node], capture_output=True, check=False)


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[Cluster]:
    scratch = Path(tempfile.mkdtemp(prefix="fl", dir="/tmp"))  # short: sockets' paths are limited
    cluster = Cluster(scratch)
    cluster.remove()
    try:
        cluster.lay_cable()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"{FORBIDDEN} network namespaces (root may make them)")
    for node in ADDRESSES:
        cluster.start(node)
    yield cluster
    cluster.remove()
    shutil.rmtree(scratch, ignore_errors=True)


@dataclass
class Driver:
    """`fisherlens rescore` on the head's node, with parts of one image."""

    cluster: Cluster
    archive: Path
    bundle: Path
    out: Path

    def started(self) -> subprocess.Popen[str]:
        """Running, with some parts finished already and others to come."""
        before = len(parts(self.out))
        command = [
            sys.executable, "-m", "fisherlens.edge.commands.main", "rescore", str(self.archive),
            "--bundle", str(self.bundle), "--out", str(self.out), "--part-images", "1",
            "--address", f"{ADDRESSES[HEAD]}:6399",
        ]  # fmt: skip
        process = subprocess.Popen(
            self.cluster.command(HEAD, *command), env={**os.environ, **FAST}, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        end = time.monotonic() + 90
        while len(parts(self.out)) < before + 4:
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < end
            time.sleep(0.01)
        return process


def test_a_driver_that_is_killed_is_gone_on_from_and_a_node_that_is_lost_is_made_up_for(
    two_nodes: Cluster, archive: Path, dicom_bundle: Path, tmp_path: Path
) -> None:
    driver = Driver(two_nodes, archive, dicom_bundle, tmp_path / "out")
    first = driver.started()
    first.kill()
    first.communicate()
    kept = len(parts(driver.out))
    assert kept < RECORDS, "it was killed in the middle"
    second = driver.started()
    two_nodes.lose(OTHER)
    said, errors = second.communicate(timeout=180)
    assert second.returncode == 0, errors
    assert f"{IMAGES + 3} images" in said
    assert " 0 of them scored before" not in said
    assert "images/s" in errors, "progress tells the rate"
    digests = duckdb.connect().execute(f"SELECT input_digest FROM {relation(driver.out)}").fetchall()
    assert len(digests) == len(set(digests)) == RECORDS
    assert not list(driver.out.rglob("*.part")), "nothing half-written is left"
