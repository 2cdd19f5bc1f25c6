"""What every head gives to the rest of the export."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ..errors import NetworkError
from ..graph.tape import Tape, shape_of
from ..network.forward import Forward
from .prediction import Prediction

EXACT_ROWS = 16
"""Up to this many score factors the Fisher information is computed exactly by default."""


MOST_ROWS = 1024
"""More score factors than these, one reverse pass each, are refused rather than waited for."""


@dataclass(frozen=True)
class Directions:
    """The rows xi that score factors are combined by, float64 [S, size].

    All unit vectors (exact), or Rademacher vectors over sqrt(S): E[sum_s (xi_s L)ᵀ(xi_s L)] = LᵀL,
    Hutchinson's estimator, drawn once so that the bundle is deterministic.
    """

    rows: NDArray[np.float64]
    exact: bool

    @classmethod
    def choose(cls, size: int, probes: int | None) -> Directions:
        """For `size` score factors. probes: how many random ones; 0 for all unit vectors; None for
        all up to EXACT_ROWS, else 2 probes. Raises NetworkError for all of more than MOST_ROWS."""
        if probes is None:
            probes = 0 if size <= EXACT_ROWS else 2
        if probes == 0:
            if size > MOST_ROWS:
                raise NetworkError(f"{size} score factors cannot all be computed, at most {MOST_ROWS}. Give --probes.")
            return cls(np.eye(size), exact=True)
        signs = np.random.default_rng(0).choice([-1.0, 1.0], (probes, size))
        return cls(signs / np.sqrt(probes), exact=False)

    def written(self, tape: Tape, columns: slice, shape: tuple[int, ...]) -> ir.Value:
        """Some of the rows' columns in the graph, [S, *shape]; signs take a byte each in the file."""
        rows = self.rows[:, columns].reshape(-1, *shape)
        if self.exact:
            return tape.floats(rows)
        signs = tape.Cast(tape.constant(np.sign(rows).astype(np.int8)), to=tape.dtype)
        return tape.Mul(signs, 1.0 / math.sqrt(len(rows)))


Metric = Callable[[Tape, Mapping[ir.Value, ir.Value]], ir.Value]
"""wᵀ LᵀL w of a direction w in the distribution parameters, given for each root: a scalar."""


@dataclass(frozen=True)
class Readout:
    """A head's reading of the members' outputs, written into the graph.

    prediction: values with their variances, None for a classifier. outputs: a classifier's outputs
    of the bundle by name, else empty. roots: distribution parameters o, each with its score factors
    stacked, [S, *shape of o]: seeding the reverse pass with one row for every root gives the
    derivative of one score factor. regressors: float [P], what usual features are conditioned on.
    exact: whether the rows give the whole information, or an estimate by random probes. metric: the
    information about the roots. entropy: of the predicted distribution in nats, up to a constant,
    averaged over the members, a scalar. target: the scalar that explanation maps explain; held: what
    counts as constant in it.
    """

    prediction: Prediction | None
    outputs: dict[str, ir.Value]
    roots: dict[ir.Value, ir.Value]
    regressors: ir.Value
    exact: bool
    metric: Metric
    entropy: ir.Value
    target: ir.Value
    held: tuple[ir.Value, ...]

    @property
    def passes(self) -> int:
        """Reverse passes: the rows of each root."""
        return shape_of(next(iter(self.roots.values())))[0]


class Head(Protocol):
    """The meaning of a network's outputs."""

    @property
    def kind(self) -> str:
        """The manifest's `head`."""
        ...

    def read_out(self, forward: Forward, probes: int | None) -> Readout:
        """Write value, uncertainty and score factors. `probes` None decides between all score
        factors and random probes by their number; 0 asks for all. Raises NetworkError for outputs
        that the head cannot read."""
        ...
