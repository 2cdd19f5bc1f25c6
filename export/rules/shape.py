"""Operators that move elements without changing them."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ..registry import Step, rule
from ..tape import shape_of
from .broadcasting import unbroadcast


def _reshape_back(s: Step) -> ir.Value:
    return s.op.Reshape(s.ct, list(s.shape()))


def _transpose(s: Step) -> ir.Value:
    perm = s.attribute("perm", list(reversed(range(len(s.shape())))))
    return s.op.Transpose(s.ct, perm=[int(i) for i in np.argsort(perm)])


def _concat(s: Step) -> ir.Value:
    axis = s.attribute("axis", 0)
    sizes = [s.shape(i)[axis] for i in range(len(s.node.inputs))]
    start = sum(sizes[: s.index])
    return s.op.Slice(s.ct, [start], [start + sizes[s.index]], [axis])


def _split(s: Step) -> ir.Value:
    axis = s.attribute("axis", 0)
    parts = [
        s.op.zeros(shape_of(output)) if ct is None else ct
        for output, ct in zip(s.node.outputs, s.cotangents, strict=True)
    ]
    return s.op.Concat(*parts, axis=axis)


rule("Reshape", _reshape_back, None)
rule("Flatten", _reshape_back)
rule("Squeeze", _reshape_back, None)
rule("Unsqueeze", _reshape_back, None)
rule("Transpose", _transpose)
rule("Expand", lambda s: unbroadcast(s.op, s.ct, shape_of(s.y), s.shape()), None)
rule("Concat", _concat)
rule("Split", _split, None)
