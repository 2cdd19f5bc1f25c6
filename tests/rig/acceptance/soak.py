"""Faults in random order for as long as one likes: `python -m tests.rig ... --soak MINUTES`."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import partial

import pytest
from labgrid import Environment

from ..evidence import Evidence
from ..station import Station
from . import infrastructure_faults as faults
from . import panel_faults

PART = "soak"

ROUNDS: dict[str, tuple[set[str], Callable[[Station, Evidence], None]]] = {
    "power cut": ({"power"}, partial(faults.test_a_power_cut_loses_nothing, count=3)),
    "power cut after the answer": (
        {"power"},
        faults.test_power_that_fails_with_the_answer_on_its_way_loses_nothing,
    ),
    **{name: ({"network"}, partial(faults.test_a_bad_network_loses_nothing, fault=name)) for name in faults.NETWORKS},
    "full disk": ({"disk"}, faults.test_a_full_disk_delays_and_loses_nothing),
    "slow disk": ({"disk", "power"}, faults.test_a_slow_disk_and_a_power_cut_lose_nothing),
    "clock": ({"clock", "archive"}, partial(faults.test_a_clock_that_jumps_delays_nothing, hours=-1.0)),
    "archive": ({"archive"}, faults.test_an_archive_that_is_away_gets_everything_later),
    "duplicated frame": (set(), panel_faults.test_a_frame_that_is_sent_twice_has_one_verdict),
    "reordered frames": (set(), panel_faults.test_frames_out_of_order_keep_their_verdicts),
}
"""What each needs of the rig, and what is done."""


def test_faults_in_random_order(
    in_order: Station, env: Environment, evidence: Evidence, pytestconfig: pytest.Config
) -> None:
    station, minutes = in_order, pytestconfig.option.rig_soak
    possible = [act for needs, act in ROUNDS.values() if needs <= env.get_target_features()]
    order = random.Random(0)
    first, rounds = len(station.sent), 0
    end = time.monotonic() + 60 * minutes
    while time.monotonic() < end:
        order.choice(possible)(station, evidence)
        station.restore()
        rounds += 1
    sent = station.sent[first:]
    found = station.account(sent)
    subject = f"{rounds} faults, {found.sent} images"
    evidence.judge(PART, subject, "rounds", rounds, "at least 1", rounds > 0)
    evidence.judge_none(PART, subject, "acknowledged without a verdict", found.lost)
    evidence.judge_none(PART, subject, "more than one verdict", found.doubled)
    evidence.judge_none(PART, subject, "other than the bundle says by itself", found.different)
