"""Pass, fail, and the probability of either."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fisherlens.edge.verdict import Result
from fisherlens.models.mammography.conformity import CONFIDENCE, Conformity, conformity, decided


def measured(value: float, u: float = 0.01, factor: float = 2.0, probability: float = 0.9545) -> Result:
    return Result(
        name="threshold", unit="um", value=value, u_aleatoric=u, u_epistemic=0.0, u_input=0.0, u=u,
        coverage_factor=factor, coverage_probability=probability, U=factor * u, low=value - factor * u,
        high=value + factor * u, text="",
    )  # fmt: skip


def test_the_probability_is_the_share_of_possible_true_values_within_the_limit() -> None:
    draws = np.random.default_rng(0).normal(0.1, 0.01, 1_000_000)
    for limit in (0.09, 0.1, 0.105, 0.12):
        (found,) = conformity([measured(0.1)], [limit])
        assert found.probability == pytest.approx(np.mean(draws <= limit), abs=2e-3)


def test_a_value_inside_the_limit_by_the_guard_band_just_passes() -> None:
    """JCGM 106, table 1 and 8.3.2: at 1.645 u from the limit, 95 % conform."""
    for offset, decision in ((-1.66, "pass"), (-1.63, "undecided"), (1.63, "undecided"), (1.66, "fail")):
        (found,) = conformity([measured(0.1 + offset * 0.01)], [0.1])
        assert found.decision == decision


def test_an_uncertainty_that_calibration_widened_counts_as_wide() -> None:
    narrow, wide = (conformity([measured(0.09, factor=k)], [0.1])[0].probability for k in (2.0, 4.0))
    assert 0.5 < wide < narrow


def test_a_system_passes_where_every_diameter_does_and_fails_where_one_does() -> None:
    passed = Conformity("a", 1.0, 2.0, CONFIDENCE)
    failed, between = replace(passed, probability=1 - CONFIDENCE), replace(passed, probability=0.5)
    assert decided([passed, passed]) == "pass"
    assert decided([passed, between]) == "undecided"
    assert decided([passed, between, failed]) == "fail"
