"""What a branch of an If computes once more for itself, instead of capturing it from the graph around it.

A captured activation is kept, and put out of the layout in which convolutions run, on every image, whether or not the
branch is taken. Computing it again costs only the images that take the branch. What is cheaper on average is a minimum
cut (Picard 1976, Management Science 22, problem 2), as in compilers for training (Zheng et al. 2022, functorch).
"""

from __future__ import annotations

import math

import networkx
import onnx_ir as ir

from .nodes import ancestors, copied
from .tape import has_subgraph

IMAGES = 20
"""Of so many images one is reckoned to take a branch."""

ELEMENT = 32
"""What capturing an element of an activation costs, in multiply-adds of a convolution: about, with ONNX Runtime on
x86-64, which writes and reads it once more."""

CAPTURED = 100_000
"""What capturing an activation costs however small it is, in multiply-adds: a node more."""

ELEMENTWISE = 4
"""What an element of any other node's result costs, in multiply-adds."""


def rematerialise(graph: ir.Graph) -> None:
    """Give the branches of the graph's Ifs copies of those nodes that are cheaper to compute again than to capture.
    Weights stay where they are; all values stay what they are."""
    for branch in [branch for node in graph if node.op_type == "If" for branch in branches(node)]:
        captured = _captured(graph, branch)
        if not captured:
            continue
        first, copies = branch[0], dict[ir.Value, ir.Value]()
        again = _cheaper_again(captured)
        users = _nodes_within(branch)
        branch.insert_before(first, [copied(node, copies) for node in ancestors(captured) if node in again])
        for node in users:
            for index, value in enumerate(node.inputs):
                if value in copies:
                    node.replace_input_with(index, copies[value])


def hold_weights(graph: ir.Graph) -> None:
    """Pass the weights of convolutions in branches and bodies through a Reshape to the shape that they have.

    ONNX Runtime puts weights into the layout in which convolutions are quick where they stand in the graph of the
    convolution itself; one that it folds itself stands there. The file holds each once.
    """
    for part in graph.subgraphs():
        held: dict[ir.Value, ir.Value] = {}
        for node in [node for node in part if node.op_type == "Conv"]:
            for index, weight in enumerate(node.inputs):
                if weight is not None and weight.is_initializer() and weight.graph is not part:
                    if weight not in held:
                        held[weight] = _reshaped(part, weight)
                    node.replace_input_with(index, held[weight])


def branches(node: ir.Node) -> list[ir.Graph]:
    """The graphs that a node holds: the branches of an If, the body of a loop."""
    return [attribute.as_graph() for attribute in node.attributes.values() if attribute.type == ir.AttributeType.GRAPH]


def _nodes_within(branch: ir.Graph) -> list[ir.Node]:
    return [node for part in (branch, *branch.subgraphs()) for node in part]


def _captured(graph: ir.Graph, branch: ir.Graph) -> list[ir.Value]:
    """The values that nodes of the graph compute and that the branch, or a branch or body within it, uses."""
    used = dict.fromkeys(value for node in _nodes_within(branch) for value in node.inputs)
    return [v for v in used if v is not None and (producer := v.producer()) is not None and producer.graph is graph]


def _cheaper_again(captured: list[ir.Value]) -> set[ir.Node]:
    """The nodes to compute again, so that `captured` is there at the least cost: on the side of the start are nodes
    that are computed again, and values that they or the branch need."""
    nodes = ancestors(captured)
    laid_out = _laid_out(nodes)
    network = networkx.DiGraph()
    network.add_nodes_from(("start", "end"))
    network.add_edges_from(("start", value) for value in captured)  # without a capacity: never cut
    for node in nodes:
        # A value that is needed is captured, where its node is not computed again, which needs its inputs.
        cost = _cost_of_capture if node in laid_out else lambda _: 0
        network.add_edges_from((output, node, {"capacity": cost(output)}) for output in node.outputs)
        network.add_edges_from((node, value) for value in node.inputs if value is not None and value.producer())
        work = _work(node)
        network.add_edge(node, "end", **({} if work is None else {"capacity": work}))
    _, (needed, _) = networkx.minimum_cut(network, "start", "end")
    return {one for one in needed if isinstance(one, ir.Node)}


_KEEPS_LAYOUT = (
    "Add", "AveragePool", "Clip", "Concat", "GlobalAveragePool", "HardSigmoid", "LeakyRelu", "MaxPool", "Relu",
    "Sigmoid", "Sum", "Tanh",
)  # fmt: skip
"""Operators that ONNX Runtime runs in the layout of convolutions, or within one."""


def _laid_out(nodes: list[ir.Node]) -> set[ir.Node]:
    """Those of some nodes in topological order whose results are in the layout of convolutions; what others compute
    is in memory as it is, so that capturing it costs nothing more."""
    found: set[ir.Node] = set()
    for node in nodes:
        kept = node.op_type in _KEEPS_LAYOUT and any(v.producer() in found for v in node.inputs if v is not None)
        if node.op_type == "Conv" or kept:
            found.add(node)
    return found


def _cost_of_capture(value: ir.Value) -> int:
    """Of a value in the layout of convolutions, over IMAGES images, in multiply-adds."""
    shape = _shape(value)
    if shape is None or len(shape) != 4 or math.prod(shape[2:]) == 1:
        return 0
    return IMAGES * (ELEMENT * math.prod(shape) + CAPTURED)


def _work(node: ir.Node) -> int | None:
    """Multiply-adds of a node, about; None for one that cannot be repeated, or of which it is not known."""
    shapes = [_shape(value) for value in node.outputs]
    if node.domain or has_subgraph(node) or node.op_type in _DRAWN or any(shape is None for shape in shapes):
        return None
    elements = sum(math.prod(shape) for shape in shapes if shape is not None)
    inputs = [None if value is None else _shape(value) for value in node.inputs]
    match node.op_type, inputs:
        case "Conv", [_, (_, *kernel), *_]:
            return elements * math.prod(kernel)
        case "ConvTranspose", [(*image,), (_, *kernel), *_]:
            return math.prod(image) * math.prod(kernel)
        case "MatMul" | "Gemm", [(*_, inner), *_]:
            return elements * inner
    return elements * ELEMENTWISE


_DRAWN = ("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike")
"""Operators that do not give the same a second time."""


def _shape(value: ir.Value) -> tuple[int, ...] | None:
    if value.shape is None or not value.shape.is_static():
        return None
    return tuple(int(dim) for dim in value.shape)  # type: ignore[arg-type]


def _reshaped(part: ir.Graph, weight: ir.Value) -> ir.Value:
    """The weight out of a Reshape at the beginning of a subgraph."""
    shape = _shape(weight)
    assert shape is not None, weight.name
    name = "shape_" + "x".join(map(str, shape))
    if name not in part.initializers:
        tensor = ir.tensor(list(shape), dtype=ir.DataType.INT64, name=name)
        part.register_initializer(ir.val(name, dtype=tensor.dtype, shape=(len(shape),), const_value=tensor))
    node = ir.node("Reshape", [weight, part.initializers[name]])
    node.outputs[0].shape, node.outputs[0].type = weight.shape, weight.type
    part.insert_before(part[0], node)
    return node.outputs[0]
