"""Writing operators into a graph: `tape.Mul(x, 2.0)` appends a node and returns its output."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

OPSET = 20
IR_VERSION = 10
"""What bundles are written in: read by every ONNX Runtime from 1.18 on."""

Operand = ir.Value | NDArray[Any] | float | int | list[int] | tuple[int, ...] | None


class Tape:
    """Appends nodes to one graph, turning numbers and arrays into initializers.

    A Python float becomes a scalar of the tape's floating dtype; an int, or a list of ints, becomes
    int64, as ONNX wants axes, shapes and indices; an array keeps its dtype.
    """

    def __init__(self, graph: ir.Graph, dtype: ir.DataType = ir.DataType.FLOAT) -> None:
        self.graph = graph
        self.dtype = dtype
        self._constants: dict[tuple[str, tuple[int, ...], bytes], ir.Value] = {}

    def __getattr__(self, op_type: str) -> Any:
        if op_type.startswith("_"):
            raise AttributeError(op_type)

        def append(*operands: Operand, outputs: int = 1, **attributes: Any) -> Any:
            values = [self._value(operand) for operand in operands]
            node = ir.node(op_type, values, attributes=attributes or None, num_outputs=outputs)
            self.graph.append(node)
            return node.outputs[0] if outputs == 1 else node.outputs

        return append

    def floats(self, array: Any) -> ir.Value:
        """An initializer of the tape's floating dtype."""
        return self.constant(np.asarray(array, dtype=self.dtype.numpy()))

    def constant(self, array: NDArray[Any]) -> ir.Value:
        """An initializer holding `array`; equal arrays are stored once."""
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            name = f"constant_{len(self.graph.initializers)}"
            value = ir.val(name, const_value=ir.tensor(array, name=name))
            self.graph.register_initializer(value)
            self._constants[key] = value
        return self._constants[key]

    def zeros(self, shape: tuple[int, ...]) -> ir.Value:
        """Zeros of the tape's floating dtype, filled in at run time: they take no room in the file."""
        zero = ir.tensor(np.zeros(1, self.dtype.numpy()))
        return self.ConstantOfShape(np.asarray(shape, np.int64), value=zero)

    def _value(self, operand: Operand) -> ir.Value | None:
        if operand is None or isinstance(operand, ir.Value):
            return operand
        if isinstance(operand, float):
            return self.floats(operand)
        if isinstance(operand, np.ndarray):
            return self.constant(operand)
        return self.constant(np.asarray(operand, dtype=np.int64))


def shape_of(value: ir.Value) -> tuple[int, ...]:
    """The static shape of a value of a normalised graph."""
    assert value.shape is not None, f"no shape for {value.name}"
    assert value.shape.is_static(), f"no static shape for {value.name}"
    return tuple(int(dim) for dim in value.shape)  # type: ignore[arg-type]
