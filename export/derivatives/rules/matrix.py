"""Matrix products."""

from __future__ import annotations

import onnx_ir as ir

from ...errors import NetworkError
from ...graph.nodes import described
from ...graph.tape import shape_of
from ..registry import Step, rule
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


def _einsum(s: Step) -> ir.Value:
    """The operand changes places with the result; letters that only it had are spread again."""
    equation = str(s.attribute("equation", "")).replace(" ", "")
    operands, arrow, result = equation.partition("->")
    terms = operands.split(",")
    own = terms[s.index]
    if "." in equation or not arrow or any(len(set(term)) < len(term) for term in (*terms, result)):
        raise NetworkError(
            f"{described(s.node)}: equation {equation}, expected an explicit result, and neither ellipsis nor a letter "
            "twice in a term. Write the contraction as MatMul and Transpose."
        )
    others = [(term, s.x(i)) for i, term in enumerate(terms) if i != s.index]
    known = set(result).union(*(term for term, _ in others))
    found = "".join(letter for letter in own if letter in known)
    inputs = ",".join([result, *(term for term, _ in others)])
    ct = s.op.Einsum(s.ct, *(value for _, value in others), equation=f"{inputs}->{found}")
    if found != own:
        ct = s.op.Unsqueeze(ct, [i for i, letter in enumerate(own) if letter not in known])
        ct = s.op.Expand(ct, list(s.shape(s.index)))
    return ct


rule("MatMul", _matmul, _matmul)
rule("Einsum", _einsum)
rule("Gemm", _gemm_factor, _gemm_factor, broadcast(lambda s: _scaled(s, s.ct, "beta")))
