"""Softmax classifier with temperature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import onnx_ir as ir

from ..errors import NetworkError
from ..tape import Tape, shape_of
from .readout import Directions, Readout


@dataclass(frozen=True)
class Softmax:
    """Logits [1, K]; probability = softmax(logits / temperature) (Guo et al. 2017, arXiv 1706.04599).

    Score factors with o = logits: l_k = sqrt(p_k) (e_k - p) / temperature, k = 1...K.
    """

    temperature: float = 1.0
    kind: ClassVar[Literal["softmax"]] = "softmax"

    def read_out(self, tape: Tape, members: list[list[ir.Value]], probes: int | None) -> Readout:
        if len(members) != 1:
            raise NetworkError(f"{len(members)} networks given; a softmax head expects one")
        (outputs,) = members
        shapes = [shape_of(output) for output in outputs]
        if len(outputs) != 1 or len(shapes[0]) != 2 or shapes[0][1] < 2:
            raise NetworkError(
                f"the network's outputs have shapes {[list(shape) for shape in shapes]}; a softmax head expects one "
                "output of logits [1, K], K at least 2"
            )
        logits, classes = outputs[0], shapes[0][1]
        probability = tape.Softmax(tape.Div(logits, self.temperature), axis=1)
        chosen = Directions.choose(classes, probes)
        weighted = tape.Mul(tape.floats(chosen.rows[:, None, :]), tape.Sqrt(probability))
        total = tape.ReduceSum(weighted, [-1], keepdims=1)
        factors = tape.Div(tape.Sub(weighted, tape.Mul(total, probability)), self.temperature)
        best = tape.ArgMax(logits, axis=1, keepdims=0)
        one_hot = tape.OneHot(best, [classes], tape.floats([0.0, 1.0]))
        return Readout(
            {"probability": tape.Squeeze(probability, [0])}, {logits: factors}, tape.Reshape(one_hot, [-1]), chosen
        )
