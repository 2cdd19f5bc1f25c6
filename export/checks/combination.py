"""One statistic of several checks: of all of them on every image, or of the dearer ones on doubtful images alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ..calibration.collect import Columns
from ..graph.tape import TINY, Tape
from .kind import Statistic, Written

_LEAST_SPREAD = 1e-3
"""Standard deviation of a usual logarithm that rounding may cause."""


@dataclass(frozen=True)
class Usual:
    """Mean and standard deviation of the logarithms of m statistics on usual images, float64 [m]."""

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    @classmethod
    def of(cls, statistics: Columns) -> Usual:
        """Fit to m statistics of usual images, [n] each."""
        logarithms = np.log(np.maximum(np.stack(statistics, axis=1).astype(np.float64), TINY))
        return cls(logarithms.mean(axis=0), np.maximum(logarithms.std(axis=0), _LEAST_SPREAD))

    def together(self, statistics: Columns) -> NDArray[np.float64]:
        """Add up what these m statistics of n images give together, [n], as the graph adds them up."""
        logarithms = np.log(np.maximum(np.stack(statistics, axis=1).astype(np.float64), TINY))
        return (np.maximum((logarithms - self.mean) / self.deviation, 0.0) ** 2).sum(axis=1)

    def standardised(self, tape: Tape, statistics: Sequence[ir.Value]) -> ir.Value:
        """Write the standardised logarithms of the statistics, [m]: no power of an image's statistic is lost in them,
        as p-values lose what is beyond all usual images."""
        stacked = tape.Concat(*(tape.Unsqueeze(value, [0]) for value in statistics), axis=0)
        logarithms = tape.Log(tape.Max(stacked, TINY))
        return tape.Div(tape.Sub(logarithms, tape.floats(self.mean)), tape.floats(self.deviation))


def _together(tape: Tape, standardised: ir.Value) -> ir.Value:
    """The squares of those that are above what is usual, added up."""
    return tape.ReduceSumSquare(tape.Relu(standardised), keepdims=0)


@dataclass(frozen=True)
class Together:
    """The checks' statistics, fitted, with what is usual of them. sizes: how many measured values each takes."""

    statistics: tuple[Statistic, ...]
    sizes: tuple[int, ...]
    usual: Usual

    def write(self, tape: Tape, values: Sequence[ir.Value], /) -> Written:
        written = [s.write(tape, part) for s, part in zip(self.statistics, _parts(values, self.sizes), strict=True)]
        statistic = _together(tape, self.usual.standardised(tape, [one.statistic for one in written]))
        return Written(statistic, tape.Concat(*(one.deviations for one in written), axis=0))


@dataclass(frozen=True)
class Cascade:
    """The first checks together decide whether an image is doubtful: then those that follow are computed, in a branch
    of an If, and all of them together are the statistic; else nothing more. Doubtful images come after all others, so
    that it is one statistic.

    limit: of the first checks' statistic, above which an image is doubtful. watched: features of those that follow.
    """

    first: Together
    closer: Together
    limit: float
    watched: int

    def write(self, tape: Tape, values: Sequence[ir.Value], /) -> Written:
        of_first, of_closer = _parts(values, (sum(self.first.sizes), sum(self.closer.sizes)))
        found = self.first.write(tape, of_first)
        beyond = tape.Sub(found.statistic, self.limit)
        closer, enough = (ir.Graph([], [], nodes=[], name=name) for name in ("closer", "enough"))
        looking = Tape(closer)
        followed = self.closer.write(looking, of_closer)
        closer.outputs.extend([looking.Add(found.statistic, followed.statistic), followed.deviations])
        passed = Tape(enough)
        enough.outputs.extend([passed.Identity(beyond), passed.zeros((self.watched,))])
        # A statistic that is no number is doubtful.
        doubtful = tape.Not(tape.LessOrEqual(beyond, 0.0))
        statistic, deviations = tape.If(doubtful, outputs=2, then_branch=closer, else_branch=enough)
        statistic.dtype, statistic.shape = tape.dtype, ir.Shape(())
        deviations.dtype, deviations.shape = tape.dtype, ir.Shape((self.watched,))
        return Written(statistic, tape.Concat(found.deviations, deviations, axis=0))


def _parts(values: Sequence[ir.Value], sizes: Sequence[int]) -> list[Sequence[ir.Value]]:
    return [values[start:end] for start, end in pairwise(accumulate(sizes, initial=0))]
