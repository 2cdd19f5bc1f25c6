"""What a kind of check is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from fisherlens.edge.bundle.manifest import Watched

from ..calibration.collect import Columns
from ..fisher.fisher_graph import FisherGraph
from ..graph.model import as_model, session
from ..graph.tape import OPSET, Tape


@dataclass(frozen=True)
class Measured:
    """The values that a statistic is made of. values: one or several, written into the graph. watched: what the first
    of them holds, feature by feature, where it is a profile."""

    values: tuple[ir.Value, ...]
    watched: tuple[Watched, ...] = ()


@dataclass(frozen=True)
class Written:
    """A statistic in the graph, a scalar that is large where an image is unusual. deviations: by how many standard
    deviations each watched feature differs from what is usual, [F], F = 0 where nothing is watched."""

    statistic: ir.Value
    deviations: ir.Value


class Statistic(Protocol):
    """A statistic that was fitted to usual images."""

    def write(self, tape: Tape, values: Sequence[ir.Value], /) -> Written:
        """Write the statistic of an image of which these values were measured."""
        ...


@dataclass(frozen=True)
class Scalar:
    """The statistic of a check whose one measured value it is."""

    def write(self, tape: Tape, values: Sequence[ir.Value], /) -> Written:
        (value,) = values
        return Written(value, tape.zeros((0,)))


@dataclass(frozen=True)
class CheckKind:
    """A row of the table of checks.

    measured: writes what the statistic is made of. meaning: what is said of an image that is flagged, behind the
    check's name. fitted: the statistic, from these values on the images that fit, [n, ...] each, and what is watched.
    forward_only: whether it takes no derivative: a cascade computes it of every image. ensembles: whether it is of
    several networks, and so no default of one.
    """

    measured: Callable[[FisherGraph], Measured]
    meaning: str
    fitted: Callable[[Columns, Sequence[Watched]], Statistic] = lambda *_: Scalar()
    forward_only: bool = False
    ensembles: bool = False


@dataclass(frozen=True)
class Evaluated:
    """A statistic of n images [n], and their deviations [n, F], F = 0 where nothing is watched."""

    statistics: NDArray[np.float32]
    deviations: NDArray[np.float32]


def evaluated(statistic: Statistic, columns: Columns) -> Evaluated:
    """The statistic of images, by the very operators that the bundle runs: a p-value compares like with like, to the
    last bit. columns: what was measured of them, [n, ...] each."""
    inputs = [ir.val(f"x{i}", dtype=ir.DataType.FLOAT, shape=array.shape[1:]) for i, array in enumerate(columns)]
    graph = ir.Graph(inputs, [], nodes=[], name="statistic", opset_imports={"": OPSET})
    tape = Tape(graph)
    written = statistic.write(tape, inputs)
    opened = session(as_model(graph, {"statistic": written.statistic, "deviations": written.deviations}))
    rows = [opened.run(None, {f"x{i}": np.asarray(x) for i, x in enumerate(row)}) for row in zip(*columns, strict=True)]
    return Evaluated(np.array([row[0] for row in rows]), np.stack([row[1] for row in rows]))
