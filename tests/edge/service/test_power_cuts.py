"""The study of power cuts at random moments, in a small version."""

from __future__ import annotations

from collections.abc import Callable

from .power_cuts import cut_power
from .running import Running


def test_power_cuts_at_random_moments_under_load_lose_nothing_and_double_nothing(
    service: Callable[..., Running],
) -> None:
    acknowledged, verdicts = cut_power(service(), cuts=6)
    assert verdicts >= acknowledged > 10
