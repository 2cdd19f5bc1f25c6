"""Exposures over the range of doses: what is measured, is it true, and does it follow the dose?"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from labgrid import Environment
from scipy.stats import binom

from ..audit import normalised_errors
from ..evidence import Evidence, Example
from ..station import Station

PART = "exposure series"
_CHANCE = 1e-3
"""Of calling a bundle wrong that keeps its promises."""


def test_every_exposure_has_its_verdict(station: Station, env: Environment, evidence: Evidence, count: int) -> None:
    doses = env.config.get_option("air-kerma")
    frames = [station.image(dose) for dose in itertools.islice(itertools.cycle(doses), count * len(doses))]
    sent = station.send(*frames)
    station.wait_for(sent)
    found = station.account(sent)
    evidence.judge(
        PART, "all doses", "acknowledged", found.acknowledged, len(frames), found.acknowledged == len(frames)
    )
    evidence.judge_none(PART, "all doses", "acknowledged without a verdict", found.lost)
    evidence.judge_none(PART, "all doses", "more than one verdict", found.doubled)
    evidence.judge_none(PART, "all doses", "other than the bundle says by itself", found.different)
    flagged = sum(outcome != "accepted" for outcome in found.outcomes.values())
    most = int(binom.isf(_CHANCE, len(frames), 0.01))
    evidence.judge(PART, "all doses", "usual images flagged or refused", flagged, f"at most {most}", flagged <= most)
    verdicts = {line.verdict.source: line.verdict for line in station.told_of(sent)}
    evidence.examples += [
        Example(frame, verdicts[frame.identity]) for frame in frames if verdicts[frame.identity].outcome == "flagged"
    ]
    _compare_doses(station, evidence, [(frame.air_kerma or 0.0, verdicts[frame.identity]) for frame in frames])


def _compare_doses(station: Station, evidence: Evidence, measured: list) -> None:
    """More dose is less noise, so thresholds fall; the first result stands for all."""
    doses = np.log([dose for dose, _ in measured])
    values = np.log([verdict.results[0].value for _, verdict in measured])
    slope = float(np.polyfit(doses, values, 1)[0])
    evidence.judge(PART, "all doses", "change of threshold with dose (exponent)", f"{slope:.2f}", "below 0", slope < 0)


@pytest.mark.lg_feature("known-truth")
def test_intervals_cover_the_truth(station: Station, env: Environment, evidence: Evidence, count: int) -> None:
    frames = [station.image(dose) for dose in env.config.get_option("air-kerma") for _ in range(max(1, count // 2))]
    sent = station.send(*frames)
    station.wait_for(sent)
    verdicts = {line.verdict.source: line.verdict for line in station.told_of(sent)}
    errors = np.array([normalised_errors(frame, verdicts[frame.identity]) for frame in frames])
    for column, result in enumerate(next(iter(verdicts.values())).results):
        inside = int((errors[:, column] <= 1).sum())
        least = int(binom.ppf(_CHANCE, len(frames), result.coverage_probability))
        measured = f"{inside} of {len(frames)}"
        evidence.judge(PART, result.name, "truth within value ± U", measured, f"at least {least}", inside >= least)
    evidence.judge_none(PART, "all doses", "accepted and wrong", station.account(sent).silent)
