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


def standardised(columns: list[np.ndarray]) -> np.ndarray:
    logs, usual = np.log(np.stack(columns).astype(float)), np.log(np.stack(USUAL[: len(columns)]).astype(float))
    return np.maximum((logs - usual.mean(axis=1)[:, None]) / usual.std(axis=1)[:, None], 0)


def test_checks_together_are_the_squares_of_what_is_above_usual() -> None:
    found = evaluated(together(USUAL), USUAL).statistics
    np.testing.assert_allclose(found, (standardised(USUAL) ** 2).sum(axis=0), rtol=1e-3, atol=1e-5)


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
