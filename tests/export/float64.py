"""Running a graph in float64, which ONNX Runtime has no convolutions for.

ONNX's reference evaluator, with torch's and numpy's operators in place of those that it lacks or
that fail: on batches with groups, on axes longer than 64, on means that broadcast, on the 1-norm of
negative numbers, on vectors of norm zero, on a global maximum over other than two axes, in the last digits of the error
function. Its max pool numbers the winners differently from ONNX Runtime.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx_ir as ir
import torch
import torch.nn.functional as F
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from onnx.reference.ops.op_resize import Resize as ReferenceResize


def run(model: ir.Model, feeds: Mapping[str, np.ndarray]) -> list[Any]:
    """All outputs of a model."""
    evaluator = ReferenceEvaluator(ir.to_proto(model), new_ops=_REPLACED)
    return list(evaluator.run(None, dict(feeds)))


def widened(model: ir.Model) -> ir.Model:
    """A normalised float32 model with float64 throughout: weights, casts, inputs and outputs."""
    model = model.clone()
    graph = model.graph
    for value in graph.initializers.values():
        tensor = value.const_value
        assert tensor is not None
        if tensor.dtype == ir.DataType.FLOAT:
            value.const_value = ir.tensor(tensor.numpy().astype(np.float64), name=value.name)
            value.dtype = ir.DataType.DOUBLE
    for node in graph:
        if node.op_type == "Cast" and node.attributes["to"].value == ir.DataType.FLOAT:
            node.attributes["to"] = ir.AttrInt64("to", ir.DataType.DOUBLE)
        if node.op_type == "ConstantOfShape" and "value" in node.attributes:
            filler = node.attributes["value"].as_tensor().numpy()
            if filler.dtype == np.float32:
                node.attributes["value"] = ir.AttrTensor("value", ir.tensor(filler.astype(np.float64)))
        for output in node.outputs:
            if output.dtype == ir.DataType.FLOAT:
                output.dtype = ir.DataType.DOUBLE
    for value in graph.inputs:
        value.dtype = ir.DataType.DOUBLE
    return model


def _padded(x: np.ndarray, pads: list[int], value: float = 0.0) -> torch.Tensor:
    half = len(pads) // 2
    by_axis = [p for axis in reversed(range(half)) for p in (pads[axis], pads[axis + half])]
    return F.pad(torch.from_numpy(np.array(x, order="C")), by_axis, value=value)


class Conv(OpRun):
    def _run(self, x, w, b=None, auto_pad=None, dilations=None, group=1, kernel_shape=None, pads=None, strides=None):  # type: ignore[no-untyped-def]
        spatial = x.ndim - 2
        function = (F.conv1d, F.conv2d, F.conv3d)[spatial - 1]
        bias = None if b is None else torch.from_numpy(b)
        image = _padded(x, pads or [0] * 2 * spatial)
        weight = torch.from_numpy(np.array(w, order="C"))
        return (function(image, weight, bias, strides or 1, 0, dilations or 1, group).numpy(),)


class ConvTranspose(OpRun):
    def _run(  # type: ignore[no-untyped-def]
        self, x, w, b=None, auto_pad=None, dilations=None, group=1, kernel_shape=None, output_padding=None,
        output_shape=None, pads=None, strides=None,
    ):  # fmt: skip
        spatial = x.ndim - 2
        ones, zeros = [1] * spatial, [0] * spatial
        strides, dilations, extra = strides or ones, dilations or ones, output_padding or zeros
        pads = pads or zeros * 2
        bias = None if b is None else torch.from_numpy(b)
        function = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[spatial - 1]
        image, weight = (torch.from_numpy(np.array(a, order="C")) for a in (x, w))
        full = function(image, weight, None, strides, 0, 0, group, dilations).numpy()
        wide = np.pad(full, [(0, 0), (0, 0), *((0, e) for e in extra)])
        crop = [slice(pads[i], wide.shape[2 + i] - pads[i + spatial]) for i in range(spatial)]
        out = wide[(slice(None), slice(None), *crop)]
        return (out if bias is None else out + bias.numpy().reshape(1, -1, *ones),)


class MaxPool(OpRun):
    def _run(  # type: ignore[no-untyped-def]
        self, x, auto_pad=None, ceil_mode=None, dilations=None, kernel_shape=None, pads=None, storage_order=None,
        strides=None,
    ):  # fmt: skip
        pads = pads or [0] * 4
        image = _padded(x, pads, -np.inf)
        best, place = F.max_pool2d(image, kernel_shape, strides or 1, 0, dilations or 1, return_indices=True)
        row = place // image.shape[3] - pads[0]
        column = place % image.shape[3] - pads[1]
        plane = torch.arange(x.shape[0] * x.shape[1]).reshape(x.shape[0], x.shape[1], 1, 1)
        indices = (plane * x.shape[2] + row) * x.shape[3] + column
        return (best.numpy(), indices.numpy())[: len(self.onnx_node.output)]


class GatherElements(OpRun):
    def _run(self, x, indices, axis=0):  # type: ignore[no-untyped-def]
        return (np.take_along_axis(x, indices, axis),)


class Erf(OpRun):
    def _run(self, x):  # type: ignore[no-untyped-def]
        return (torch.erf(torch.from_numpy(x)).numpy(),)


class GlobalLpPool(OpRun):
    def _run(self, x, p=2):  # type: ignore[no-untyped-def]
        axes = tuple(range(2, x.ndim))
        return ((np.abs(x) ** p).sum(axis=axes, keepdims=True) ** (1 / p),)


class GlobalMaxPool(OpRun):
    def _run(self, x):  # type: ignore[no-untyped-def]
        return (x.max(axis=tuple(range(2, x.ndim)), keepdims=True),)


class LpNormalization(OpRun):
    def _run(self, x, axis=-1, p=2):  # type: ignore[no-untyped-def]
        norm = np.linalg.norm(x, ord=p, axis=axis, keepdims=True)
        return (x / np.where(norm == 0.0, 1.0, norm),)


class Mean(OpRun):
    def _run(self, *x):  # type: ignore[no-untyped-def]
        return (sum(np.broadcast_arrays(*x)) / len(x),)


class Resize(ReferenceResize):
    """Nearest by whole factors at once: pixel by pixel takes minutes."""

    def _run(self, x, roi=None, scales=None, sizes=None, **attributes):  # type: ignore[no-untyped-def, override]
        wanted = np.array(sizes) / x.shape if scales is None else np.asarray(scales)
        plain = attributes.get("mode") == "nearest" and np.array_equal(wanted, np.round(wanted)) and wanted.min() >= 1
        if not plain:
            return super()._run(x, roi, scales, sizes, **attributes)
        for axis, factor in enumerate(wanted.astype(int)):
            x = np.repeat(x, factor, axis=axis)
        return (x,)


_REPLACED = [
    Conv, ConvTranspose, Erf, GatherElements, GlobalLpPool, GlobalMaxPool, LpNormalization, MaxPool, Mean, Resize,
]  # fmt: skip
