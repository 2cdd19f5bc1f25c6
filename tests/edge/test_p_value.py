"""The conformal p-value, against counting and against what it promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fisherlens.edge.p_value import p_values


@given(
    usual=st.lists(st.integers(-5, 5), min_size=1, max_size=40),
    statistics=st.lists(st.integers(-6, 6), min_size=1, max_size=9),
)
def test_it_counts_usual_statistics_that_are_as_large(usual: list[int], statistics: list[int]) -> None:
    expected = [(1 + sum(u >= t for u in usual)) / (len(usual) + 1) for t in statistics]
    np.testing.assert_array_equal(p_values(np.array(usual), np.array(statistics)), expected)


def test_a_share_alpha_of_usual_images_is_flagged() -> None:
    rng = np.random.default_rng(0)
    flagged = [np.mean(p_values(rng.exponential(size=99), rng.exponential(size=50)) <= 0.05) for _ in range(400)]
    assert np.mean(flagged) == pytest.approx(0.05, abs=0.006)


def test_a_statistic_that_is_no_number_is_as_unusual_as_can_be() -> None:
    np.testing.assert_array_equal(p_values(np.array([1.0, 2.0, np.inf]), np.array([np.nan, np.inf])), [0.25, 0.5])
