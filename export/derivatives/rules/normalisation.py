"""Normalisation of activations, by stored and by their own statistics."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from ...graph.tape import shape_of
from ..registry import Step, rule
from .singular import infinite_for_zero


def _per_channel(s: Step, value: ir.Value) -> ir.Value:
    """A vector [C] as [1, C, 1, ...]."""
    return s.op.Reshape(value, [1, -1, *(1,) * (len(s.shape()) - 2)])


def _batch_slope(s: Step) -> ir.Value:
    """scale / sqrt(variance + epsilon), [C]."""
    return s.op.Div(s.x(1), _batch_deviation(s))


def _batch_deviation(s: Step) -> ir.Value:
    return s.op.Sqrt(s.op.Add(s.x(4), float(s.attribute("epsilon", 1e-5))))


def _summed(s: Step, value: ir.Value) -> ir.Value:
    """Over everything but the channels, [C]."""
    return s.op.ReduceSum(value, [0, *range(2, len(s.shape()))], keepdims=0)


def _batch_centred(s: Step) -> ir.Value:
    return s.op.Sub(s.x(), _per_channel(s, s.x(3)))


def _batch_scale(s: Step) -> ir.Value:
    return s.op.Div(_summed(s, s.op.Mul(s.ct, _batch_centred(s))), _batch_deviation(s))


def _batch_variance(s: Step) -> ir.Value:
    through = s.op.Mul(_summed(s, s.op.Mul(s.ct, _batch_centred(s))), _batch_slope(s))
    return s.op.Mul(-0.5, s.op.Div(through, s.op.Add(s.x(4), float(s.attribute("epsilon", 1e-5)))))


def _standardised(s: Step, axes: Sequence[int]) -> tuple[ir.Value, ir.Value]:
    """(x - mean) / deviation over `axes`, and 1 / deviation, as the operator computes them."""
    centred = s.op.Sub(s.x(), s.op.ReduceMean(s.x(), list(axes), keepdims=1))
    variance = s.op.ReduceMean(s.op.Mul(centred, centred), list(axes), keepdims=1)
    inverse = s.op.Reciprocal(s.op.Sqrt(s.op.Add(variance, float(s.attribute("epsilon", 1e-5)))))
    return s.op.Mul(centred, inverse), inverse


def _through_statistics(s: Step, axes: Sequence[int], ct: ir.Value) -> ir.Value:
    """The cotangent of x from that of the standardised values (Ioffe & Szegedy 2015, section 3)."""
    standardised, inverse = _standardised(s, axes)
    mean = s.op.ReduceMean(ct, list(axes), keepdims=1)
    along = s.op.ReduceMean(s.op.Mul(ct, standardised), list(axes), keepdims=1)
    return s.op.Mul(inverse, s.op.Sub(s.op.Sub(ct, mean), s.op.Mul(standardised, along)))


def _spatial(s: Step) -> range:
    return range(2, len(s.shape()))


def _instance_input(s: Step) -> ir.Value:
    return _through_statistics(s, _spatial(s), s.op.Mul(s.ct, _per_channel(s, s.x(1))))


def _instance_scale(s: Step) -> ir.Value:
    standardised, _ = _standardised(s, _spatial(s))
    return _summed(s, s.op.Mul(s.ct, standardised))


def _layer_axes(s: Step) -> range:
    rank = len(s.shape())
    return range(s.attribute("axis", -1) % rank, rank)


def _layer_input(s: Step) -> ir.Value:
    return _through_statistics(s, _layer_axes(s), s.op.Mul(s.ct, s.x(1)))


def _layer_scale(s: Step) -> ir.Value:
    standardised, _ = _standardised(s, _layer_axes(s))
    return _over_leading(s, s.op.Mul(s.ct, standardised))


def _over_leading(s: Step, value: ir.Value) -> ir.Value:
    """Summed over the axes that the weight lacks; those it has with length one are kept."""
    rank, shape = len(shape_of(value)) if value.shape else len(s.shape()), s.shape(s.index)
    lead = rank - len(shape)
    axes = [*range(lead), *(lead + i for i, n in enumerate(shape) if n == 1 != s.shape()[lead + i])]
    summed = s.op.ReduceSum(value, axes, keepdims=1) if axes else value
    return s.op.Reshape(summed, list(shape))


def _local_response(s: Step) -> ir.Value:
    """Of y = x / d^beta, d = bias + alpha/size sum of x^2 over neighbouring channels (Krizhevsky et al.
    2012, section 3.3): ct / d^beta - 2 alpha beta / size x sum(ct x / d^(beta + 1))."""
    size, alpha = s.attribute("size", 1), float(s.attribute("alpha", 1e-4))
    beta, bias = float(s.attribute("beta", 0.75)), float(s.attribute("bias", 1.0))
    before, after = (size - 1) // 2, size // 2
    base = s.op.Add(bias, s.op.Mul(alpha / size, _over_channels(s, s.op.Mul(s.x(), s.x()), before, after)))
    direct = s.op.Div(s.ct, s.op.Pow(base, beta))
    weighted = s.op.Div(s.op.Mul(s.ct, s.x()), s.op.Pow(base, beta + 1.0))
    around = _over_channels(s, weighted, after, before)
    return s.op.Sub(direct, s.op.Mul(2.0 * alpha * beta / size, s.op.Mul(s.x(), around)))


def _over_channels(s: Step, value: ir.Value, before: int, after: int) -> ir.Value:
    """Each channel's sum with so many before and after it."""
    rank, channels = len(s.shape()), s.shape()[1]
    if before + after == 0:
        return value
    pads = [0] * (2 * rank)
    pads[1], pads[1 + rank] = before, after
    wide = s.op.Pad(value, pads)
    return s.op.Sum(*(s.op.Slice(wide, [i], [i + channels], [1]) for i in range(before + after + 1)))


def _unit_norm(s: Step) -> ir.Value:
    """Of x / ||x||_p, p = 1 or 2: (ct - slope of the norm * sum(ct y)) / ||x||_p. Of zeros the operator gives zeros,
    and zero is the derivative that is taken there."""
    p, axis = s.attribute("p", 2), s.attribute("axis", -1)
    if p == 2:
        norm, slope = s.op.Sqrt(s.op.ReduceSum(s.op.Mul(s.x(), s.x()), [axis], keepdims=1)), s.y
    else:
        norm, slope = s.op.ReduceSum(s.op.Abs(s.x()), [axis], keepdims=1), s.op.Sign(s.x())
    along = s.op.ReduceSum(s.op.Mul(s.ct, s.y), [axis], keepdims=1)
    return s.op.Div(s.op.Sub(s.ct, s.op.Mul(slope, along)), infinite_for_zero(s.op, norm))


rule(
    "BatchNormalization",
    lambda s: s.op.Mul(s.ct, _per_channel(s, _batch_slope(s))),
    _batch_scale,
    lambda s: _summed(s, s.ct),
    lambda s: s.op.Neg(s.op.Mul(_summed(s, s.ct), _batch_slope(s))),
    _batch_variance,
)
rule("InstanceNormalization", _instance_input, _instance_scale, lambda s: _summed(s, s.ct))
rule("LayerNormalization", _layer_input, _layer_scale, lambda s: _over_leading(s, s.ct))
rule("LRN", _local_response)
rule("LpNormalization", _unit_norm)
rule("Dropout", lambda s: s.ct, None, None)
