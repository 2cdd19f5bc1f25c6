"""Conformity with a limit, and the probability of it (JCGM 106:2012)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.stats import norm

from fisherlens.edge.verdict import Result

from .observer import EUREF_ACCEPTABLE_UM

CONFIDENCE = 0.95
"""Conformance probability from which a limit counts as met; one less it, up to which it does not."""

Decision = Literal["pass", "fail", "undecided"]


@dataclass(frozen=True)
class Conformity:
    """One measured threshold against its upper limit, both in um. probability: that the true threshold is
    at most the limit."""

    name: str
    value: float
    limit: float
    probability: float

    @property
    def decision(self) -> Decision:
        """Decide with CONFIDENCE: the acceptance limit lies below the limit by the guard band of 8.3.2."""
        if self.probability >= CONFIDENCE:
            return "pass"
        return "fail" if self.probability <= 1.0 - CONFIDENCE else "undecided"


def conformity(results: Sequence[Result], limits: Sequence[float] = EUREF_ACCEPTABLE_UM) -> list[Conformity]:
    """Compare results in um with their upper limits: JCGM 106, 7.3.2, for one tolerance limit and no
    knowledge but the measurement's, taken to be normal. Its standard deviation is U over the normal
    distribution's factor for the coverage probability, so that it spreads as calibration found it to.
    """
    found = []
    for result, limit in zip(results, limits, strict=True):
        spread = result.U / norm.ppf((1.0 + result.coverage_probability) / 2.0)
        probability = float(norm.cdf((limit - result.value) / spread))
        found.append(Conformity(result.name, result.value, limit, probability))
    return found


def decided(conformities: Sequence[Conformity]) -> Decision:
    """Decide on the whole system: fail where a diameter fails, pass where all pass."""
    decisions = {entry.decision for entry in conformities}
    return "fail" if "fail" in decisions else "undecided" if "undecided" in decisions else "pass"
