"""Softmax classifier with temperature, and ensembles of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ..errors import CalibrationError
from ..graph.tape import Tape, shape_of
from ..network.forward import Forward
from .classification import (
    class_shares,
    entropy,
    entropy_outputs,
    multinomial_metric,
    predicted_log_odds,
    predicted_log_probability,
    score_factors,
)
from .prediction import average
from .readout import Directions, Head, HeadOptions, Readout, split_outputs, unreadable
from .temperature import fit_temperature


@dataclass(frozen=True)
class Softmax(Head):
    """Logits [1, K], or [1, K, h, w] for an image of predictions; probability = softmax(logits /
    temperature) (Guo et al. 2017, arXiv 1706.04599), of several members the mean.

    entropy: of that mean, in nats; mutual_information: the entropy less the mean of the members' own
    entropies, what the members disagree by (Depeweg et al. 2018, arXiv 1710.07283, section 3).

    Score factors with o = logits: l_k = sqrt(p_k) (e_k - p) / temperature, k = 1...K; of M members each
    over sqrt(M). All of them at once span only K - 1 dimensions: where none is left out, the K - 1
    columns of the Cholesky factor of diag(p) - p pᵀ give the same information in one reverse pass less.
    """

    temperature: float = 1.0
    kind: ClassVar[str] = "softmax"

    @classmethod
    def of(cls, options: HeadOptions) -> Self:
        return cls()

    @property
    def fitted_temperature(self) -> float:
        return self.temperature

    def fitted(self, outputs: Callable[[], NDArray[np.float32]], targets: NDArray, fitting: slice) -> Self:
        """The head with the temperature that fits the known classes best."""
        logits = outputs()
        if logits.ndim > 3 or targets.ndim > 1:
            raise CalibrationError(
                f"targets for a network with results {list(logits.shape[2:])}; a temperature is fitted to one class an "
                "image. Leave out --targets: the probabilities are then the network's own."
            )
        if targets.max() >= logits.shape[2] or targets.min() < 0:
            raise CalibrationError(f"targets with classes up to {targets.max()}, the network has {logits.shape[2]}")
        return replace(self, temperature=fit_temperature(logits, targets[fitting]))

    def read_out(self, forward: Forward, probes: int | None) -> Readout:
        tape = forward.tape
        logits = [member[0] for member in split_outputs(tape, forward.outputs, ("logits",), self.kind)]
        shape = shape_of(logits[0])
        if shape[1] < 2:
            raise unreadable(logits, self.kind, "one output of logits [1, K] with K at least 2")
        scaled = [tape.Div(member, self.temperature) for member in logits]
        probabilities = [tape.Softmax(member, axis=1) for member in scaled]
        probability = average(tape, probabilities)
        entropies = [entropy(tape, p, tape.LogSoftmax(z, axis=1)) for p, z in zip(probabilities, scaled, strict=True)]
        outputs = {"probability": tape.Squeeze(probability, [0])}
        outputs |= entropy_outputs(tape, probability, average(tape, entropies), len(logits))
        chosen = Directions.choose(math.prod(shape), probes)
        share = 1.0 / (self.temperature * math.sqrt(len(logits)))
        roots = {
            member: tape.Mul(score_factors(tape, p, chosen), share)
            for member, p in zip(logits, probabilities, strict=True)
        }
        return Readout(
            prediction=None,
            outputs=outputs,
            roots=roots,
            regressors=class_shares(tape, probability),
            exact=chosen.exact,
            metric=lambda at, direction: self._metric(at, dict(zip(logits, probabilities, strict=True)), direction),
            entropy=tape.ReduceSum(average(tape, entropies), keepdims=0),
            explained=predicted_log_probability(tape, probability),
            score=predicted_log_odds(tape, scaled, probability),
        )

    def _metric(
        self, tape: Tape, members: Mapping[ir.Value, ir.Value], direction: Mapping[ir.Value, ir.Value]
    ) -> ir.Value:
        terms = [multinomial_metric(tape, p, direction[logits]) for logits, p in members.items()]
        return tape.Mul(average(tape, terms), 1.0 / self.temperature**2)
