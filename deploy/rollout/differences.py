"""Differences of two data sets of records on the same images, asked of DuckDB."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from scipy.stats import binomtest

from fisherlens.edge.verdict import CompactMap

from .dataset import Identity, connect, identity_of, relation
from .errors import RolloutRefused
from .records import OUTCOMES

SIDES = ("a", "b")
_BINS = 20


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """Shift of one measurand's results, over images that both sides measured. mean, deviation: of b - a, in `unit`.
    en: percentiles 50, 95, 99 and 100 of |E_n|, the normalised error |b - a| / sqrt(U_a^2 + U_b^2) (ISO 13528:2022,
    9.7); results on one image are not independent, so that 1 is a wide limit here. beyond: share with |E_n| > 1.
    uncertainty: mean of U_b / U_a. histogram: counts of E_n, with its sign, from -2 to 2 in steps of 0.2; what lies
    beyond counts at the ends."""

    name: str
    unit: str
    images: int
    mean: float
    deviation: float
    en: tuple[float, float, float, float]
    beyond: float
    uncertainty: float
    histogram: list[int]


class Alarms(msgspec.Struct, frozen=True, kw_only=True):
    """Share of measured images that one side flags, with its 95 % interval low to high (Clopper and Pearson). alpha:
    the share that it promises of usual images."""

    measured: int
    flagged: int
    share: float
    low: float
    high: float
    alpha: float


class CheckUse(msgspec.Struct, frozen=True, kw_only=True):
    """One check on one side. p_values: histogram of 20 bins on [0, 1]; flat for usual images."""

    side: str
    name: str
    alpha: float
    flagged: int
    p_values: list[int]


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """One month on one device: images, share flagged, and mean of the first result, on each side."""

    month: str
    device: str
    images: int
    flagged: tuple[float, float]
    value: tuple[float | None, float | None]


class Flip(msgspec.Struct, frozen=True, kw_only=True):
    """One image whose outcome changes. outcome, reasons: of each side."""

    location: str
    digest: str
    frame: int
    outcome: tuple[str, str]
    reasons: tuple[list[str], list[str]]


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Comparison of two data sets. images: frames that both have. only: those that one side alone has. outcomes: how
    many go from which outcome to which."""

    identities: tuple[Identity, Identity]
    images: int
    only: tuple[int, int]
    outcomes: dict[str, dict[str, int]]
    flips: int
    shifts: list[Shift]
    alarms: tuple[Alarms, Alarms]
    checks: list[CheckUse]
    periods: list[Period]
    examples: list[Flip]

    @property
    def flip_share(self) -> float:
        """Share of the images on both sides whose outcome changes."""
        return self.flips / self.images if self.images else 0.0

    @property
    def largest_en(self) -> float:
        """Largest |E_n| of all measurands; 0 where nothing was measured on both sides."""
        return max((shift.en[3] for shift in self.shifts), default=0.0)


@dataclass(frozen=True)
class MapPair:
    """The maps of one example on both sides, None where a side kept none."""

    a: CompactMap | None
    b: CompactMap | None


class Comparer:
    """Two data sets, joined by image digest and frame."""

    def __init__(self, folder_a: Path, folder_b: Path) -> None:
        """Join the data sets of two folders. Raises RolloutRefused for a folder that rescore did not make, and two
        without a common image."""
        self._identities = identity_of(folder_a), identity_of(folder_b)
        self._base = connect()
        for side, folder in zip(SIDES, (folder_a, folder_b), strict=True):
            self._base.execute(f"CREATE VIEW {side} AS SELECT * FROM {relation(folder)} WHERE input_digest IS NOT NULL")
        self._base.execute(
            "CREATE TABLE pair AS SELECT input_digest, frame, a.outcome AS outcome_a, b.outcome AS outcome_b "
            "FROM a JOIN b USING (input_digest, frame)"
        )
        if not self._number("SELECT count(*) FROM pair"):
            raise RolloutRefused(f"{folder_a} and {folder_b}: no image is in both, expected records on the same images")

    def compare(self, examples: int) -> Comparison:
        """Compare outcomes, results, checks and periods. examples: how many flipped images to list at most."""
        moved = self._rows("SELECT outcome_a, outcome_b, count(*) FROM pair GROUP BY ALL")
        outcomes = {a: dict.fromkeys(OUTCOMES, 0) for a in OUTCOMES}
        for a, b, count in moved:
            outcomes[a][b] = count
        images = self._number("SELECT count(*) FROM pair")
        return Comparison(
            identities=self._identities,
            images=images,
            only=(self._number("SELECT count(*) FROM a") - images, self._number("SELECT count(*) FROM b") - images),
            outcomes=outcomes,
            flips=self._number("SELECT count(*) FROM pair WHERE outcome_a != outcome_b"),
            shifts=self._shifts(),
            alarms=(self._alarms(0), self._alarms(1)),
            checks=[use for side in SIDES for use in self._checks(side)],
            periods=self._periods(),
            examples=self._examples(examples),
        )

    def maps(self, flip: Flip) -> MapPair:
        """Read the maps of a flipped image."""
        found = []
        for side in SIDES:
            query = f"SELECT map FROM {side} WHERE input_digest = ? AND frame = ?"
            (row,) = self._base.execute(query, (flip.digest, flip.frame)).fetchall()
            found.append(None if row[0] is None else msgspec.convert(row[0], CompactMap))
        return MapPair(*found)

    def _rows(self, query: str) -> list[tuple[Any, ...]]:
        return self._base.execute(query).fetchall()

    def _number(self, query: str) -> int:
        return int(self._rows(query)[0][0])

    def _shifts(self) -> list[Shift]:
        rows = self._rows(
            f"""
            WITH joined AS (
                SELECT a.results AS ra, b.results AS rb, unnest(range(1, len(a.results) + 1)) AS i
                FROM a JOIN b USING (input_digest, frame) WHERE len(a.results) = len(b.results)
            ), moved AS (
                SELECT i, ra[i].name AS name, ra[i].unit AS unit, rb[i].value - ra[i].value AS shift,
                    ra[i].expanded_uncertainty AS ua, rb[i].expanded_uncertainty AS ub,
                    shift / sqrt(ua ** 2 + ub ** 2) AS en, ub / ua AS ratio
                FROM joined WHERE ra[i].name = rb[i].name AND ra[i].unit = rb[i].unit
            ), binned AS (
                SELECT *, least(greatest(floor((en + 2) / 4 * {_BINS}), 0), {_BINS - 1})::INT AS bin FROM moved
            )
            SELECT name, unit, count(*), avg(shift), stddev_pop(shift), quantile_cont(abs(en), [0.5, 0.95, 0.99, 1.0]),
                avg((abs(en) > 1)::INT), avg(ratio), map_entries(histogram(bin))
            FROM binned GROUP BY i, name, unit ORDER BY i
            """
        )
        return [
            Shift(name=name, unit=unit, images=count, mean=mean, deviation=deviation, en=tuple(en), beyond=beyond,
                  uncertainty=ratio, histogram=_histogram(bins))
            for name, unit, count, mean, deviation, en, beyond, ratio, bins in rows
        ]  # fmt: skip

    def _alarms(self, number: int) -> Alarms:
        side = SIDES[number]
        ((measured, flagged),) = self._rows(
            f"SELECT count(*) FILTER (outcome_{side} != 'refused'), count(*) FILTER (outcome_{side} = 'flagged') "
            "FROM pair"
        )
        interval = binomtest(flagged, measured).proportion_ci(0.95) if measured else None
        return Alarms(
            measured=measured,
            flagged=flagged,
            share=flagged / measured if measured else 0.0,
            low=float(interval.low) if interval else 0.0,
            high=float(interval.high) if interval else 1.0,
            alpha=self._identities[number].alpha,
        )

    def _checks(self, side: str) -> list[CheckUse]:
        rows = self._rows(
            f"""
            WITH used AS (SELECT unnest({side}.checks) AS c FROM {side} JOIN pair USING (input_digest, frame))
            SELECT c.name, c.alpha, count(*) FILTER (c.flagged),
                map_entries(histogram(least(floor(c.p_value * {_BINS}), {_BINS - 1})::INT))
            FROM used GROUP BY ALL ORDER BY 1
            """
        )
        return [
            CheckUse(side=side, name=name, alpha=alpha, flagged=flagged, p_values=_histogram(bins))
            for name, alpha, flagged, bins in rows
        ]

    def _periods(self) -> list[Period]:
        rows = self._rows(
            """
            SELECT strftime(a.acquired, '%Y-%m'), coalesce(a.device, 'not told'), count(*),
                avg((a.outcome = 'flagged')::INT), avg((b.outcome = 'flagged')::INT),
                avg(a.results[1].value), avg(b.results[1].value)
            FROM a JOIN b USING (input_digest, frame) WHERE a.acquired IS NOT NULL GROUP BY ALL ORDER BY 2, 1
            """
        )
        return [
            Period(month=month, device=device, images=images, flagged=(fa, fb), value=(va, vb))
            for month, device, images, fa, fb, va, vb in rows
        ]

    def _examples(self, most: int) -> list[Flip]:
        """List flipped images, those first that were accepted before."""
        rows = self._rows(
            f"""
            SELECT b.location, input_digest, frame, a.outcome, b.outcome, a.reasons, b.reasons
            FROM a JOIN b USING (input_digest, frame) WHERE a.outcome != b.outcome
            ORDER BY a.outcome, b.outcome, input_digest LIMIT {most}
            """
        )
        return [
            Flip(location=location, digest=digest, frame=frame, outcome=(oa, ob), reasons=(ra, rb))
            for location, digest, frame, oa, ob, ra, rb in rows
        ]


def _histogram(entries: list[dict[str, int]]) -> list[int]:
    counts = [0] * _BINS
    for entry in entries:
        counts[entry["key"]] = entry["value"]
    return counts
