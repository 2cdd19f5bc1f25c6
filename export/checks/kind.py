"""What a kind of check is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ..calibration.collect import Columns
from ..fisher.fisher_graph import FisherGraph
from ..graph.model import session
from ..graph.tape import IR_VERSION, OPSET, Tape

Statistic = Callable[[Tape, Sequence[ir.Value]], ir.Value]
"""Writes a statistic, a scalar that is large where an image is unusual, from what was measured of the image."""


@dataclass(frozen=True)
class CheckKind:
    """A row of the table of checks.

    measured: writes what the statistic is made of, one value or several. meaning: what is said of an image that is
    flagged, behind the check's name. fitted: from these values on the images that fit, [n, ...] each, what writes the
    statistic; None where the one value measured is the statistic. flags: whether it flags, or is shown only. default:
    whether an export has it that asks for none. by_layer: whether layers may be left out of it to keep a budget.
    """

    measured: Callable[[FisherGraph], tuple[ir.Value, ...]]
    meaning: str
    fitted: Callable[[Columns], Statistic] | None = None
    flags: bool = True
    default: bool = False
    by_layer: bool = False


def evaluated(statistic: Statistic, columns: Columns) -> NDArray[np.float32]:
    """A statistic of usual images [n], by the very operators that the bundle runs: a p-value compares
    like with like, to the last bit. columns: what was measured of them."""
    inputs = [ir.val(f"x{i}", dtype=ir.DataType.FLOAT, shape=array.shape[1:]) for i, array in enumerate(columns)]
    graph = ir.Graph(inputs, [], nodes=[], name="statistic", opset_imports={"": OPSET})
    result = statistic(Tape(graph), inputs)
    result.name, result.dtype = "statistic", ir.DataType.FLOAT
    graph.outputs.append(result)
    opened = session(ir.Model(graph, ir_version=IR_VERSION))
    return np.array(
        [opened.run(None, {f"x{i}": np.asarray(x) for i, x in enumerate(row)})[0] for row in zip(*columns, strict=True)]
    )
