"""Source and panel by themselves, as labgrid makes them: what they refuse, and a session that is replayed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pydicom
import pytest
from labgrid import Target
from labgrid.driver.exception import ExecutionError
from labgrid.factory import target_factory

from ..conftest import FORBIDDEN
from .drivers.panel import SimulatedPanelDriver
from .drivers.power import SimulatedPowerDriver
from .drivers.source import SimulatedSourceDriver
from .panel_physics import Condition
from .protocols import NotAllowedHere
from .session import Recorder


@pytest.fixture
def devices() -> tuple[SimulatedSourceDriver, SimulatedPanelDriver]:
    target = Target("main")
    target_factory.make_resource(target, "XRayGenerator", "generator", {})
    target_factory.make_resource(target, "FlatPanel", "panel", {"rows": 64, "columns": 96})
    source = target_factory.make_driver(target, "SimulatedSourceDriver", "source", {})
    panel = target_factory.make_driver(target, "SimulatedPanelDriver", "frames", {})
    target.activate(panel)
    return source, panel


def test_a_frame_needs_power_and_an_exposure_that_the_source_can_give(
    devices: tuple[SimulatedSourceDriver, SimulatedPanelDriver],
) -> None:
    source, panel = devices
    with pytest.raises(ExecutionError, match="is off"):
        source.expose(100.0)
    source.on()
    with pytest.raises(ExecutionError, match="1000 uGy asked for, the source gives 20 to 400 uGy"):
        source.expose(1000.0)
    with pytest.raises(ExecutionError, match="no exposure"):
        panel.read()
    source.expose(100.0)
    frame = panel.read()
    dataset = pydicom.dcmread(frame.path)
    assert (dataset.Rows, dataset.Columns, dataset.SOPInstanceUID) == (64, 96, frame.identity)
    assert frame.truth is not None
    assert len(frame.truth) == 5
    with pytest.raises(ExecutionError, match="no exposure"):
        panel.read()


def test_a_recorded_session_comes_again_bit_for_bit(
    devices: tuple[SimulatedSourceDriver, SimulatedPanelDriver], tmp_path: Path
) -> None:
    source, panel = devices
    source.on()
    recorder = Recorder(tmp_path)
    contents = []
    for dose in (60.0, 100.0, 170.0):
        source.expose(dose)
        frame = panel.read()
        contents.append(frame.path.read_bytes())
        recorder.record(frame)
    target = Target("replayed")
    target_factory.make_resource(target, "RecordedSession", "session", {"folder": str(tmp_path)})
    replayed = target_factory.make_driver(target, "ReplayPanelDriver", "frames", {})
    target.activate(replayed)
    with pytest.raises(ExecutionError, match="cannot be disturbed"):
        replayed.disturb(Condition(lag=0.1))
    assert [replayed.read().path.read_bytes() for _ in contents] == contents
    with pytest.raises(ExecutionError, match="no frames are left"):
        replayed.read()


def test_power_comes_back_though_another_mount_namespace_holds_the_disk(tmp_path: Path) -> None:
    """Tests of containers and network namespaces run beside these; the stopped file system is theirs then."""
    target = Target("power")
    place = {"image": str(tmp_path / "disk.img"), "folder": str(tmp_path / "disk"), "megabytes": 32}
    target_factory.make_resource(target, "LoopDisk", "disk", place)
    power: SimulatedPowerDriver = target_factory.make_driver(target, "SimulatedPowerDriver", "power", {})
    try:
        target.activate(power)
    except NotAllowedHere as reason:
        pytest.skip(f"{FORBIDDEN} {reason}")
    kept = tmp_path / "disk" / "kept"
    kept.write_text("synced")
    os.sync()
    holder = subprocess.Popen(["unshare", "--mount", "sh", "-c", "echo; read end"], stdin=-1, stdout=-1)
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        power.cycle()
        assert kept.read_text() == "synced"
        kept.write_text("written anew")
    finally:
        holder.communicate(b"\n")
        target.deactivate(power)
