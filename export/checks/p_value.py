"""P-values over usual images, and how many images they need."""

from __future__ import annotations

import math

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ..errors import CalibrationError
from ..graph.model import TABLES
from ..graph.tape import Tape


def needed(alpha: float, checks: int) -> int:
    """Calibration images for p-values as small as each check's share of alpha, of which one half
    fits and the other half counts."""
    return 2 * (math.ceil(checks / alpha) - 1)


def require_enough(count: int, alpha: float, checks: int) -> None:
    """Raise CalibrationError for too few images."""
    if count < needed(alpha, checks):
        raise CalibrationError(
            f"{count} calibration images; alpha {alpha} over {checks} checks needs at least {needed(alpha, checks)}: "
            "one half fits, and with the n of the other half the smallest p-value is 1/(n + 1). "
            "Give more images, or a larger --alpha."
        )


def p_value(tape: Tape, statistic: ir.Value, usual: NDArray[np.float32], check: str) -> ir.Value:
    """p = (1 + #{i : t_i >= t}) / (n + 1) over the usual statistics t_i, a scalar.

    For exchangeable images P(p <= alpha) <= alpha with finite n, for any network (Vovk et al. 2005,
    Algorithmic Learning in a Random World, prop. 2.2). A statistic that is no number counts as the
    most unusual. check: its name, by which the table and n + 1 are found in the file.
    """
    table = tape.named(table_name(check), np.sort(usual))
    images_and_one = tape.named(count_name(check), float(len(usual) + 1))
    at_least = tape.Cast(tape.GreaterOrEqual(table, statistic), to=tape.dtype)
    return tape.Div(tape.Add(tape.ReduceSum(at_least, keepdims=0), 1.0), images_and_one)


def table_name(check: str) -> str:
    """Name the initializer that holds a check's usual statistics, float32 [n], sorted."""
    return f"{TABLES}{check}"


def count_name(check: str) -> str:
    """Name the initializer that holds a check's n + 1, a float32 scalar."""
    return f"{TABLES}{check}.count"
