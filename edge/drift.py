"""Drift: do the images still come from where the calibration's came from?

Each check flags single images. A slow change flags none of them and moves all: for continuous operation
the stream of a check's statistics is tested as a whole. Under the hypothesis that the calibration's
images and all that came since are exchangeable, conformal p-values of the stream are independent and
uniform, whatever the network, and bets against them make a martingale (Vovk et al. 2005, Algorithmic
Learning in a Random World, section 7.1).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec
import numpy as np

from .bundle import Bundle
from .bundle.manifest import CALIBRATION_KEY, Calibration

JUMP = 0.01
"""Share of each bettor's money that is spread over all of them after each image."""

BETS = (-1.0, 0.0, 1.0)
"""Slopes of the bets 1 + slope (p - 1/2): on small p-values, on nothing, on large ones."""


@dataclass
class DriftTest:
    """A sequential test on one check's statistics.

    The Simple Jumper martingale S over conformal p-values (Vovk et al. 2021, arXiv 2102.10439, algorithm
    1), summed by the Shiryaev-Roberts procedure R_n = (R_(n-1) + 1) S_n / S_(n-1): while nothing drifts,
    the expected number of images before R reaches `images_between_false_alarms` is at least that number
    (same, section 4), and a drift is seen whenever it begins.

    usual: the calibration's statistics. seed: ties are broken at random, p-values are uniform only then.
    """

    usual: Iterable[float]
    images_between_false_alarms: float = 100_000.0
    seed: int = 0
    level: float = field(init=False, default=0.0)
    _seen: array[float] = field(init=False)
    _money: list[float] = field(init=False)
    _random: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        if self.images_between_false_alarms <= 1:
            raise ValueError(f"{self.images_between_false_alarms} images between false alarms, expected more than 1")
        self._seen = array("d", sorted(self.usual))
        self._money = [1.0 / len(BETS)] * len(BETS)
        self._random = np.random.default_rng(self.seed)

    @classmethod
    def of(cls, bundle: Bundle, check: str, images_between_false_alarms: float = 100_000.0) -> DriftTest:
        """Make the test of one of a bundle's checks. Raises ValueError for a check that it has not."""
        text = bundle.session.get_modelmeta().custom_metadata_map.get(CALIBRATION_KEY, "")
        statistics = msgspec.json.decode(text, type=Calibration).statistics if text else {}
        if check not in statistics:
            raise ValueError(f"check {check!r}, the bundle has {', '.join(statistics) or 'none'}")
        return cls(statistics[check], images_between_false_alarms)

    @property
    def drifted(self) -> bool:
        """True while the alarm is raised. It stays so until the level falls again: images are usual again."""
        return self.level >= self.images_between_false_alarms

    def observe(self, statistic: float) -> float:
        """Take in one image's statistic; returns its conformal p-value. A statistic that is no number
        counts as the largest."""
        value = statistic if np.isfinite(statistic) else float("inf")
        p = self._p_value(value)
        insort(self._seen, value)
        before = sum(self._money)
        shared = [(1 - JUMP) * money + JUMP * before / len(BETS) for money in self._money]
        self._money = [money * (1 + bet * (p - 0.5)) for money, bet in zip(shared, BETS, strict=True)]
        after = sum(self._money)
        self.level = (self.level + 1.0) * after / before
        self._money = [money / after for money in self._money]  # only ratios matter: stays in range for years
        return p

    def _p_value(self, value: float) -> float:
        """p = (#{t > t_n} + U #{t = t_n}) / n, the image itself among the n."""
        larger = len(self._seen) - bisect_right(self._seen, value)
        equal = bisect_right(self._seen, value) - bisect_left(self._seen, value) + 1
        return (larger + self._random.uniform() * equal) / (len(self._seen) + 1)
