"""Operators that move elements without changing them."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from ...graph.tape import shape_of
from ..registry import Step, rule
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


def _tile(s: Step) -> ir.Value:
    """Each copy adds its share."""
    repeats = [int(n) for n in s.known(1)]
    split = [n for pair in zip(repeats, s.shape(), strict=True) for n in pair]
    return s.op.ReduceSum(s.op.Reshape(s.ct, split), list(range(0, len(split), 2)), keepdims=0)


def _depth_to_space(s: Step) -> ir.Value:
    """[N, C b^2, H, W] to [N, C, bH, bW]: back by the axes of the blocks."""
    n, c, h, w = s.shape()
    b = s.attribute("blocksize", 1)
    blocks = s.op.Reshape(s.ct, [n, c // b**2, h, b, w, b])
    perm = [0, 3, 5, 1, 2, 4] if s.attribute("mode", "DCR") == "DCR" else [0, 1, 3, 5, 2, 4]
    return s.op.Reshape(s.op.Transpose(blocks, perm=perm), [n, c, h, w])


rule("Tile", _tile, None)
rule("DepthToSpace", _depth_to_space)
rule("SpaceToDepth", lambda s: s.op.DepthToSpace(s.ct, blocksize=s.attribute("blocksize", 1), mode="DCR"))
rule("Reshape", _reshape_back, None)
rule("Flatten", _reshape_back)
rule("Squeeze", _reshape_back, None)
rule("Unsqueeze", _reshape_back, None)
rule("Transpose", _transpose)
rule("Expand", lambda s: unbroadcast(s.op, s.ct, shape_of(s.y), s.shape()), None)
rule("Concat", _concat)
rule("Split", _split, None)
