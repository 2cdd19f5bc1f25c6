"""What an expansion is, and how it reads its node."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir

from ...errors import NetworkError
from ...graph.nodes import constant_value, described
from ...graph.tape import Tape

Expansion = Callable[[Tape, ir.Node], Sequence[ir.Value]]


def operands(node: ir.Node, count: int) -> list[ir.Value]:
    """The first inputs of a node, which must be there."""
    found = [value for value in node.inputs[:count] if value is not None]
    assert len(found) == count
    return found


def optional(node: ir.Node, places: Sequence[int]) -> list[ir.Value | None]:
    """Inputs that may be left out, None where they are."""
    return [node.inputs[i] if i < len(node.inputs) else None for i in places]


def known(node: ir.Node, index: int, what: str) -> np.ndarray:
    """An input that must be a constant. Raises NetworkError if it is computed from the image."""
    (value,) = optional(node, [index])
    array = None if value is None else constant_value(value)
    if array is None:
        raise NetworkError(f"{described(node)}: {what} is computed from the image, expected a constant")
    return array
