"""Resampling: linear in the image, axis by axis."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from ...errors import NetworkError
from ...graph.model import session
from ...graph.nodes import described
from ...graph.tape import IR_VERSION, OPSET, shape_of
from ..registry import Step, rule


def _resize(s: Step) -> ir.Value:
    """Each resampled axis back by the transpose of its matrix."""
    ct = s.ct
    have, want = s.shape(), shape_of(s.y)
    rank = len(have)
    for axis in range(rank):
        matrix = _matrix(s, axis, have[axis], want[axis])
        if matrix is not None:
            ct = _multiplied(s, ct, rank, axis, matrix)
    return ct


def _multiplied(s: Step, ct: ir.Value, rank: int, axis: int, matrix: NDArray[np.float64]) -> ir.Value:
    """ct contracted along `axis` with matrix [length of ct, length of the image]."""
    if axis == rank - 1:
        return s.op.MatMul(ct, s.op.floats(matrix))
    if axis == rank - 2:
        return s.op.MatMul(s.op.floats(matrix.T), ct)
    perm = [i for i in range(rank) if i != axis] + [axis]
    turned = s.op.MatMul(s.op.Transpose(ct, perm=perm), s.op.floats(matrix))
    return s.op.Transpose(turned, perm=[int(i) for i in np.argsort(perm)])


def _matrix(s: Step, axis: int, have: int, want: int) -> NDArray[np.float64] | None:
    """The resampling of one axis as a matrix [want, have]: what the operator makes of the unit vectors.
    None for an axis that stays as it is."""
    if s.attribute("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize":
        raise NetworkError(
            f"{described(s.node)}: tf_crop_and_resize has no rule. Resample without a region of interest."
        )
    axes = [int(a) % len(s.shape()) for a in s.attribute("axes", range(len(s.shape())))]
    if axis not in axes:
        return None
    place = axes.index(axis)
    scale = float(s.known(2)[place]) if s.has(2) and s.known(2).size else None
    if s.attribute("keep_aspect_ratio_policy", "stretch") != "stretch" and scale is None:
        scale = want / have
    attributes = {
        name: s.node.attributes[name].value
        for name in ("antialias", "coordinate_transformation_mode", "cubic_coeff_a", "exclude_outside", "mode",
                     "nearest_mode")
        if name in s.node.attributes
    }  # fmt: skip
    matrix = _of_unit_vectors(have, want, scale, tuple(sorted(attributes.items())))
    return None if have == want and np.array_equal(matrix, np.eye(have)) else matrix


@lru_cache(maxsize=64)
def _of_unit_vectors(
    have: int, want: int, scale: float | None, attributes: tuple[tuple[str, Any], ...]
) -> NDArray[np.float64]:
    """Resize [1, 1, have, have] unit vectors along the last axis to [.., want], in ONNX Runtime."""
    image = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 1, have, have])
    result = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1, 1, have, want])
    if scale is None:
        sizes = onnx.numpy_helper.from_array(np.array([1, 1, have, want], np.int64), "size")
        inputs = ["x", "", "", "size"]
    else:
        sizes = onnx.numpy_helper.from_array(np.array([1, 1, 1, scale], np.float32), "size")
        inputs = ["x", "", "size"]
    node = onnx.helper.make_node("Resize", inputs, ["y"], **dict(attributes))
    graph = onnx.helper.make_graph([node], "resize", [image], [result], [sizes])
    opset = [onnx.helper.make_opsetid("", OPSET)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION)
    (rows,) = session(ir.from_proto(model)).run(None, {"x": np.eye(have, dtype=np.float32)[None, None]})
    return rows[0, 0].T.astype(np.float64)


rule("Resize", _resize, None, None, None)
