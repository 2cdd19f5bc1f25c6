"""What classifier heads share: score factors of probabilities, entropies, and what their classes are explained by."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from ..graph.tape import Tape, shape_of
from .prediction import average
from .readout import Directions, Explained

_SMALLEST = float(np.finfo(np.float32).tiny)
"""Probability below which logarithms and quotients are not taken."""


def score_factors(tape: Tape, probability: ir.Value, chosen: Directions) -> ir.Value:
    """Rows whose squares add up to diag(p) - p pᵀ, [S, 1, K, ...], for a temperature of one."""
    shape = shape_of(probability)
    if chosen.exact and len(shape) == 2:
        return _cholesky_factors(tape, probability, shape[1])
    weighted = tape.Mul(chosen.written(tape, slice(None), shape), tape.Sqrt(probability))
    total = tape.ReduceSum(weighted, [2], keepdims=1)
    return tape.Sub(weighted, tape.Mul(total, probability))


def _cholesky_factors(tape: Tape, probability: ir.Value, classes: int) -> ir.Value:
    """[K - 1, 1, K]: rows r_j = sqrt(p_j q_j / q_(j-1)) (e_j - sum_(i>j) p_i / q_j e_i), with the tails
    q_j = sum_(i>j) p_i (Tanabe & Sagae 1992, J. R. Stat. Soc. B 54, theorem 1)."""
    tails = tape.Max(tape.CumSum(probability, np.array(1, np.int64), exclusive=1, reverse=1), _SMALLEST)
    scale = tape.Sqrt(tape.Mul(probability, tape.Div(tails, tape.Add(tails, probability))))
    per_row = [tape.Reshape(tape.Slice(v, [0], [classes - 1], [1]), [classes - 1, 1]) for v in (scale, tails)]
    later = tape.floats(np.triu(np.ones((classes, classes)), 1)[:-1])
    rows = tape.Sub(tape.floats(np.eye(classes)[:-1]), tape.Mul(later, tape.Div(probability, per_row[1])))
    return tape.Unsqueeze(tape.Mul(per_row[0], rows), [1])


def multinomial_metric(tape: Tape, probability: ir.Value, direction: ir.Value) -> ir.Value:
    """The scalar wᵀ (diag(p) - p pᵀ) w of a direction w, summed over pixels."""
    mean = tape.ReduceSum(tape.Mul(probability, direction), [1], keepdims=1)
    deviation = tape.Sub(direction, mean)
    return tape.ReduceSum(tape.Mul(probability, tape.Mul(deviation, deviation)), keepdims=0)


def entropy_outputs(tape: Tape, probability: ir.Value, of_members: ir.Value, members: int) -> dict[str, ir.Value]:
    """The bundle's outputs entropy and mutual_information of probabilities [1, K, ...], each [] or [h, w].

    of_members: the members' mean entropy, [1, ...]; of one member there is no mutual information.
    """
    if members == 1:
        zero = tape.Mul(of_members, 0.0)
        return {"entropy": tape.Squeeze(of_members, [0]), "mutual_information": tape.Squeeze(zero, [0])}
    total = entropy(tape, probability, tape.Log(tape.Max(probability, _SMALLEST)))
    information = tape.Max(tape.Sub(total, of_members), 0.0)
    return {"entropy": tape.Squeeze(total, [0]), "mutual_information": tape.Squeeze(information, [0])}


def entropy(tape: Tape, probability: ir.Value, log_probability: ir.Value) -> ir.Value:
    """The entropy over axis 1, in nats: [1, ...] from [1, K, ...]."""
    return tape.Neg(tape.ReduceSum(tape.Mul(probability, log_probability), [1], keepdims=0))


def class_shares(tape: Tape, probability: ir.Value) -> ir.Value:
    """The share of each class among the predictions, [K]: one and zeros for a single prediction."""
    one_hot = _predicted(tape, probability)
    return tape.ReduceMean(one_hot, [0, *range(2, len(shape_of(probability)))], keepdims=0)


def predicted_log_probability(tape: Tape, probability: ir.Value) -> Explained:
    """The log probability of the class that is predicted (of each pixel, added up), whatever would be predicted
    elsewhere."""
    chosen = _predicted(tape, probability)
    logarithm = tape.Log(tape.Max(probability, _SMALLEST))
    return Explained(tape.ReduceSum(tape.Mul(chosen, logarithm), keepdims=0), (chosen,))


def predicted_log_odds(tape: Tape, members: Sequence[ir.Value], probability: ir.Value) -> Explained:
    """The log odds of the class that is predicted, of logits [1, K, ...], the mean over the members (of each pixel,
    added up).

    Its gradient is that of the class's log probability over one less the probability: it does not vanish where the
    network is sure, and keeps its sign.
    """
    chosen = _predicted(tape, probability)
    terms, held = [], [chosen]
    for logits in members:
        others = tape.Sub(logits, tape.Mul(chosen, _APART))
        largest = tape.ReduceMax(others, [1], keepdims=1)  # only moves the exponentials' range: its derivative is none
        held.append(largest)
        log_sum = tape.Log(tape.ReduceSum(tape.Exp(tape.Sub(others, largest)), [1], keepdims=1))
        own = tape.ReduceSum(tape.Mul(chosen, logits), [1], keepdims=1)
        terms.append(tape.Sub(own, tape.Add(log_sum, largest)))
    return Explained(tape.ReduceSum(average(tape, terms), keepdims=0), tuple(held))


_APART = 1e9
"""So far below all others is the logit of a class that a sum leaves out."""


def _predicted(tape: Tape, probability: ir.Value) -> ir.Value:
    """One for the most probable class, zero for the others, of the probability's shape."""
    classes = shape_of(probability)[1]
    return tape.OneHot(tape.ArgMax(probability, axis=1, keepdims=0), classes, tape.floats([0.0, 1.0]), axis=1)
