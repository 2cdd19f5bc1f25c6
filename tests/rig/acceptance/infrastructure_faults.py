"""Fault matrix, the other half: power, network, disk, clock, archive, bundles, attackers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydicom.dataset import FileDataset

from fisherlens.edge.bundle.signature import sign
from fisherlens.models.form import BUNDLE as ANOTHER_MODALITY
from fisherlens.models.mammography.unusual import attack

from ..audit import Sent
from ..evidence import Evidence, Example
from ..materials import KEY
from ..session import Frame
from ..station import Station

PART = "fault matrix: infrastructure"
_STEPS = 5


def _nothing_lost(station: Station, evidence: Evidence, fault: str, sent: list[Sent]) -> None:
    """What must hold after any of these faults, once it is over."""
    began = time.monotonic()
    station.wait_for(sent)
    seconds = time.monotonic() - began
    found = station.account(sent)
    evidence.judge(PART, fault, "taken in the end", found.acknowledged, found.sent, found.acknowledged == found.sent)
    evidence.judge_none(PART, fault, "acknowledged without a verdict", found.lost)
    evidence.judge_none(PART, fault, "more than one verdict", found.doubled)
    evidence.judge_none(PART, fault, "other than the bundle says by itself", found.different)
    evidence.judge(PART, fault, "seconds until all have verdicts", f"{seconds:.1f}", f"below {station.patience:g}",
                   seconds < station.patience)  # fmt: skip


def _under_load(station: Station, frames: list[Frame], fault: Callable[[], None]) -> list[Sent]:
    """Send frames one after the other, each until it is taken, with a fault after the first third of them."""
    begun = threading.Event()

    def load() -> list[Sent]:
        sent = []
        for number, frame in enumerate(frames):
            sent += station.send_until_acknowledged(frame)
            if number >= len(frames) // 3 - 1:
                begun.set()
        return sent

    with ThreadPoolExecutor(1) as beside:
        sent = beside.submit(load)
        begun.wait(station.patience)
        fault()
        return sent.result()


@pytest.mark.lg_feature("power")
def test_a_power_cut_loses_nothing(in_order: Station, evidence: Evidence, count: int) -> None:
    station = in_order
    frames = [station.image() for _ in range(count)]

    def cut() -> None:
        station.power.off()
        station.power.on()
        station.service.start()

    sent = _under_load(station, frames, cut)
    _nothing_lost(station, evidence, "power cut", sent)


@pytest.mark.lg_feature("power")
def test_power_that_fails_with_the_answer_on_its_way_loses_nothing(in_order: Station, evidence: Evidence) -> None:
    station = in_order
    sent: list[Sent] = []
    for _ in range(3):
        sent += station.send_until_acknowledged(station.image())
        station.power.cycle()
        station.service.start()
    _nothing_lost(station, evidence, "power cut after the answer", sent)


NETWORKS: dict[str, dict[str, float]] = {
    "network loses 10 %": {"loss_percent": 10},
    "network delays by 80 ms": {"delay_ms": 80, "jitter_ms": 20},
    "network reorders 25 %": {"delay_ms": 10, "reorder_percent": 25},
}


@pytest.mark.lg_feature("network")
@pytest.mark.parametrize("fault", NETWORKS)
def test_a_bad_network_loses_nothing(in_order: Station, evidence: Evidence, fault: str) -> None:
    station = in_order
    frames = [station.image(), station.image()]
    station.network.impair(**NETWORKS[fault])  # type: ignore[arg-type]
    sent = station.send_until_acknowledged(*frames)
    station.network.restore()
    _nothing_lost(station, evidence, fault, sent)


def test_an_answer_that_is_not_heard_doubles_nothing(station: Station, evidence: Evidence) -> None:
    """The modality loses the connection before the answer and sends again what the service has."""
    frames = [station.image(), station.image()]
    for frame in frames:
        station.modality.send_unheard(frame)
    time.sleep(2.0)  # until they are scored: what waits would be taken for the same image anyway
    sent = station.send_until_acknowledged(*frames)
    time.sleep(1.0)  # in which a second verdict would come
    _nothing_lost(station, evidence, "answer not heard", sent)


@pytest.mark.lg_feature("network")
def test_a_network_that_is_away_for_a_while_loses_nothing(in_order: Station, evidence: Evidence) -> None:
    station = in_order
    frames = [station.image() for _ in range(3)]
    station.network.impair(kilobits_per_second=8000)
    sent = _under_load(station, frames, lambda: _broken_for(station, 4.0))
    _nothing_lost(station, evidence, "network away for 4 s", sent)


def _broken_for(station: Station, seconds: float) -> None:
    station.network.impair(loss_percent=100)
    time.sleep(seconds)
    station.network.restore()


@pytest.mark.lg_feature("disk")
def test_a_full_disk_delays_and_loses_nothing(in_order: Station, evidence: Evidence) -> None:
    station = in_order
    frames = [station.image() for _ in range(3)]
    station.disk.fill()
    refused = station.send(*frames)
    taken = [entry.frame.identity for entry in refused if entry.acknowledged]
    station.disk.restore()
    sent = station.send_until_acknowledged(*frames)
    evidence.judge_none(PART, "full disk", "taken without room", taken)
    _nothing_lost(station, evidence, "full disk", [*refused, *sent])


@pytest.mark.lg_feature(["disk", "power"])
def test_a_slow_disk_and_a_power_cut_lose_nothing(in_order: Station, evidence: Evidence) -> None:
    """What is acknowledged while the disk is slow is on it all the same."""
    station = in_order
    frames = [station.image(), station.image()]
    station.disk.slow(0.4)
    sent = station.send_until_acknowledged(*frames)
    station.power.cycle()
    station.disk.restore()
    station.service.start()
    _nothing_lost(station, evidence, "slow disk", sent)


@pytest.mark.lg_feature(["clock", "archive"])
@pytest.mark.parametrize("hours", [-1.0, 24.0])
def test_a_clock_that_jumps_delays_nothing(in_order: Station, evidence: Evidence, hours: float) -> None:
    """It jumps while a delivery waits for the archive."""
    station, fault = in_order, f"clock jumps by {hours:+g} h"
    station.archive.stop()
    sent = station.send(station.image())
    station.wait_for(sent)
    # Deliveries fail, and wait 0.5, 1, 2, 4 s between attempts: one of several steps comes in the middle of a wait.
    for _ in range(_STEPS):
        time.sleep(1.2)
        station.clock.jump(3600 * hours / _STEPS)
    # The service may see the last step in the middle of the association, and abort it by a timer of its own.
    sent += station.send_until_acknowledged(station.image())
    station.archive.start()
    _nothing_lost(station, evidence, fault, sent)
    _archived(station, evidence, fault, sent)


@pytest.mark.lg_feature("archive")
def test_an_archive_that_is_away_gets_everything_later(in_order: Station, evidence: Evidence) -> None:
    station = in_order
    station.archive.stop()
    told = station.service.log().count("archive")
    sent = station.send(station.image(), station.image())
    station.wait_for(sent)
    station.wait_until(lambda: station.service.log().count("archive") > told)  # it tried
    station.archive.start()
    _nothing_lost(station, evidence, "archive away", sent)
    _archived(station, evidence, "archive away", sent)


def _archived(station: Station, evidence: Evidence, fault: str, sent: list[Sent]) -> None:
    """Each image has one report in the archive, in a time that patience allows."""
    end = time.monotonic() + station.patience
    while True:
        missing = [entry.frame.identity for entry in sent if station.archive.reports_on(entry.frame) != 1]
        if not missing or time.monotonic() > end:
            break
        time.sleep(0.5)
    evidence.judge_none(PART, fault, "not once in the archive", missing)


def test_a_bundle_is_swapped_while_images_come(in_order: Station, evidence: Evidence, work: Path, count: int) -> None:
    station, fault = in_order, "hot swap of the bundle"
    other = work / "other.onnx"
    digest = station.reference.add(other)
    taken_up: list[bool] = []
    frames = [station.image() for _ in range(count)]
    sent = _under_load(station, frames, lambda: taken_up.append(station.service.swap(other, work / "other.onnx.sig")))
    _nothing_lost(station, evidence, fault, sent)
    last = station.send(station.image())
    station.wait_for(last)
    used = {line.verdict.bundle.digest for line in station.told_of(last)}
    evidence.judge(PART, fault, "taken up", taken_up, [True], taken_up == [True])
    evidence.judge(
        PART, fault, "bundle of the next image", "new" if used == {digest} else "old", "new", used == {digest}
    )


def test_frames_made_against_the_bundle_are_flagged(
    station: Station, evidence: Evidence, work: Path, count: int
) -> None:
    perturb = attack(work / "main.onnx")

    def alter(dataset: FileDataset) -> None:
        dataset.PixelData = perturb(dataset.pixel_array).astype("<u2").tobytes()

    frames = [station.altered("adversarial", alter) for _ in range(max(2, count // 2))]
    sent = station.send(*frames)
    station.wait_for(sent)
    found = station.account(sent)
    accepted = [identity for identity, outcome in found.outcomes.items() if outcome == "accepted"]
    evidence.judge_none(PART, "adversarial frames", "acknowledged without a verdict", found.lost)
    evidence.judge_none(PART, "adversarial frames", "accepted", accepted)
    evidence.judge_none(PART, "adversarial frames", "other than the bundle says by itself", found.different)
    evidence.examples += [Example(frames[-1], line.verdict) for line in station.told_of(sent[-1:])]


def test_a_model_of_another_modality_measures_nothing(in_order: Station, evidence: Evidence, work: Path) -> None:
    station, fault = in_order, "model of another modality"
    foreign = work / "foreign.onnx"
    foreign.write_bytes(ANOTHER_MODALITY.read_bytes())
    station.reference.add(foreign)
    before = station.send(station.image())
    station.wait_for(before)  # so that there is a result that could be repeated
    station.service.swap(foreign, sign(foreign, work / KEY))
    sent = station.send(station.image())
    station.wait_for(sent)
    outcomes = [line.verdict.outcome for line in station.told_of(sent)]
    station.swap_back(work)
    evidence.judge(PART, fault, "outcome", ", ".join(outcomes) or "none", "refused", outcomes == ["refused"])
    after = station.send(station.image())
    station.wait_for(after)
    evidence.judge_none(PART, fault, "wrong with the right model again", station.account(after).different)
