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
"""Spread of a usual logarithm that rounding may cause."""


@dataclass(frozen=True)
class Usual:
    """The usual distribution of the logarithms of m statistics, float64 [m] each.

    median; spread: the root mean square of what those above the median exceed it by. Only what is large counts as
    unusual, and statistics such as an entropy are skew: below the median they reach over decades, which says nothing of
    how far above it is unusual. weight: the reciprocal of the summed correlations of a square excess with all of them,
    its own among them: checks that rise together count once together.
    """

    median: NDArray[np.float64]
    spread: NDArray[np.float64]
    weight: NDArray[np.float64]

    @classmethod
    def of(cls, statistics: Columns) -> Usual:
        """Fit to m statistics of usual images, [n] each."""
        logarithms = _logarithms(statistics)
        median = np.median(logarithms, axis=0)
        excess = np.maximum(logarithms - median, 0.0)
        above = np.maximum((excess > 0).sum(axis=0), 1)
        spread = np.maximum(np.sqrt((excess**2).sum(axis=0) / above), _LEAST_SPREAD)
        return cls(median, spread, 1.0 / np.abs(_correlation((excess / spread) ** 2)).sum(axis=1))

    def of_part(self, part: slice) -> Usual:
        """Take some of the statistics, with the weights that they have among all."""
        return Usual(self.median[part], self.spread[part], self.weight[part])

    def together(self, statistics: Columns) -> NDArray[np.float64]:
        """Add up what these m statistics of n images give together, [n], as the graph adds them up."""
        excess = np.maximum((_logarithms(statistics) - self.median) / self.spread, 0.0)
        return (self.weight * excess**2).sum(axis=1)

    def write_together(self, tape: Tape, statistics: Sequence[ir.Value]) -> ir.Value:
        """Write the weighted squares of what the statistics' logarithms exceed their median by, added up: no power of
        an image's statistic is lost in them, as p-values lose what is beyond all usual images."""
        stacked = tape.Concat(*(tape.Unsqueeze(value, [0]) for value in statistics), axis=0)
        excess = tape.Relu(tape.Sub(tape.Log(tape.Max(stacked, TINY)), tape.floats(self.median)))
        return tape.ReduceSumSquare(tape.Mul(excess, tape.floats(np.sqrt(self.weight) / self.spread)), keepdims=0)


def _logarithms(statistics: Columns) -> NDArray[np.float64]:
    """[n, m], as the graph takes them."""
    return np.log(np.maximum(np.stack(statistics, axis=1).astype(np.float64), TINY))


def _correlation(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """[m, m] of values [n, m]; one that hardly changes beside its spread, and so by rounding, goes along with none."""
    centred = values - values.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0) + len(values) * _LEAST_SPREAD**2)
    correlation = centred.T @ centred / np.outer(length, length)
    np.fill_diagonal(correlation, 1.0)
    return correlation


@dataclass(frozen=True)
class Together:
    """The checks' statistics, fitted, with what is usual of them. sizes: how many measured values each takes."""

    statistics: tuple[Statistic, ...]
    sizes: tuple[int, ...]
    usual: Usual

    def write(self, tape: Tape, values: Sequence[ir.Value], /) -> Written:
        written = [s.write(tape, part) for s, part in zip(self.statistics, _parts(values, self.sizes), strict=True)]
        statistic = self.usual.write_together(tape, [one.statistic for one in written])
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
