"""Softmax classifier with temperature."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import onnx_ir as ir

from ..errors import NetworkError
from ..tape import Tape, shape_of
from .readout import Directions, Readout


@dataclass(frozen=True)
class Softmax:
    """Logits [1, K], or [1, K, h, w] for an image of predictions; probability = softmax(logits /
    temperature) (Guo et al. 2017, arXiv 1706.04599).

    Score factors with o = logits: l_k = sqrt(p_k) (e_k - p) / temperature, k = 1...K. All of them at once
    span only K - 1 dimensions: where none is left out, the K - 1 columns of the Cholesky factor of
    diag(p) - p pᵀ give the same information in one reverse pass less.
    """

    temperature: float = 1.0
    kind: ClassVar[Literal["softmax"]] = "softmax"

    def read_out(self, tape: Tape, members: list[list[ir.Value]], probes: int | None) -> Readout:
        if len(members) != 1:
            raise NetworkError(f"{len(members)} networks given; a softmax head expects one")
        (outputs,) = members
        shapes = [shape_of(output) for output in outputs]
        if len(outputs) != 1 or len(shapes[0]) < 2 or shapes[0][1] < 2:
            raise NetworkError(
                f"the network's outputs have shapes {[list(shape) for shape in shapes]}; a softmax head expects one "
                "output of logits [1, K] or [1, K, h, w], K at least 2. Choose by --network-output."
            )
        logits, shape = outputs[0], shapes[0]
        probability = tape.Softmax(tape.Div(logits, self.temperature), axis=1)
        chosen = Directions.choose(math.prod(shape), probes)
        if chosen.exact and len(shape) == 2:
            factors = _cholesky_factors(tape, probability, shape[1])
        else:
            weighted = tape.Mul(chosen.written(tape, slice(None), shape), tape.Sqrt(probability))
            total = tape.ReduceSum(weighted, [2], keepdims=1)
            factors = tape.Sub(weighted, tape.Mul(total, probability))
        factors = tape.Div(factors, self.temperature)
        regressors = _shares(tape, logits, shape)
        return Readout({"probability": tape.Squeeze(probability, [0])}, {logits: factors}, regressors, chosen.exact)


def _cholesky_factors(tape: Tape, probability: ir.Value, classes: int) -> ir.Value:
    """[K - 1, 1, K]: rows r_j = sqrt(p_j q_j / q_(j-1)) (e_j - sum_(i>j) p_i / q_j e_i), with the tails
    q_j = sum_(i>j) p_i (Tanabe & Sagae 1992, J. R. Stat. Soc. B 54, theorem 1)."""
    smallest = float(np.finfo(np.float32).tiny)
    tails = tape.Max(tape.CumSum(probability, np.array(1, np.int64), exclusive=1, reverse=1), smallest)
    scale = tape.Sqrt(tape.Mul(probability, tape.Div(tails, tape.Add(tails, probability))))
    per_row = [tape.Reshape(tape.Slice(v, [0], [classes - 1], [1]), [classes - 1, 1]) for v in (scale, tails)]
    later = tape.floats(np.triu(np.ones((classes, classes)), 1)[:-1])
    rows = tape.Sub(tape.floats(np.eye(classes)[:-1]), tape.Mul(later, tape.Div(probability, per_row[1])))
    return tape.Unsqueeze(tape.Mul(per_row[0], rows), [1])


def _shares(tape: Tape, logits: ir.Value, shape: tuple[int, ...]) -> ir.Value:
    """The share of each class among the predictions, [K]: one and zeros for a single prediction."""
    one_hot = tape.OneHot(tape.ArgMax(logits, axis=1, keepdims=0), [shape[1]], tape.floats([0.0, 1.0]), axis=1)
    return tape.ReduceMean(one_hot, [0, *range(2, len(shape))], keepdims=0)
