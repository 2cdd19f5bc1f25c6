"""The station under test, and what is found on it."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from labgrid import Environment, Target
from labgrid.driver.exception import ExecutionError

from fisherlens.edge import Runtime

from ...conftest import FORBIDDEN
from ..audit import Reference
from ..evidence import Evidence
from ..protocols import NotAllowedHere
from ..report import write_reports
from ..session import Recorder
from ..station import Station

_EVIDENCE = pytest.StashKey[Evidence]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rig-out", type=Path, required=False, help="Folder of the reports.")
    parser.addoption("--rig-images", type=int, default=6, help="Images of a test that needs a number of them.")
    parser.addoption("--rig-days", type=int, default=30, help="Days of the constancy test.")
    parser.addoption("--rig-deadline-run", type=float, default=60.0, help="Seconds of the deadline run.")
    parser.addoption("--rig-soak", type=float, default=0.0, help="Minutes of the soak.")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_EVIDENCE] = Evidence()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """A test fails where it noted something that does not hold, after it noted all of it."""
    evidence = item.config.stash[_EVIDENCE]
    before = len(evidence.criteria)
    try:
        result = yield
    except NotAllowedHere as reason:
        pytest.skip(f"{FORBIDDEN} it: {reason}")
    noted = evidence.criteria[before:]
    failed = [f"{c.subject}: {c.name}: {c.measured}, expected {c.limit}" for c in noted if not c.passed]
    assert noted, "the test noted nothing, so it tested nothing"
    assert not failed, "\n".join(failed)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """What could not be tested, and what broke before anything could be noted, is told as well."""
    report = yield
    evidence = item.config.stash[_EVIDENCE]
    if report.skipped:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        evidence.not_tested.append((item.name, reason.removeprefix("Skipped: ")))
    elif report.failed and not isinstance(getattr(call.excinfo, "value", None), AssertionError):
        evidence.judge(
            "rig", item.name, "ran to its end", str(call.excinfo.value if call.excinfo else "")[:300], "", False
        )
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    out = session.config.option.rig_out
    if out is not None:
        write_reports(out, session.config.stash[_EVIDENCE])


@pytest.fixture(scope="session")
def evidence(pytestconfig: pytest.Config) -> Evidence:
    return pytestconfig.stash[_EVIDENCE]


@pytest.fixture(scope="session")
def work(env: Environment) -> Path:
    """Where the rig's keys and bundles are."""
    return Path(env.config.resolve_path(env.config.get_option("work")))


@pytest.fixture(scope="session")
def station(target: Target, work: Path, evidence: Evidence, pytestconfig: pytest.Config) -> Iterator[Station]:
    """The station, with its service running and everything in order."""
    reference = Reference()
    digest = reference.add(work / "main.onnx")
    reference.add(work / "other.onnx")
    manifest = Runtime.open(work / "main.onnx").bundle.manifest
    evidence.identity["bundle under test"] = f"{manifest.name}, version {manifest.version}, {digest}"
    evidence.identity["environment file"] = str(pytestconfig.option.lg_env)
    out = pytestconfig.option.rig_out or work
    try:
        made = Station(target, reference, Recorder(out / "session"))
    except NotAllowedHere as reason:
        pytest.exit(f"{FORBIDDEN} the rig: {reason}", returncode=3)
    except ExecutionError as reason:
        pytest.exit(f"the rig cannot be set up: {reason}", returncode=2)
    yield made
    made.service.stop()


@pytest.fixture
def in_order(station: Station) -> Iterator[Station]:
    """The station before and after a fault: whatever the test did, it is taken back."""
    station.service.start()
    yield station
    station.restore()


@pytest.fixture
def count(pytestconfig: pytest.Config) -> int:
    return pytestconfig.option.rig_images
