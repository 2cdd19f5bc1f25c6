"""Several checks as one statistic: nothing saturates, and a cascade orders images as it says."""

from __future__ import annotations

import numpy as np
import pytest

from fisherlens.export.checks.combination import Cascade, Together, Usual
from fisherlens.export.checks.judgement import Procedure
from fisherlens.export.checks.kind import Scalar, evaluated
from fisherlens.export.errors import CalibrationError

RNG = np.random.default_rng(0)
USUAL = [RNG.lognormal(size=400).astype(np.float32), RNG.lognormal(size=400).astype(np.float32)]


def together(columns: list[np.ndarray]) -> Together:
    return Together((Scalar(),) * len(columns), (1,) * len(columns), Usual.of(columns))


def excess(columns: list[np.ndarray]) -> np.ndarray:
    """By how much logarithms are above the usual median, in units of the usual spread above it."""
    logs, usual = np.log(np.stack(columns).astype(float)), np.log(np.stack(USUAL[: len(columns)]).astype(float))
    median = np.median(usual, axis=1)[:, None]
    spread = [np.sqrt(np.mean((row[row > m] - m) ** 2)) for row, m in zip(usual, median[:, 0], strict=True)]
    return np.maximum((logs - median) / np.array(spread)[:, None], 0)


def test_checks_together_are_the_weighted_squares_of_what_is_above_usual() -> None:
    found = evaluated(together(USUAL), USUAL).statistics
    squares = excess(USUAL) ** 2
    weight = 1 / np.abs(np.corrcoef(squares)).sum(axis=1)
    np.testing.assert_allclose(found, weight @ squares, rtol=1e-3, atol=1e-5)


def test_a_check_that_says_the_same_as_another_counts_once_with_it() -> None:
    twice = evaluated(together([USUAL[0], USUAL[0]]), [USUAL[0], USUAL[0]]).statistics
    np.testing.assert_allclose(twice, evaluated(together(USUAL[:1]), USUAL[:1]).statistics, rtol=1e-4, atol=1e-6)


def test_a_check_that_never_changes_takes_no_part() -> None:
    constant = np.ones(400, np.float32)
    found = evaluated(together([USUAL[0], constant]), [USUAL[0], constant]).statistics
    np.testing.assert_allclose(found, evaluated(together(USUAL[:1]), USUAL[:1]).statistics, rtol=1e-4, atol=1e-6)


def test_beyond_all_usual_images_the_statistic_still_grows() -> None:
    far = [np.array([1e3, 1e6, 1e9], np.float32), np.ones(3, np.float32)]
    found = evaluated(together(USUAL), far).statistics
    assert found[0] > evaluated(together(USUAL), USUAL).statistics.max()
    assert np.all(np.diff(found) > 1)


def test_a_cascade_adds_the_closer_look_for_doubtful_images_alone_and_ranks_them_last() -> None:
    first, closer = together(USUAL[:1]), Together((Scalar(),), (1,), Usual.of(USUAL[1:]))
    of_first = first.usual.together(USUAL[:1])
    limit = float(np.quantile(of_first, 0.9))
    found = evaluated(Cascade(first, closer, limit, 0), USUAL).statistics
    doubtful = of_first > limit
    assert doubtful.mean() == pytest.approx(0.1)
    np.testing.assert_allclose(found[~doubtful], of_first[~doubtful] - limit, rtol=1e-3, atol=1e-5)
    both = of_first + closer.usual.together(USUAL[1:])
    np.testing.assert_allclose(found[doubtful], both[doubtful], rtol=1e-3)
    assert found[doubtful].min() > found[~doubtful].max()


def test_a_first_statistic_that_is_no_number_is_doubtful_and_stays_none() -> None:
    first, closer = together(USUAL[:1]), Together((Scalar(),), (1,), Usual.of(USUAL[1:]))
    nothing = [np.array([np.nan], np.float32), np.ones(1, np.float32)]
    (found,) = evaluated(Cascade(first, closer, 1.0, 0), nothing).statistics
    assert np.isnan(found)


@pytest.mark.parametrize(
    "checks",
    [("rao_score", "fisher_trace"), ("image_texture", "activation_profile"), ("rao_score", "activation_profile")],
)
def test_a_cascade_without_a_first_or_a_closer_look_is_refused(checks: tuple[str, ...]) -> None:
    with pytest.raises(CalibrationError, match="Give both kinds"):
        Procedure(checks)
