"""Fault matrix, the panel's half: whatever the panel does, no wrong number comes out without a warning."""

from __future__ import annotations

import math
import time

import pytest
from pydicom.dataset import FileDataset

from ..audit import SILENT_ERROR
from ..evidence import Evidence, Example
from ..panel_physics import Condition
from ..station import Station

PART = "fault matrix: panel"

WARNED = {
    "dead lines appear": Condition(dead_lines=12),
    "saturation": Condition(capacity=4800),
    "phantom moves by 1 mm": Condition(motion_mm=1.0),
    "collimator in the field": Condition(collimation_mm=5.0),
}
"""Such frames must be flagged or refused."""

RIGHT_OR_WARNED = {
    "lag of 5 %": Condition(lag=0.05),
    "gain drifted by 10 %": Condition(gain_drift=0.1),
    "12 bits instead of 14": Condition(bits=12),
}
"""Such frames may be accepted where the result is right."""


@pytest.mark.lg_feature("disturbed-panel")
@pytest.mark.parametrize("fault", [*WARNED, *RIGHT_OR_WARNED])
def test_a_disturbed_panel_gives_no_wrong_result_without_a_warning(
    station: Station, evidence: Evidence, count: int, fault: str
) -> None:
    condition = WARNED.get(fault) or RIGHT_OR_WARNED[fault]
    frames = [station.image(150.0)] if condition.lag else []
    frames += [station.image(100.0, condition) for _ in range(max(2, count // 3))]
    sent = station.send(*frames)
    station.wait_for(sent)
    found = station.account(sent)
    evidence.judge_none(PART, fault, "acknowledged without a verdict", found.lost)
    evidence.judge_none(PART, fault, "other than the bundle says by itself", found.different)
    evidence.judge_none(PART, fault, "accepted and wrong", found.silent)
    largest = found.largest_error
    said = "none accepted" if math.isnan(largest) else f"{largest:.2f}"
    evidence.judge(PART, fault, "largest error accepted / U", said, f"at most {SILENT_ERROR:g}",
                   not largest > SILENT_ERROR)  # fmt: skip
    if fault in WARNED:
        silent = [identity for identity, outcome in found.outcomes.items() if outcome == "accepted"]
        evidence.judge_none(PART, fault, "accepted", silent)
    told = station.told_of(sent)
    evidence.examples += [
        Example(sent[-1].frame, line.verdict)
        for line in told
        if line.verdict.source == sent[-1].frame.identity and line.verdict.outcome == "flagged"
    ]


def test_a_frame_that_is_sent_twice_has_one_verdict(station: Station, evidence: Evidence) -> None:
    frame = station.image()
    sent = station.send(frame, frame)
    station.wait_for(sent)
    again = station.send(frame)
    time.sleep(1.0)  # in which a second verdict would have come
    found = station.account([*sent, *again])
    evidence.judge(PART, "duplicated frame", "acknowledged each time", all(e.acknowledged for e in sent), True,
                   all(entry.acknowledged for entry in [*sent, *again]))  # fmt: skip
    evidence.judge_none(PART, "duplicated frame", "more than one verdict", found.doubled)
    evidence.judge_none(PART, "duplicated frame", "other than the bundle says by itself", found.different)


def test_frames_out_of_order_keep_their_verdicts(station: Station, evidence: Evidence) -> None:
    doses = (60.0, 100.0, 170.0, 80.0)
    frames = [station.image(dose) for dose in doses]
    sent = station.send(*(frames[i] for i in (2, 0, 3, 1)))
    station.wait_for(sent)
    found = station.account(sent)
    evidence.judge_none(PART, "reordered frames", "acknowledged without a verdict", found.lost)
    evidence.judge_none(PART, "reordered frames", "another frame's verdict", found.different)


def test_a_transfer_that_ends_in_the_middle_is_no_image(station: Station, evidence: Evidence) -> None:
    frame = station.image()
    station.modality.send_part(frame)
    time.sleep(2.0)
    early = [line.verdict.outcome for line in station.service.verdicts() if line.verdict.source == frame.identity]
    sent = station.send_until_acknowledged(frame)
    station.wait_for(sent)
    found = station.account(sent)
    evidence.judge_none(PART, "partial transfer", "verdict on half an image", early)
    evidence.judge_none(PART, "partial transfer", "lost when it was sent again", found.lost)
    evidence.judge_none(PART, "partial transfer", "other than the bundle says by itself", found.different)
    evidence.judge_none(PART, "partial transfer", "verdicts on what was never sent", found.strangers)


@pytest.mark.lg_feature("file-drop")
def test_files_that_are_written_slowly_are_waited_for(station: Station, evidence: Evidence) -> None:
    frames = [station.image(), station.image()]
    sent = station.send(*frames, by=station.file_drop)
    names = {f"{frame.identity}.dcm": frame.identity for frame in frames}
    station.wait_for(sent)
    found = station.account(sent)
    evidence.judge(PART, "slow file drop", "taken", found.acknowledged, len(frames), found.acknowledged == len(names))
    evidence.judge_none(PART, "slow file drop", "acknowledged without a verdict", found.lost)
    evidence.judge_none(PART, "slow file drop", "other than the bundle says by itself", found.different)


@pytest.mark.lg_feature("file-drop")
def test_a_file_that_ends_in_the_middle_is_refused(station: Station, evidence: Evidence) -> None:
    frame = station.image()
    station.file_drop.send_part(frame)
    end = time.monotonic() + 30
    told: list[str] = []
    while not told and time.monotonic() < end:
        time.sleep(0.1)
        told = [line.verdict.outcome for line in station.service.verdicts() if frame.identity in line.verdict.source]
    evidence.judge(PART, "partial file", "outcome", ", ".join(told) or "no verdict", "refused", told == ["refused"])


def test_a_header_that_tells_other_bits_is_refused(station: Station, evidence: Evidence) -> None:
    frame = station.altered("header of 12 bits", _of_12_bits)
    sent = station.send(frame)
    station.wait_for(sent)
    outcomes = [line.verdict.outcome for line in station.told_of(sent)]
    evidence.judge(
        PART, "header of 12 bits", "outcome", ", ".join(outcomes) or "none", "refused", outcomes == ["refused"]
    )


def _of_12_bits(dataset: FileDataset) -> None:
    dataset.BitsStored, dataset.HighBit = 12, 11
