"""The protocol's command: a small run on the simulated rig, its three results, and what it says of wrong input."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from ..conftest import FORBIDDEN
from .__main__ import EXIT_NOT_ALLOWED
from .test_broken_services import ENVIRONMENT, ROOT

SMALL = [
    "--part", "exposure_series", "--part", "panel_faults",
    "--images", "2", "--select", "every_exposure or intervals or middle or out_of_order",
]  # fmt: skip


def rig(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.rig", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)


@pytest.mark.usefixtures("simulated_rig")
def test_a_healthy_service_passes_and_the_results_agree(tmp_path: Path) -> None:
    done = rig("--env", ENVIRONMENT, "--out", tmp_path, *SMALL)
    if done.returncode == EXIT_NOT_ALLOWED:
        pytest.skip(f"{FORBIDDEN} the simulated rig: {done.stdout[-300:]}")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["passed"]
    assert not result["not_tested"], "the simulated rig has every part"
    assert {criterion["part"] for criterion in result["criteria"]} >= {"exposure series", "fault matrix: panel"}
    assert all(criterion["passed"] for criterion in result["criteria"])
    (suite,) = ET.parse(tmp_path / "junit.xml").getroot().findall("testsuite")
    assert suite.get("failures") == suite.get("errors") == "0"
    assert int(suite.get("tests", 0)) >= 5
    page = (tmp_path / "report.html").read_text()
    assert "passed" in page
    assert not re.findall(r'(?:src|href)="(?!data:)[^"]*"', page), "the page needs nothing beside itself"
    frames = json.loads((tmp_path / "session" / "session.json").read_text())
    assert len(frames) >= 12


def test_an_environment_file_that_is_wrong_is_refused_in_words(tmp_path: Path) -> None:
    wrong = tmp_path / "rig.yaml"
    wrong.write_text("targets: [")
    done = rig("--env", wrong, "--out", tmp_path)
    assert done.returncode == 2
    assert "rig.yaml" in done.stderr
    wrong.write_text("targets:\n  main: {}\n")
    done = rig("--env", wrong, "--out", tmp_path)
    assert done.returncode == 2
    assert "no option 'work' found" in done.stderr
    assert rig("--env", tmp_path / "none.yaml", "--out", tmp_path).returncode == 2
