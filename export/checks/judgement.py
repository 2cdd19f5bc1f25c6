"""Statistics turned into checks: p-values against usual images, and what is flagged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from fisherlens.edge.bundle.manifest import Calibration, Check

from ..calibration.collect import Columns, UsualRun
from ..calibration.images import COUNTING, FITTING
from ..fisher.fisher_graph import FisherGraph
from ..graph.tape import Tape
from . import CHECKS
from .combination import COMBINED, MEANING, fitted_combination
from .kind import CheckKind, Statistic, evaluated
from .p_value import p_value


@dataclass(frozen=True)
class CalibratedCheck:
    """A check's statistic in the graph, and on the usual images that fit [n] and that count [n]. flags: whether it
    flags where its p-value is at most alpha, or is shown only."""

    name: str
    meaning: str
    statistic: ir.Value
    fitting: NDArray[np.float32]
    counting: NDArray[np.float32]
    flags: bool
    alpha: float = 0.0

    @property
    def usual(self) -> NDArray[np.float32]:
        """The statistic on all usual images [n], in their order."""
        found = np.empty(len(self.fitting) + len(self.counting), np.float32)
        found[FITTING], found[COUNTING] = self.fitting, self.counting
        return found


@dataclass(frozen=True)
class Judgement:
    """The checks' share of a bundle. statistics, p_values: float [checks]; flagged: whether any check flags, a
    scalar. checks: the manifest's. calibration: what the p-values count over. calibrated: all of it, check by
    check."""

    statistics: ir.Value
    p_values: ir.Value
    flagged: ir.Value
    checks: tuple[Check, ...]
    calibration: Calibration
    calibrated: tuple[CalibratedCheck, ...]

    @property
    def outputs(self) -> dict[str, ir.Value]:
        """The bundle's outputs by name."""
        return {"statistic": self.statistics, "p_value": self.p_values, "flagged": self.flagged}


def measured(graph: FisherGraph, names: Sequence[str]) -> dict[str, tuple[ir.Value, ...]]:
    """Write what the checks of these names are made of: calibration needs its values first."""
    return {name: CHECKS[name].measured(graph) for name in names}


def judge(
    graph: FisherGraph, measured: dict[str, tuple[ir.Value, ...]], usual: UsualRun, alpha: float, combine: bool
) -> Judgement:
    """Write the checks that were measured. usual: all of it on the calibration images. alpha: share of usual images
    that is flagged at most, of which each check gets an equal share (Bonferroni). combine: one statistic of all flags
    instead; the single ones are then shown only.
    """
    fitting, counting = usual.fitting.measured, usual.counting.measured
    found = [
        _calibrated(graph.tape, name, CHECKS[name], values, fitting[name], counting[name])
        for name, values in measured.items()
    ]
    if combine:
        found = [*(replace(check, flags=False) for check in found), _combined(graph.tape, found)]
    share = float(np.float32(alpha / max(1, sum(check.flags for check in found))))  # as the graph compares it
    return _written(graph.tape, [replace(check, alpha=share if check.flags else 0.0) for check in found])


def _calibrated(
    tape: Tape, name: str, kind: CheckKind, values: Sequence[ir.Value], fitting: Columns, counting: Columns
) -> CalibratedCheck:
    if kind.fitted is None:
        (value,), (fits,), (counts,) = values, fitting, counting
        return CalibratedCheck(name, kind.meaning, value, fits, counts, kind.flags)
    return _by_statistic(tape, name, kind.meaning, kind.fitted(fitting), values, fitting, counting, kind.flags)


def _combined(tape: Tape, checks: Sequence[CalibratedCheck]) -> CalibratedCheck:
    fitting, counting = [check.fitting for check in checks], [check.counting for check in checks]
    values = [check.statistic for check in checks]
    return _by_statistic(tape, COMBINED, MEANING, fitted_combination(fitting), values, fitting, counting, flags=True)


def _by_statistic(
    tape: Tape,
    name: str,
    meaning: str,
    statistic: Statistic,
    values: Sequence[ir.Value],
    fitting: Columns,
    counting: Columns,
    flags: bool,
) -> CalibratedCheck:
    fits, counts = (evaluated(statistic, columns) for columns in (fitting, counting))
    return CalibratedCheck(name, meaning, statistic(tape, values), fits, counts, flags)


def _written(tape: Tape, checks: Sequence[CalibratedCheck]) -> Judgement:
    p_values = [p_value(tape, check.statistic, check.counting, check.name) for check in checks]
    statistics = [check.statistic for check in checks]
    stacked = [tape.Concat(*(tape.Unsqueeze(v, [0]) for v in values), axis=0) for values in (statistics, p_values)]
    flags = tape.Cast(tape.LessOrEqual(stacked[1], tape.floats([check.alpha for check in checks])), to=tape.dtype)
    return Judgement(
        statistics=stacked[0],
        p_values=stacked[1],
        flagged=tape.Greater(tape.ReduceSum(flags, keepdims=0), 0.0),
        checks=tuple(
            Check(name=check.name, meaning=check.meaning, alpha=check.alpha, flags=check.flags,
                  calibration_size=len(check.counting))
            for check in checks
        ),
        calibration=Calibration(statistics={c.name: np.sort(c.counting).astype(float).tolist() for c in checks}),
        calibrated=tuple(checks),
    )  # fmt: skip
