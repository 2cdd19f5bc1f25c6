"""The hardware example, bound to a target that is reached by SSH: a real sshd, on this machine."""

from __future__ import annotations

import getpass
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ..edge.service.ports import free_port, wait_for_port
from .conftest import require
from .test_acceptance import rig

EXAMPLE = Path(__file__).with_name("rig-hardware.example.yaml")
STATION = Path(__file__).with_name("station.toml")
SSHD = "/usr/sbin/sshd"


@pytest.fixture
def target(tmp_path: Path) -> Iterator[int]:
    """The port of an sshd that lets the test in by key."""
    require("sshd", "storescu", "strace")
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
    shutil.copy(tmp_path / "key.pub", tmp_path / "authorized")
    port = free_port()
    options = {
        "HostKey": tmp_path / "host", "AuthorizedKeysFile": tmp_path / "authorized", "StrictModes": "no",
        "UsePAM": "no", "PidFile": "none", "Subsystem": "sftp internal-sftp",
        "ListenAddress": "127.0.0.1",
    }  # fmt: skip
    Path("/run/sshd").mkdir(exist_ok=True)
    command = [SSHD, "-D", "-e", "-f", "/dev/null", "-p", str(port), *(f"-o{k}={v}" for k, v in options.items())]
    process = subprocess.Popen(command, stderr=(tmp_path / "sshd.log").open("wb"))
    wait_for_port(port)
    yield port
    process.terminate()
    process.wait()


def test_the_same_tests_run_on_a_target_by_ssh(tmp_path: Path, target: int) -> None:
    dicom, http, page = free_port(), free_port(), free_port()
    environment = yaml.safe_load(EXAMPLE.read_text())
    main = environment["targets"]["main"]
    main["features"] = ["known-truth", "disturbed-panel", "disk"]
    gone = {"NetworkPowerPort", "OrthancArchive"}
    main["resources"] = [entry for entry in main["resources"] if not gone & set(entry)]
    gone = {"NetworkPowerDriver", "OrthancDriver", "NetemDriver", "SystemClockDriver"}
    main["drivers"] = [entry for entry in main["drivers"] if not gone & set(entry)]
    settings = {name: value for entry in (*main["resources"], *main["drivers"]) for name, value in entry.items()}
    settings["NetworkService"].update(address="127.0.0.1", port=target, username=getpass.getuser())
    settings["SSHDriver"]["keyfile"] = str(tmp_path / "key")
    settings["DicomNode"].update(host="127.0.0.1", port=dicom)
    work = tmp_path / "work"
    settings["ServiceInstallation"].update(
        folder=str(tmp_path / "target"), configuration=str(tmp_path / "station.toml"), bundle=str(work / "main.onnx"),
        program=f"{sys.executable} -m fisherlens.edge.commands.main",
        files={"bundle.onnx.sig": str(work / "main.onnx.sig"), "keys/rig.pem": str(work / "rig.pem"),
               "token": str(work / "token")},
    )  # fmt: skip
    settings["HttpEndpoint"].update(
        images=f"http://127.0.0.1:{http}", page=f"http://127.0.0.1:{page}", token=str(work / "token")
    )
    environment["options"]["work"] = str(work)
    configured = STATION.read_text().partition("[[destination.archive]]")[0]
    for there, here in (("10.77.1.1", "127.0.0.1"), ("10.77.2.1", "127.0.0.1"), ("24104", str(dicom)),
                        ("24180", str(http)), ("24181", str(page))):  # fmt: skip
        configured = configured.replace(there, here)
    (tmp_path / "station.toml").write_text(configured)
    (tmp_path / "rig.yaml").write_text(yaml.safe_dump(environment))
    done = rig(
        "--env", tmp_path / "rig.yaml", "--out", tmp_path / "report", "--images", 1, "--part", "exposure_series",
        "--part", "infrastructure_faults", "--part", "security",
        "--select", "every or full_disk or swapped or power or not_known",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    result = json.loads((tmp_path / "report" / "result.json").read_text())
    subjects = {criterion["subject"] for criterion in result["criteria"]}
    assert {"all doses", "full disk", "hot swap of the bundle", "AE title STRANGER to FISHERLENS"} <= subjects
    assert "power" in str(result["not_tested"]), "what this rig has not got is told"
