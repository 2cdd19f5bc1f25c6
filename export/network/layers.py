"""The layers of a network whose information is watched: where they end, and what they learned."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")


@dataclass(frozen=True)
class Use:
    """A node with learned weights, with the nodes and input numbers of its biases: of the node itself,
    or of the Add behind a MatMul.

    output: the result before any activation function; image: what it acts on; weight: which input of
    the node is its weight.
    """

    node: ir.Node
    biases: tuple[tuple[ir.Node, int], ...] = ()

    @property
    def weight(self) -> int:
        return next(i for i, value in enumerate(self.node.inputs) if value is not None and value.is_initializer())

    @property
    def parameter(self) -> ir.Value:
        value = self.node.inputs[self.weight]
        assert value is not None
        return value

    @property
    def output(self) -> ir.Value:
        return (self.biases[0][0] if self.biases else self.node).outputs[0]

    @property
    def image(self) -> ir.Value:
        return next(value for value in self.node.inputs if value is not None and not value.is_initializer())


@dataclass(frozen=True)
class Layer:
    """Learned weights and the nodes that use them: one, or several that share them."""

    uses: tuple[Use, ...]

    @property
    def name(self) -> str:
        return str(self.uses[0].parameter.name)


def layers(graph: ir.Graph) -> list[Layer]:
    """The layers of a normalised graph that act on its image, in its order.

    Batch normalisation that was folded into a convolution counts with it: the information is about
    the weights that the device runs.
    """
    found: dict[ir.Value, list[Use]] = {}
    moving = set(graph.inputs)  # depends on the image
    for node in graph:
        if moving.isdisjoint(node.inputs):
            continue
        moving.update(node.outputs)
        if node.op_type in WEIGHTED and any(v is not None and v.is_initializer() for v in node.inputs[:2]):
            use = Use(node, _biases(node))
            found.setdefault(use.parameter, []).append(use)
    return [Layer(tuple(uses)) for uses in found.values()]


def _biases(node: ir.Node) -> tuple[tuple[ir.Node, int], ...]:
    if node.op_type != "MatMul":
        own = node.inputs[2] if len(node.inputs) > 2 else None
        return ((node, 2),) if own is not None and own.is_initializer() else ()
    followers = node.outputs[0].consumers()
    if len(followers) != 1 or followers[0].op_type != "Add":
        return ()
    learned = [i for i, v in enumerate(followers[0].inputs) if v is not None and v.is_initializer()]
    return ((followers[0], learned[0]),) if learned else ()
