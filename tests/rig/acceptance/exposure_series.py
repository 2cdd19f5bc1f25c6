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
    by_identity = {frame.identity: frame for frame in frames}
    told = [(by_identity[line.verdict.source], line.verdict) for line in station.told_of(sent)]
    evidence.examples += [Example(frame, verdict) for frame, verdict in told if verdict.outcome == "flagged"]
    _compare_doses(
        evidence, [(frame.air_kerma, verdict.results[0].value) for frame, verdict in told if verdict.results]
    )


def _compare_doses(evidence: Evidence, measured: list[tuple[float | None, float]]) -> None:
    """More dose is less noise, so thresholds fall; the first result stands for all."""
    doses, values = np.log(np.array(measured, float)).T
    slope = float(np.polyfit(doses, values, 1)[0])
    evidence.judge(PART, "all doses", "change of threshold with dose (exponent)", f"{slope:.2f}", "below 0", slope < 0)


@pytest.mark.lg_feature("known-truth")
def test_intervals_cover_the_truth(station: Station, env: Environment, evidence: Evidence, count: int) -> None:
    frames = [station.image(dose) for dose in env.config.get_option("air-kerma") for _ in range(max(1, count // 2))]
    sent = station.send(*frames)
    station.wait_for(sent)
    by_identity = {frame.identity: frame for frame in frames}
    verdicts = [line.verdict for line in station.told_of(sent) if line.verdict.results]
    errors = np.array([normalised_errors(by_identity[verdict.source], verdict) for verdict in verdicts])
    for column, result in enumerate(verdicts[0].results):
        inside = int((errors[:, column] <= 1).sum())
        least = int(binom.ppf(_CHANCE, len(verdicts), result.coverage_probability))
        measured = f"{inside} of {len(verdicts)}"
        evidence.judge(PART, result.name, "truth within value ± U", measured, f"at least {least}", inside >= least)
    evidence.judge_none(PART, "all doses", "accepted and wrong", station.account(sent).silent)
