"""Softmax classifier with temperature, and ensembles of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import onnx_ir as ir

from ..errors import NetworkError
from ..graph.tape import Tape, shape_of
from ..network.forward import Forward
from .prediction import average
from .readout import Directions, Readout


@dataclass(frozen=True)
class Softmax:
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

    def read_out(self, forward: Forward, probes: int | None) -> Readout:
        tape = forward.tape
        logits = [_logits(outputs) for outputs in forward.outputs]
        shape = shape_of(logits[0])
        scaled = [tape.Div(member, self.temperature) for member in logits]
        probabilities = [tape.Softmax(member, axis=1) for member in scaled]
        probability = average(tape, probabilities)
        entropies = [_entropy(tape, p, tape.LogSoftmax(z, axis=1)) for p, z in zip(probabilities, scaled, strict=True)]
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
            **predicted_log_probability(tape, probability),
        )

    def _metric(
        self, tape: Tape, members: Mapping[ir.Value, ir.Value], direction: Mapping[ir.Value, ir.Value]
    ) -> ir.Value:
        terms = [multinomial_metric(tape, p, direction[logits]) for logits, p in members.items()]
        return tape.Mul(average(tape, terms), 1.0 / self.temperature**2)


def _logits(outputs: Sequence[ir.Value]) -> ir.Value:
    shapes = [shape_of(output) for output in outputs]
    if len(outputs) != 1 or len(shapes[0]) < 2 or shapes[0][1] < 2:
        raise NetworkError(
            f"the network's outputs have shapes {[list(shape) for shape in shapes]}; a softmax head expects one "
            "output of logits [1, K] or [1, K, h, w], K at least 2. Choose by --network-output."
        )
    return outputs[0]


def score_factors(tape: Tape, probability: ir.Value, chosen: Directions) -> ir.Value:
    """Rows whose squares add up to diag(p) - p pᵀ, [S, 1, K, ...], for a temperature of one."""
    shape = shape_of(probability)
    if chosen.exact and len(shape) == 2:
        return _cholesky_factors(tape, probability, shape[1])
    weighted = tape.Mul(chosen.written(tape, slice(None), shape), tape.Sqrt(probability))
    total = tape.ReduceSum(weighted, [2], keepdims=1)
    return tape.Sub(weighted, tape.Mul(total, probability))


def multinomial_metric(tape: Tape, probability: ir.Value, direction: ir.Value) -> ir.Value:
    """wᵀ (diag(p) - p pᵀ) w, summed over pixels: a scalar."""
    mean = tape.ReduceSum(tape.Mul(probability, direction), [1], keepdims=1)
    deviation = tape.Sub(direction, mean)
    return tape.ReduceSum(tape.Mul(probability, tape.Mul(deviation, deviation)), keepdims=0)


def entropy_outputs(tape: Tape, probability: ir.Value, of_members: ir.Value, members: int) -> dict[str, ir.Value]:
    """entropy and mutual_information of probabilities [1, K, ...], each [] or [h, w].

    of_members: the members' mean entropy, [1, ...]; of one member there is no mutual information.
    """
    if members == 1:
        zero = tape.Mul(of_members, 0.0)
        return {"entropy": tape.Squeeze(of_members, [0]), "mutual_information": tape.Squeeze(zero, [0])}
    tiny = float(np.finfo(np.float32).tiny)
    entropy = _entropy(tape, probability, tape.Log(tape.Max(probability, tiny)))
    information = tape.Max(tape.Sub(entropy, of_members), 0.0)
    return {"entropy": tape.Squeeze(entropy, [0]), "mutual_information": tape.Squeeze(information, [0])}


def _entropy(tape: Tape, probability: ir.Value, log_probability: ir.Value) -> ir.Value:
    return tape.Neg(tape.ReduceSum(tape.Mul(probability, log_probability), [1], keepdims=0))


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


def class_shares(tape: Tape, probability: ir.Value) -> ir.Value:
    """The share of each class among the predictions, [K]: one and zeros for a single prediction."""
    shape = shape_of(probability)
    one_hot = tape.OneHot(tape.ArgMax(probability, axis=1, keepdims=0), shape[1], tape.floats([0.0, 1.0]), axis=1)
    return tape.ReduceMean(one_hot, [0, *range(2, len(shape))], keepdims=0)


def predicted_log_probability(tape: Tape, probability: ir.Value) -> dict[str, Any]:
    """What maps of classification explain, `target` and `held` of a Readout: the log probability of the
    class that is predicted (of each pixel, added up), whatever would be predicted elsewhere."""
    tiny = float(np.finfo(np.float32).tiny)
    classes = shape_of(probability)[1]
    chosen = tape.OneHot(tape.ArgMax(probability, axis=1, keepdims=0), classes, tape.floats([0.0, 1.0]), axis=1)
    logarithm = tape.Log(tape.Max(probability, tiny))
    return {"target": tape.ReduceSum(tape.Mul(chosen, logarithm), keepdims=0), "held": (chosen,)}
