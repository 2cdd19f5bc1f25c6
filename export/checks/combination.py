"""One statistic of several checks: how far all of them together are above what is usual."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ..calibration.collect import Columns
from ..graph.tape import TINY, Tape
from .kind import Statistic
from .profile import ROUNDING

COMBINED = "combined"
MEANING = "the checks together are as far from usual as on hardly any usual image"


def fitted_combination(statistics: Columns) -> Statistic:
    """Fit the usual logarithms of m statistics, [n] each.

    The statistic adds up the squared standardised logarithms of those that are above what is usual.
    """
    logarithms = np.log(np.maximum(np.stack(statistics, axis=1).astype(np.float64), TINY))
    mean, deviation = logarithms.mean(axis=0), np.maximum(logarithms.std(axis=0), ROUNDING)

    def write(tape: Tape, values: Sequence[ir.Value]) -> ir.Value:
        stacked = tape.Concat(*(tape.Unsqueeze(value, [0]) for value in values), axis=0)
        found = tape.Log(tape.Max(stacked, TINY))
        deviations = tape.Div(tape.Sub(found, tape.floats(mean)), tape.floats(deviation))
        return tape.ReduceSumSquare(tape.Relu(deviations), keepdims=0)

    return write
