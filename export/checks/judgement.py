"""Statistics turned into checks: p-values against usual images, and what is flagged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from fisherlens.edge.bundle.manifest import Calibration, Check, Combination, Watched

from ..calibration.collect import Columns, UsualRun
from ..errors import CalibrationError
from ..fisher.fisher_graph import FisherGraph
from ..graph.tape import Tape
from . import CHECKS, default_checks
from .combination import Cascade, Together, Usual
from .kind import Evaluated, Measured, Statistic, evaluated
from .p_value import p_value

MEANINGS: dict[Combination, tuple[str, str]] = {
    "together": ("combined", "the checks together are as far from usual as on hardly any usual image"),
    "cascade": ("cascade", "looked at more closely, the image is as far from usual as hardly any usual image"),
}
"""Name and meaning of the check that the combination makes."""


@dataclass(frozen=True)
class Procedure:
    """The checks, and how several of them flag: each with its share of alpha (Bonferroni), one
    statistic of all together, or in a cascade one that computes those that take a derivative on doubtful images alone.

    checks: those of a cascade that take no derivative come first; none for the default ones, which depend on the
    network. doubtful: share of usual images that a cascade looks at more closely. Raises CalibrationError for a cascade
    of several checks without one that takes no derivative, or of these alone; a single check is no cascade, whatever
    was asked for.
    """

    checks: tuple[str, ...] = ()
    combination: Combination = "cascade"
    doubtful: float = 0.1

    def __post_init__(self) -> None:
        first = [CHECKS[name].forward_only for name in self.checks]
        mixed = len(set(first)) == 2 and first == sorted(first, reverse=True)
        if self.combination == "cascade" and len(first) > 1 and not mixed:
            known = ", ".join(name for name, kind in CHECKS.items() if kind.forward_only)
            raise CalibrationError(
                f"a cascade of {', '.join(self.checks)}: it computes some checks of every image, out of {known}, and "
                "others behind them of doubtful images alone. Give both kinds, or --combination together."
            )

    def of_networks(self, members: int) -> Procedure:
        """The procedure with its checks named, for an ensemble of so many networks."""
        return self if self.checks else replace(self, checks=default_checks(members))

    @property
    def flagging(self) -> int:
        """The number of checks that flag by themselves."""
        return len(self.checks) if self.combination == "each" else 1


DEFAULT = Procedure()
"""The default checks in a cascade."""


@dataclass(frozen=True)
class FittedCheck:
    """A check fitted to usual images. values: what its statistic is made of, in the graph; counting: it of the usual
    images that count."""

    name: str
    meaning: str
    statistic: Statistic
    values: tuple[ir.Value, ...]
    watched: tuple[Watched, ...]
    counting: Evaluated
    flags: bool = True
    alpha: float = 0.0


@dataclass(frozen=True)
class Judgement:
    """The checks' share of a bundle. outputs: the graph's by name. checks: the manifest's. calibration: what the
    p-values count over."""

    outputs: dict[str, ir.Value]
    checks: tuple[Check, ...]
    calibration: Calibration

    @property
    def flagged(self) -> ir.Value:
        """The flag of the bundle: whether any check flags, a scalar."""
        return self.outputs["flagged"]


def measured(graph: FisherGraph, names: Sequence[str]) -> dict[str, Measured]:
    """Write what the checks of these names are made of: calibration needs its values first."""
    return {name: CHECKS[name].measured(graph) for name in names}


def judge(
    tape: Tape, measured: Mapping[str, Measured], usual: UsualRun, alpha: float, procedure: Procedure
) -> Judgement:
    """Write the checks of a procedure, of which these values were measured. usual: all of it on the calibration images.
    alpha: share of usual images that is flagged at most, of which checks that flag by themselves get equal shares. Of
    checks that are combined those that are computed of every image are shown beside, and do not flag. Raises
    CalibrationError for a statistic that is no finite number on a usual image.
    """
    checks = fitted_checks(measured, usual, procedure)
    for check in checks:
        _require_finite(check)
    share = float(np.float32(alpha / procedure.flagging))  # as the graph compares it
    return _written(tape, [replace(check, alpha=share if check.flags else 0.0) for check in checks])


def _require_finite(check: FittedCheck) -> None:
    bad = int((~np.isfinite(check.counting.statistics)).sum())
    if bad:
        raise CalibrationError(
            f"check {check.name}: its statistic is no finite number on {bad} of {len(check.counting.statistics)} usual "
            "images, though all that it is made of is: values too large for float32. Scale the image or the outputs."
        )


def fitted_checks(measured: Mapping[str, Measured], usual: UsualRun, procedure: Procedure) -> list[FittedCheck]:
    """Fit the checks to the images that fit, and evaluate them on those that count."""
    single = {
        name: CHECKS[name].fitted(usual.fitting.measured[name], measured[name].watched) for name in procedure.checks
    }
    found = [
        FittedCheck(name, CHECKS[name].meaning, statistic, measured[name].values, measured[name].watched,
                    evaluated(statistic, usual.counting.measured[name]))
        for name, statistic in single.items()
    ]  # fmt: skip
    if procedure.combination == "each" or len(found) == 1:
        return found
    shown = found if procedure.combination == "together" else _first(found)
    return [*(replace(one, flags=False, watched=()) for one in shown), _combined(found, usual, procedure)]


def _combined(checks: Sequence[FittedCheck], usual: UsualRun, procedure: Procedure) -> FittedCheck:
    held_out = [_held_out(check, usual.fitting.measured[check.name]) for check in checks]
    fitted = Usual.of(held_out)

    def together(part: slice) -> Together:
        of_part = checks[part]
        statistics, sizes = tuple(c.statistic for c in of_part), tuple(len(c.values) for c in of_part)
        return Together(statistics, sizes, fitted.of_part(part))

    def cascade() -> Cascade:
        first, closer = slice(len(_first(checks))), slice(len(_first(checks)), None)
        usual_first = fitted.of_part(first).together(held_out[first])
        limit = float(np.quantile(usual_first, 1.0 - procedure.doubtful))
        watched = sum(part.count for check in checks[closer] for part in check.watched)
        return Cascade(together(first), together(closer), limit, watched)

    statistic = cascade() if procedure.combination == "cascade" else together(slice(None))
    columns = [column for check in checks for column in usual.counting.measured[check.name]]
    return FittedCheck(
        *MEANINGS[procedure.combination],
        statistic,
        values=tuple(value for check in checks for value in check.values),
        watched=tuple(part for check in checks for part in check.watched),
        counting=evaluated(statistic, columns),
    )


def _first(checks: Sequence[FittedCheck]) -> list[FittedCheck]:
    """The checks that a cascade computes of every image."""
    return [check for check in checks if CHECKS[check.name].forward_only]


FOLDS = 4
"""Parts of the images that fit, each of which is held out in turn."""


def _held_out(check: FittedCheck, columns: Columns) -> NDArray[np.float32]:
    """A check's statistic of each image [n] by what was fitted to the others: a fit is closer to its own images."""
    found = np.empty(len(columns[0]), np.float32)
    for fold in range(FOLDS):
        held = np.arange(len(found)) % FOLDS == fold
        statistic = CHECKS[check.name].fitted([column[~held] for column in columns], check.watched)
        found[held] = evaluated(statistic, [column[held] for column in columns]).statistics
    return found


def _written(tape: Tape, checks: Sequence[FittedCheck]) -> Judgement:
    written = [check.statistic.write(tape, check.values) for check in checks]
    statistics = [one.statistic for one in written]
    p_values = [
        p_value(tape, statistic, check.counting.statistics, check.name)
        for check, statistic in zip(checks, statistics, strict=True)
    ]
    stacked = [tape.Concat(*(tape.Unsqueeze(v, [0]) for v in values), axis=0) for values in (statistics, p_values)]
    flags = tape.Cast(tape.LessOrEqual(stacked[1], tape.floats([check.alpha for check in checks])), to=tape.dtype)
    watched = [one.deviations for one, check in zip(written, checks, strict=True) if check.watched]
    outputs = {
        "statistic": stacked[0],
        "p_value": stacked[1],
        "flagged": tape.Greater(tape.ReduceSum(flags, keepdims=0), 0.0),
        "deviation": tape.Concat(*watched, axis=0) if watched else tape.zeros((0,)),
    }
    return Judgement(outputs, tuple(_described(check) for check in checks), _calibration(checks))


def _described(check: FittedCheck) -> Check:
    return Check(
        name=check.name,
        meaning=check.meaning,
        alpha=check.alpha,
        flags=check.flags,
        calibration_size=len(check.counting.statistics),
        watched=check.watched,
    )


def _calibration(checks: Sequence[FittedCheck]) -> Calibration:
    statistics = {c.name: np.sort(c.counting.statistics).astype(float).tolist() for c in checks}
    return Calibration(statistics=statistics, ranges={c.name: _ranges(c) for c in checks if c.watched})


def _ranges(check: FittedCheck) -> list[tuple[float, float]]:
    """The smallest and the largest deviation of each watched feature on the usual images that count."""
    deviations = check.counting.deviations
    ends = np.stack([deviations.min(axis=0), deviations.max(axis=0)], axis=1)
    return [(round(float(low), 2), round(float(high), 2)) for low, high in ends]
