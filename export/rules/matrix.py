"""Matrix products."""

from __future__ import annotations

import onnx_ir as ir

from ..registry import Step, rule
from ..tape import shape_of
from .broadcasting import broadcast, unbroadcast


def _swapped(s: Step, value: ir.Value, rank: int) -> ir.Value:
    return s.op.Transpose(value, perm=[*range(rank - 2), rank - 1, rank - 2])


def _matmul(s: Step) -> ir.Value:
    """d(AB): ct Bᵀ and Aᵀ ct. A vector stands for a row on the left and for a column on the right,
    as numpy.matmul has it."""
    a_shape, b_shape = s.shape(0), s.shape(1)
    a, b, ct, ct_shape = s.x(0), s.x(1), s.ct, shape_of(s.y)
    if len(a_shape) == 1:
        a_shape, ct_shape = (1, *a_shape), (*ct_shape[:-1], 1, *ct_shape[-1:]) if len(b_shape) > 1 else (1,)
        a, ct = s.op.Reshape(a, list(a_shape)), s.op.Reshape(ct, list(ct_shape))
    if len(b_shape) == 1:
        b_shape, ct_shape = (*b_shape, 1), (*ct_shape, 1)
        b, ct = s.op.Reshape(b, list(b_shape)), s.op.Reshape(ct, list(ct_shape))
    batch = ct_shape[:-2]
    if s.index == 0:
        result, shape, want = s.op.MatMul(ct, _swapped(s, b, len(b_shape))), (*batch, *a_shape[-2:]), a_shape
    else:
        result, shape, want = s.op.MatMul(_swapped(s, a, len(a_shape)), ct), (*batch, *b_shape[-2:]), b_shape
    result = unbroadcast(s.op, result, shape, want)
    return result if want == s.shape(s.index) else s.op.Reshape(result, list(s.shape(s.index)))


def _gemm_factor(s: Step) -> ir.Value:
    """A and B of alpha A'B' + beta C, where ' transposes if the node says so."""
    turned = s.attribute("transA", 0), s.attribute("transB", 0)
    other = s.x(1 - s.index)
    if not turned[1 - s.index]:
        other = s.op.Transpose(other, perm=[1, 0])
    left, right = (s.ct, other) if s.index == 0 else (other, s.ct)
    result = s.op.MatMul(left, right)
    if turned[s.index]:
        result = s.op.Transpose(result, perm=[1, 0])
    return _scaled(s, result, "alpha")


def _scaled(s: Step, value: ir.Value, attribute: str) -> ir.Value:
    factor = float(s.attribute(attribute, 1.0))
    return value if factor == 1.0 else s.op.Mul(value, factor)


rule("MatMul", _matmul, _matmul)
rule("Gemm", _gemm_factor, _gemm_factor, broadcast(lambda s: _scaled(s, s.ct, "beta")))
