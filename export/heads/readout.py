"""What every head gives to the rest of the export."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, Self

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ..errors import NetworkError
from ..graph.tape import Tape, shape_of
from ..network.forward import Forward
from ..network.posterior import Posterior
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
        """Choose the rows for `size` score factors. probes: how many random ones; 0 for all unit vectors; None for
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
        """Write some of the rows' columns into the graph, [S, *shape]; signs take a byte each in the file."""
        rows = self.rows[:, columns].reshape(-1, *shape)
        if self.exact:
            return tape.floats(rows)
        signs = tape.Cast(tape.constant(np.sign(rows).astype(np.int8)), to=tape.dtype)
        return tape.Mul(signs, 1.0 / math.sqrt(len(rows)))


Metric = Callable[[Tape, Mapping[ir.Value, ir.Value]], ir.Value]
"""wᵀ LᵀL w of a direction w in the distribution parameters, given for each root: a scalar."""


@dataclass(frozen=True)
class Explained:
    """The subject of explanation maps. target: a scalar; held: values that count as constant in it."""

    target: ir.Value
    held: tuple[ir.Value, ...]


@dataclass(frozen=True)
class Readout:
    """A head's reading of the members' outputs, written into the graph.

    prediction: values with their variances, None for a classifier. outputs: a classifier's outputs
    of the bundle by name, else empty. roots: distribution parameters o, each with its score factors
    stacked, [S, *shape of o]: seeding the reverse pass with one row for every root gives the
    derivative of one score factor. regressors: float [P], what usual features are conditioned on.
    exact: whether the rows give the whole information, or an estimate by random probes. metric: the
    information about the roots. entropy: of the predicted distribution in nats, up to a constant,
    averaged over the members, a scalar. explained: what maps explain; score: what the Rao score is the gradient of: of
    classes the log odds of the predicted one, of values their standardised sum.
    """

    prediction: Prediction | None
    outputs: dict[str, ir.Value]
    roots: dict[ir.Value, ir.Value]
    regressors: ir.Value
    exact: bool
    metric: Metric
    entropy: ir.Value
    explained: Explained
    score: Explained

    @property
    def passes(self) -> int:
        """Reverse passes: the rows of each root."""
        return shape_of(next(iter(self.roots.values())))[0]


@dataclass(frozen=True)
class HeadOptions:
    """The options that a head is made with. logarithmic: the network predicts the logarithm of the measurand.
    coverage_probability: that the outer quantiles were trained for. posterior: of the last layer, where the
    network came with one."""

    logarithmic: bool = False
    coverage_probability: float = 0.95
    posterior: Posterior | None = None


class Head(Protocol):
    """The meaning of a network's outputs."""

    kind: ClassVar[str]
    """The manifest's `head`, and the name on the command line."""

    @classmethod
    def of(cls, options: HeadOptions) -> Self:
        """Make the head. Raises NetworkError for options that lack what it needs."""
        ...

    def read_out(self, forward: Forward, probes: int | None) -> Readout:
        """Write value, uncertainty and score factors. `probes` None decides between all score
        factors and random probes by their number; 0 asks for all. Raises NetworkError for outputs
        that the head cannot read."""
        ...

    def fitted(self, outputs: Callable[[], NDArray[np.float32]], targets: NDArray, fitting: slice) -> Self:
        """The head with what is fitted to known values before anything is written; itself, where nothing is.

        targets: of all images, [n, ...]. outputs: runs the members over those of them that fit, and gives their first
        outputs, [m, M, ...]. Raises CalibrationError for targets that do not fit the outputs.
        """
        return self

    @property
    def fitted_temperature(self) -> float | None:
        """The manifest's `temperature`; None for heads without one."""
        return None


def split_outputs(
    tape: Tape, members: Sequence[Sequence[ir.Value]], names: Sequence[str], head: str
) -> list[list[ir.Value]]:
    """Split each member's outputs by what they mean: one output whose axis 1 holds all of `names` one after the
    other, or an output for each.

    Raises NetworkError for outputs of other shapes.
    """
    return [_split_member(tape, outputs, names, head) for outputs in members]


def _split_member(tape: Tape, outputs: Sequence[ir.Value], names: Sequence[str], head: str) -> list[ir.Value]:
    shapes, count = [shape_of(output) for output in outputs], len(names)
    if len(outputs) == count and len(set(shapes)) == 1 and len(shapes[0]) >= 2:
        return list(outputs)
    if len(outputs) == 1 and len(shapes[0]) >= 2 and shapes[0][1] % count == 0:
        return split_channels(tape, outputs[0], count)
    raise unreadable(outputs, head, f"one output [1, {count}D] ({', '.join(names)}), or {count} outputs [1, D]")


def unreadable(outputs: Sequence[ir.Value], head: str, expected: str) -> NetworkError:
    """The error that is raised for outputs which a head cannot read."""
    shapes = [list(shape_of(output)) for output in outputs]
    return NetworkError(
        f"the network's outputs have shapes {shapes}; the {head} head expects {expected}, each with or without "
        "an image's axes behind. Choose by --network-output."
    )


def split_channels(tape: Tape, output: ir.Value, count: int) -> list[ir.Value]:
    """Split an output [1, count * D, ...] into `count` parts [1, D, ...]."""
    _, channels, *size = shape_of(output)
    share = channels // count
    found = list(tape.Split(output, [share] * count, axis=1, outputs=count))
    for part in found:
        part.shape, part.dtype = ir.Shape((1, share, *size)), tape.dtype
    return found


def only_member(members: Sequence[list[ir.Value]], head: str) -> list[ir.Value]:
    """The outputs of the one network that there must be. Raises NetworkError for several."""
    if len(members) != 1:
        raise NetworkError(f"{len(members)} networks given; the {head} head expects one")
    return members[0]
