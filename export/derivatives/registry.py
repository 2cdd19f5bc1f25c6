"""The table of differentiation rules, and what a rule sees of the node it differentiates.

A rule belongs to an operator and one of its inputs: from the cotangent of the node's output it
writes the cotangent of that input, with operators that have rules themselves. So the set is closed,
and what was differentiated can be differentiated again. The rules stand in `rules/`.

An operator may stand in three tables beside; what it is without them is right as well, but tells less or is slower:

    network.layers.WEIGHTED                    its weights make a layer, whose information is watched
    fisher.squared_gradient.SQUARED_GRADIENTS  a layer's squared gradient without the gradient itself
    derivatives.batching.KEEPS_ROWS_APART      rules that write it let several score factors through side by side;
    derivatives.batching.ONE_BY_ONE            operators whose rules do not, so that networks with them take a Scan

tests/export/derivatives/test_side_tables.py says of each operator with a rule where it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from ..errors import NetworkError
from ..graph.nodes import constant_value, described
from ..graph.tape import Tape, shape_of


@dataclass(frozen=True)
class Step:
    """One node on the way back: what a rule needs to know.

    op: the tape to write on. node: the node to differentiate. cotangents: one per output, None
    where the result does not depend on that output. index: which input is asked for.
    """

    op: Tape
    node: ir.Node
    cotangents: tuple[ir.Value | None, ...]
    index: int

    @property
    def ct(self) -> ir.Value:
        """The cotangent of the first output."""
        assert self.cotangents[0] is not None
        return self.cotangents[0]

    @property
    def y(self) -> ir.Value:
        """The node's first output."""
        return self.node.outputs[0]

    def x(self, index: int = 0) -> ir.Value:
        """An input of the node."""
        value = self.node.inputs[index]
        assert value is not None
        return value

    def has(self, index: int) -> bool:
        """Tell whether the node has that input."""
        return len(self.node.inputs) > index and self.node.inputs[index] is not None

    def shape(self, index: int = 0) -> tuple[int, ...]:
        """Static shape of an input."""
        return shape_of(self.x(index))

    def attribute(self, name: str, default: Any) -> Any:
        """An attribute's value, or `default` where the node leaves it out."""
        attribute = self.node.attributes.get(name)
        return default if attribute is None else attribute.value

    def known(self, index: int, default: Any = None) -> NDArray[Any]:
        """An input that must be a constant (axes, pads, indices).

        Raises NetworkError if it is computed.
        """
        if not self.has(index):
            return np.asarray(default)
        array = constant_value(self.x(index))
        if array is None:
            raise NetworkError(
                f"{described(self.node)}: input {index} is computed from the image, expected a constant. "
                "Export the network with fixed shapes."
            )
        return array


Rule = Callable[[Step], ir.Value]
RULES: dict[str, tuple[Rule | None, ...]] = {}
"""For each operator the rules of its inputs, None where an input has no derivative; the last rule
also serves all further inputs of a variadic operator."""

NOT_DIFFERENTIABLE = frozenset({
    "And", "ArgMax", "ArgMin", "BitShift", "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor", "Ceil",
    "ConstantOfShape", "Equal", "EyeLike", "Floor", "Greater", "GreaterOrEqual", "Hardmax", "IsInf", "IsNaN", "Less",
    "LessOrEqual", "NonZero", "Not", "Or", "Range", "Round", "Shape", "Sign", "Size", "Xor",
})  # fmt: skip
"""Operators whose result is constant almost everywhere: the cotangent ends here, as it does at any
result that is no floating number (a cast to whole numbers, a comparison)."""


def rule(operator: str, *rules: Rule | None) -> None:
    """Register the rules of an operator, one per input."""
    RULES[operator] = rules
