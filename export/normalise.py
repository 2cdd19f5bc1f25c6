"""From any forward graph to the plain one that the rest works on: static shapes, constants folded,
batch normalisation folded into its neighbours, functions inlined, weights that are numbers."""

from __future__ import annotations

import logging

import numpy as np
import onnx_ir as ir
import onnxscript.optimizer
import onnxscript.rewriter
import onnxscript.version_converter
from onnx_ir.passes import common
from onnxscript.rewriter.rules import common as rewriting

from .errors import NetworkError
from .registry import constant_value, described
from .tape import OPSET, Tape, shape_of

_FOLDING = onnxscript.rewriter.RewriteRuleSet(
    [
        rewriting.fuse_batchnorm_into_conv_rule,
        rewriting.fuse_batchnorm_into_conv_transpose_rule,
        rewriting.fuse_batchnorm_into_gemm_rule,
        rewriting.dropout_inference_rule,
        rewriting.dropout_zero_rule,
        rewriting.no_op_expand_rule,
        rewriting.no_op_transpose_rule,
        rewriting.no_op_cast_rule,
        rewriting.successive_relu_rule,
    ]
)


def normalise(model: ir.Model, image_shape: tuple[int, ...], name: str) -> ir.Model:
    """The same function with `image_shape` [1, C, H, W] as its only input shape.

    Raises NetworkError naming the node or weight: a shape that stays open, weights that are NaN or
    infinite, an input of another shape.
    """
    _fix_input(model, image_shape, name)
    # onnxscript logs every rewriting that does not apply.
    logging.getLogger("onnxscript").setLevel(logging.ERROR)
    if model.opset_imports.get("", OPSET) != OPSET:
        onnxscript.version_converter.convert_version(model, OPSET, fallback=True)
    onnxscript.optimizer.optimize_ir(model)
    _FOLDING.apply_to_model(model)
    _decompose_batch_normalization(model.graph)
    for tidy in (
        common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        common.IdentityEliminationPass(),
        common.RemoveUnusedNodesPass(),
        common.RemoveUnusedFunctionsPass(),
        common.ClearMetadataAndDocStringPass(),
        common.ShapeInferencePass(data_prop=True),
    ):
        model = tidy(model).model
    _check_weights(model.graph, name)
    _check_shapes(model.graph)
    return model


def _fix_input(model: ir.Model, image_shape: tuple[int, ...], name: str) -> None:
    inputs = [value for value in model.graph.inputs if not value.is_initializer()]
    if len(inputs) != 1:
        listed = ", ".join(str(value.name) for value in inputs)
        raise NetworkError(f"{name}: inputs {listed or 'none'}, expected one image [1, C, H, W]")
    (image,) = inputs
    given = [None if not isinstance(dim, int) else dim for dim in image.shape] if image.shape else None
    fits = given is None or (
        len(given) == len(image_shape)
        and all(have in (None, want) for have, want in zip(given[1:], image_shape[1:], strict=True))
        and given[0] in (None, 1)
    )
    if not fits:
        raise NetworkError(
            f"{name}: input {image.name} has shape {given}, the calibration images give {list(image_shape)}. "
            "Choose --crop or --resize so that they agree, and export the network with batch size 1."
        )
    image.shape = ir.Shape(image_shape)
    model.graph.inputs[:] = []
    model.graph.inputs.append(image)
    for value in [value for node in model.graph for value in node.outputs]:
        value.shape = None  # shapes written for another input are inferred again


def _decompose_batch_normalization(graph: ir.Graph) -> None:
    """What did not fold into a convolution becomes a product and a sum with constants."""
    for node in [node for node in graph if node.op_type == "BatchNormalization" and not node.domain]:
        if node.attributes.get_int("training_mode", 0):
            raise NetworkError(f"{described(node)}: in training mode, expected inference. Call eval() before export.")
        arrays = [None if value is None else constant_value(value) for value in node.inputs[1:]]
        if any(array is None for array in arrays):
            raise NetworkError(f"{described(node)}: statistics are computed, expected constants")
        gamma, beta, mean, variance = (np.asarray(array, np.float64) for array in arrays)
        scale = gamma / np.sqrt(variance + node.attributes.get_float("epsilon", 1e-5))
        image = node.inputs[0]
        assert image is not None
        rank = 4 if image.shape is None else len(image.shape)
        view = (1, -1, *(1,) * (rank - 2))
        part = ir.Graph([], [], nodes=[], name="batch_normalization")
        tape = Tape(part)
        factor, offset = tape.floats(scale.reshape(view)), tape.floats((beta - mean * scale).reshape(view))
        result = tape.Add(tape.Mul(image, factor), offset)
        move(part, graph, before=node, prefix=f"{node.name}.")
        ir.convenience.replace_all_uses_with(node.outputs[0], result, replace_graph_outputs=True)
        graph.remove(node, safe=True)


def move(part: ir.Graph, graph: ir.Graph, *, before: ir.Node | None = None, prefix: str) -> None:
    """Move all nodes and initializers of one graph into another."""
    nodes = list(part)
    part.outputs[:] = []
    part.remove(nodes)
    initializers = list(part.initializers.values())
    part.initializers.clear()
    for initializer in initializers:
        initializer.name = prefix + str(initializer.name)
        graph.register_initializer(initializer)
    if before is None:
        graph.extend(nodes)
    else:
        graph.insert_before(before, nodes)


def _check_weights(graph: ir.Graph, name: str) -> None:
    for initializer in graph.initializers.values():
        array = constant_value(initializer)
        if array is not None and array.dtype.kind == "f" and not np.isfinite(array).all():
            count = int((~np.isfinite(array)).sum())
            users = ", ".join(described(node) for node in initializer.consumers())
            raise NetworkError(
                f"{name}: {count} of {array.size} values of weight {initializer.name}, used by {users}, are NaN or "
                "infinite, expected finite numbers. Train the network again, or load other weights."
            )


def _check_shapes(graph: ir.Graph) -> None:
    for node in graph:
        for value in node.outputs:
            if value.shape is None or not value.shape.is_static():
                raise NetworkError(
                    f"{described(node)}: shape {value.shape} depends on the image's content or stays open, expected "
                    "a fixed shape. Export the network with a fixed input size."
                )
            shape_of(value)
