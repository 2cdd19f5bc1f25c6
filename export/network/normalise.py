"""From any forward graph to the plain one that the rest works on: static shapes, constants folded,
batch normalisation folded into its neighbours, functions written out, weights that are numbers."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import onnx.inliner
import onnx_ir as ir
import onnxscript.optimizer
import onnxscript.rewriter
import onnxscript.version_converter
from onnx_ir.passes import common
from onnxscript.rewriter.rules import common as rewriting

from ..derivatives.rules import NOT_DIFFERENTIABLE, RULES
from ..errors import NetworkError
from ..graph.nodes import constant_value, described
from ..graph.tape import OPSET, shape_of
from .expansions import expand
from .layers import WEIGHTED
from .source import Network

# onnxscript's own choice of rules would also drop biases that are zero, which are parameters with
# information like others.
_FOLDING = onnxscript.rewriter.RewriteRuleSet(
    [
        rewriting.normalize_pad_format_conv_rule,
        rewriting.fuse_pad_into_conv_rule,
        rewriting.fuse_batchnorm_into_conv_rule,
        rewriting.fuse_batchnorm_into_conv_transpose_rule,
        rewriting.fuse_batchnorm_into_gemm_rule,
        rewriting.dropout_inference_rule,
        rewriting.dropout_zero_rule,
        rewriting.cast_cast_rule,
        rewriting.no_op_cast_rule,
        rewriting.no_op_expand_rule,
        rewriting.no_op_transpose_rule,
        rewriting.reshape_reshape_rule,
        rewriting.transpose_transpose_rule,
        rewriting.unsqueeze_unsqueeze_rule,
        rewriting.successive_relu_rule,
    ]
)


def normalised(network: Network, image_shape: tuple[int, ...]) -> Network:
    """The same network with its forward graph normalised; the given one stays as it is. Raises NetworkError."""
    return replace(network, model=normalise(network.model.clone(), image_shape, network.name))


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
    common.InlinePass()(model)
    parameters = set(model.graph.initializers)
    _fold(model)
    _drop_filler_biases(model.graph, parameters)
    while expand(model.graph):
        _fold(model)
    model = _without_functions(model)
    _fold(model)
    for tidy in (
        common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        common.IdentityEliminationPass(),
        common.RemoveUnusedNodesPass(),
        common.RemoveUnusedFunctionsPass(),
        common.CommonSubexpressionEliminationPass(),
        common.ClearMetadataAndDocStringPass(),
        common.ShapeInferencePass(data_prop=True),
    ):
        model = tidy(model).model
    _make_contiguous(model.graph)
    _check_training(model.graph)
    _check_weights(model.graph, name)
    _check_shapes(model.graph)
    return model


def _fold(model: ir.Model) -> None:
    onnxscript.optimizer.fold_constants_ir(model, onnx_shape_inference=True)
    _fold_short_fillers(model.graph)
    _FOLDING.apply_to_model(model)
    onnxscript.optimizer.fold_constants_ir(model, onnx_shape_inference=True)


def _fold_short_fillers(graph: ir.Graph) -> None:
    """ConstantOfShape of few elements, which onnxscript leaves: the pads that an older exporter writes."""
    for node in [node for node in graph if node.op_type == "ConstantOfShape"]:
        shape = constant_value(node.inputs[0]) if node.inputs[0] is not None else None
        if shape is None or np.prod(shape) > _SHORT:
            continue
        filler = node.attributes["value"].as_tensor().numpy() if "value" in node.attributes else np.zeros(1, np.float32)
        tensor = ir.tensor(np.full(shape.tolist(), filler.item(), filler.dtype), name=str(node.outputs[0].name))
        constant = ir.node("Constant", [], attributes={"value": tensor})
        graph.insert_before(node, constant)
        ir.convenience.replace_all_uses_with(node.outputs[0], constant.outputs[0], replace_graph_outputs=True)
        graph.remove(node, safe=True)


_SHORT = 64


def _fix_input(model: ir.Model, image_shape: tuple[int, ...], name: str) -> None:
    inputs = [value for value in model.graph.inputs if not value.is_initializer()]
    if len(inputs) != 1:
        listed = ", ".join(str(value.name) for value in inputs)
        raise NetworkError(f"{name}: inputs {listed or 'none'}, expected one image [1, C, H, W]")
    (image,) = inputs
    given = [dim if isinstance(dim, int) and dim > 0 else None for dim in image.shape] if image.shape else None
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
    for value in [value for node in ir.traversal.RecursiveGraphIterator(model.graph) for value in node.outputs]:
        value.shape = None  # shapes written for another input are inferred again


def _drop_filler_biases(graph: ir.Graph, parameters: set[str]) -> None:
    """Zeros that an exporter adds where a convolution has no bias are no parameters."""
    for node in graph:
        if node.op_type in ("Conv", "ConvTranspose") and len(node.inputs) > 2 and node.inputs[2] is not None:
            bias = node.inputs[2]
            array = constant_value(bias)
            if bias.name not in parameters and array is not None and not array.any():
                node.resize_inputs(2)


def _without_functions(model: ir.Model) -> ir.Model:
    """Operators that have no rule but a body in the standard are replaced by that body."""
    wanted = {
        node.op_type
        for node in model.graph
        if node.domain in ("", "ai.onnx") and node.op_type not in RULES.keys() | NOT_DIFFERENTIABLE and _has_body(node)
    }
    if not wanted:
        return model
    proto = onnx.shape_inference.infer_shapes(ir.to_proto(model))  # some bodies depend on the types
    functions = [("", operator) for operator in sorted(wanted)]
    inlined = onnx.inliner.inline_selected_functions(proto, functions, inline_schema_functions=True)
    return ir.from_proto(inlined)


def _has_body(node: ir.Node) -> bool:
    try:
        schema: Any = onnx.defs.get_schema(node.op_type, OPSET)
    except onnx.defs.SchemaError:
        return False
    return bool(schema.has_function or schema.has_context_dependent_function)


def _make_contiguous(graph: ir.Graph) -> None:
    """Folding leaves views, which passes that look at bytes refuse."""
    for value in graph.initializers.values():
        array = constant_value(value)
        if array is not None and not array.flags.c_contiguous:
            value.const_value = ir.tensor(np.asarray(array, order="C"), name=value.name)


def _check_training(graph: ir.Graph) -> None:
    for node in graph:
        if node.op_type in ("BatchNormalization", "Dropout") and node.attributes.get_int("training_mode", False):
            raise NetworkError(f"{described(node)}: in training mode, expected inference. Call eval() before export.")


def _check_weights(graph: ir.Graph, name: str) -> None:
    for initializer in graph.initializers.values():
        array = constant_value(initializer)
        if array is None or array.dtype.kind != "f":
            continue
        # Infinity beside a layer is a mask: what becomes of it is seen on usual images.
        in_layer = any(node.op_type in WEIGHTED for node in initializer.consumers())
        count = int((~np.isfinite(array) if in_layer else np.isnan(array)).sum())
        if count:
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
