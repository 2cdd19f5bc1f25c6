"""A month of daily constancy tests, on a control chart; near its end the panel ages."""

from __future__ import annotations

import pytest

from ..evidence import Day, Evidence, Example
from ..panel_physics import Condition
from ..station import Station

PART = "constancy over a month"
_DAY_SECONDS = 86400.0
_WORN = Condition(dead_lines=12)
_WORN_DAYS = 3


@pytest.mark.lg_feature(["clock", "disturbed-panel"])
def test_a_month_on_the_control_chart(in_order: Station, evidence: Evidence, pytestconfig: pytest.Config) -> None:
    station, days = in_order, pytestconfig.option.rig_days
    sent = []
    for day in range(days):
        worn = day >= days - _WORN_DAYS
        condition = _WORN if worn else Condition(gain_drift=0.0005 * day)
        (entry,) = station.send_until_acknowledged(station.image(100.0, condition))
        station.wait_for([entry])
        sent.append(entry)
        for line in station.told_of([entry]):
            result = line.verdict.results[0]
            evidence.measurand = f"{result.name} / {result.unit}"
            state = "dead lines" if worn else "usual"
            evidence.days.append(Day(day + 1, result.value, result.U, line.verdict.outcome, state))
            if worn:
                evidence.examples.append(Example(entry.frame, line.verdict))
        station.clock.jump(_DAY_SECONDS)
    found = station.account(sent)
    usual = [day for day in evidence.days if day.condition == "usual"]
    mean = sum(day.value for day in usual) / len(usual)
    outside = [f"day {day.day}" for day in usual if abs(day.value - mean) > day.U]
    flagged = [f"day {day.day}" for day in usual if day.outcome != "accepted"]
    unnoticed = [f"day {day.day}" for day in evidence.days if day.condition != "usual" and day.outcome == "accepted"]
    evidence.judge(PART, "verdicts", "one for each day", len(evidence.days), days, len(evidence.days) == days)
    evidence.judge_none(PART, "verdicts", "acknowledged without a verdict", found.lost)
    evidence.judge_none(PART, "verdicts", "other than the bundle says by itself", found.different)
    most = max(1, days // 10)
    evidence.judge(
        PART, "healthy panel", "further than U from the mean", len(outside), f"at most {most}", len(outside) <= most
    )
    evidence.judge(PART, "healthy panel", "false alarms", len(flagged), "at most 2", len(flagged) <= 2)
    evidence.judge_none(PART, "dead lines appear", "not noticed", unnoticed)
