"""The rig is trustworthy: a service with a defect is caught by the test that is there for it, for every fault."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from labgrid import Environment

from fisherlens.models.mammography import BUNDLE

from ..conftest import FORBIDDEN
from .acceptance import constancy, deadline, exposure_series, infrastructure_faults, panel_faults, security
from .audit import Reference
from .evidence import Evidence
from .materials import occupied
from .protocols import NotAllowedHere
from .session import Recorder
from .station import Station

ROOT = Path(__file__).parents[2]
ENVIRONMENT = Path(__file__).with_name("rig-simulated.yaml")


@pytest.fixture(scope="module")
def rig(simulated_rig: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Station, Path, Environment]]:
    """The simulated rig, whose service is started anew with each defect."""
    environment = Environment(str(ENVIRONMENT))
    work = Path(environment.config.get_option("work"))
    with occupied(work, BUNDLE, camera=False, seconds=600.0):
        reference = Reference()
        reference.add(work / "main.onnx")
        reference.add(work / "other.onnx")
        try:
            station = Station(environment.get_target(), reference, Recorder(tmp_path_factory.mktemp("session")))
        except NotAllowedHere as reason:
            pytest.skip(f"{FORBIDDEN} the simulated rig: {reason}")
        yield station, work, environment
        environment.cleanup()


@dataclass
class Options:
    """What acceptance tests ask pytest's configuration for."""

    option: Any


CASES: list[tuple[str, Callable[..., None], str]] = [
    ("acknowledges-before-storing",
     infrastructure_faults.test_power_that_fails_with_the_answer_on_its_way_loses_nothing,
     "none acknowledged without a verdict"),
    ("never-syncs", infrastructure_faults.test_power_that_fails_with_the_answer_on_its_way_loses_nothing,
     "none acknowledged without a verdict"),
    ("acknowledges-when-impatient", infrastructure_faults.test_a_slow_disk_and_a_power_cut_lose_nothing,
     "none acknowledged without a verdict"),
    ("takes-without-room", infrastructure_faults.test_a_full_disk_delays_and_loses_nothing, "none taken without room"),
    ("expects-a-fast-network",
     partial(infrastructure_faults.test_a_bad_network_loses_nothing, fault="network delays by 80 ms"),
     "taken in the end"),
    ("scores-twice", panel_faults.test_a_frame_that_is_sent_twice_has_one_verdict, "none more than one verdict"),
    ("scores-twice", infrastructure_faults.test_an_answer_that_is_not_heard_doubles_nothing,
     "none more than one verdict"),
    ("ignores-flags", infrastructure_faults.test_frames_made_against_the_bundle_are_flagged, "none accepted"),
    ("ignores-flags", constancy.test_a_month_on_the_control_chart, "none not noticed"),
    ("repeats-the-last-result", infrastructure_faults.test_a_model_of_another_modality_measures_nothing, "outcome"),
    ("gives-results-to-the-next-image", panel_faults.test_frames_out_of_order_keep_their_verdicts,
     "none another frame's verdict"),
    ("does-not-wait-for-files", panel_faults.test_files_that_are_written_slowly_are_waited_for,
     "none other than the bundle says by itself"),
    ("waits-by-the-clock-of-the-day", partial(infrastructure_faults.test_a_clock_that_jumps_delays_nothing, hours=-1.0),
     "none not once in the archive"),
    ("gives-up-deliveries", infrastructure_faults.test_an_archive_that_is_away_gets_everything_later,
     "none not once in the archive"),
    ("only-says-that-it-reloaded", infrastructure_faults.test_a_bundle_is_swapped_while_images_come,
     "bundle of the next image"),
    ("loses-every-fifth-image", exposure_series.test_every_exposure_has_its_verdict,
     "none acknowledged without a verdict"),
    ("takes-its-time", deadline.test_frames_at_a_rate, "deadlines missed"),
    ("takes-bundles-that-nobody-signed", security.test_a_bundle_that_a_stranger_signed_is_not_taken, "taken"),
]  # fmt: skip


def _name(case: tuple[str, Callable[..., None], str]) -> str:
    function = case[1].func if isinstance(case[1], partial) else case[1]
    return f"{case[0]}: {function.__name__.removeprefix('test_')}"


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_the_protocol_catches(rig: tuple[Station, Path, Environment], tmp_path: Path, case: tuple) -> None:
    station, work, environment = rig
    defect, acceptance_test, criterion = case
    evidence = Evidence()
    given = {
        "station": station, "in_order": station, "evidence": evidence, "work": work, "env": environment, "count": 2,
        "endpoint": station.resource("HttpEndpoint"), "tmp_path": tmp_path,
        "pytestconfig": Options(SimpleNamespace(rig_days=4, rig_deadline_run=3.0)),
    }  # fmt: skip
    wanted = inspect.signature(acceptance_test).parameters
    bound = acceptance_test.keywords if isinstance(acceptance_test, partial) else {}
    # A healthy service, too, delivers to an archive that was away only after its next wait, of up to eight seconds.
    station.patience = 12.0 if "archive" in criterion else 4.0
    with _defective(station, defect):
        acceptance_test(**{name: given[name] for name in wanted if name not in bound})
    failed = {found.name: found for found in evidence.criteria if not found.passed}
    assert criterion in failed, f"not caught; what was noted: {evidence.criteria}"


@contextmanager
def _defective(station: Station, defect: str) -> Iterator[None]:
    """The service with a defect, installed anew; the healthy one afterwards is not needed here."""
    driver, installation = station.driver("ServiceDriver"), station.resource("ServiceInstallation")
    station.power.cycle()
    installation.program = f"env PYTHONPATH={ROOT} {sys.executable} -m tests.rig.broken {defect}"
    driver.install()
    driver.start()
    station.sent.clear()
    try:
        yield
    finally:
        station.restore()
