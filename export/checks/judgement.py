"""Statistics turned into checks: p-values against usual images, and what is flagged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from fisherlens.edge.bundle.manifest import Calibration, Check

from ..fisher.fisher_graph import Instrumented
from ..graph.tape import Tape
from . import profile as checks
from .statistics import STATISTICS

PROFILE = "fisher_profile"
COMBINED = "combined"
CHECKS = (*STATISTICS, PROFILE)
DEFAULT_CHECKS = ("fisher_trace", PROFILE)

FIT, COUNT = slice(0, None, 2), slice(1, None, 2)
"""Every other calibration image fits what is usual; the others count for the p-values."""


@dataclass(frozen=True)
class Judged:
    """A check's statistic in the graph, on the usual images that count [n], and on those that fit."""

    name: str
    statistic: ir.Value
    counted: NDArray[np.float32]
    fitted: NDArray[np.float32]


@dataclass(frozen=True)
class Judgement:
    """outputs: statistic, p_value and flagged of the bundle. checks: the manifest's. calibration: what the
    p-values count over."""

    outputs: dict[str, ir.Value]
    checks: tuple[Check, ...]
    calibration: Calibration


def scalars(instrumented: Instrumented, names: Sequence[str]) -> dict[str, ir.Value]:
    """The named statistics other than the profile, in the graph: calibration needs their values first."""
    return {name: STATISTICS[name](instrumented) for name in names if name != PROFILE}


def judge(
    instrumented: Instrumented,
    found: dict[str, ir.Value],
    usual: dict[str, NDArray[np.float32]],
    names: Sequence[str],
    alpha: float,
    combine: bool,
) -> Judgement:
    """Write the checks. found: what `scalars` gave. usual: all of it on the calibration images, with
    features and regressors. combine: one statistic of all flags, instead of each with its share of alpha
    (Bonferroni); the single ones are then shown only.
    """
    tape = instrumented.forward.tape
    judged = [_profile(instrumented, usual) if name == PROFILE else _scalar(name, found[name], usual) for name in names]
    alphas = [0.0 if combine else _rounded(alpha / len(names))] * len(names)
    if combine:
        judged.append(_combined(tape, judged))
        alphas.append(_rounded(alpha))
    statistics = [check.statistic for check in judged]
    p_values = [checks.p_value(tape, check.statistic, check.counted) for check in judged]
    stacked = [tape.Concat(*(tape.Unsqueeze(v, [0]) for v in values), axis=0) for values in (statistics, p_values)]
    flags = tape.Cast(tape.LessOrEqual(stacked[1], tape.floats(alphas)), to=tape.dtype)
    flagged = tape.Greater(tape.ReduceSum(flags, keepdims=0), 0.0)
    return Judgement(
        {"statistic": stacked[0], "p_value": stacked[1], "flagged": flagged},
        tuple(
            Check(name=check.name, alpha=share, calibration_size=len(check.counted))
            for check, share in zip(judged, alphas, strict=True)
        ),
        Calibration(statistics={check.name: np.sort(check.counted).astype(float).tolist() for check in judged}),
    )


def _scalar(name: str, statistic: ir.Value, usual: dict[str, NDArray[np.float32]]) -> Judged:
    values = usual[name]
    return Judged(name, statistic, values[COUNT], values[FIT])


def _profile(instrumented: Instrumented, usual: dict[str, NDArray[np.float32]]) -> Judged:
    features, regressors = usual["features"], usual["regressors"]
    profile = checks.fit_profile(features[FIT], regressors[FIT])
    statistic = checks.profile_statistic(
        instrumented.forward.tape, profile, instrumented.features, instrumented.readout.regressors
    )
    counted, fitted = (checks.usual_statistics(profile, features[part], regressors[part]) for part in (COUNT, FIT))
    return Judged(PROFILE, statistic, counted, fitted)


def _combined(tape: Tape, judged: Sequence[Judged]) -> Judged:
    combination = checks.Combination.fit(np.stack([check.fitted for check in judged], axis=1))
    stacked = tape.Concat(*(tape.Unsqueeze(check.statistic, [0]) for check in judged), axis=0)
    counted, fitted = (
        checks.usual_combinations(combination, np.stack(columns, axis=1))
        for columns in ([check.counted for check in judged], [check.fitted for check in judged])
    )
    return Judged(COMBINED, checks.combined_statistic(tape, combination, stacked), counted, fitted)


def _rounded(alpha: float) -> float:
    """As float32, as the graph compares it."""
    return float(np.float32(alpha))
