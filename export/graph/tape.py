"""Writing operators into a graph: `tape.Mul(x, 2.0)` appends a node and returns its output."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

OPSET = 20
IR_VERSION = 10
"""What bundles are written in: read by every ONNX Runtime from 1.18 on."""

TINY = 1e-30
"""Below this an information, an energy or a norm counts as this: its logarithm and its inverse stay finite."""

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
            infer_shapes(node)
            return node.outputs[0] if outputs == 1 else node.outputs

        return append

    def floats(self, array: Any) -> ir.Value:
        """An initializer of the tape's floating dtype."""
        return self.constant(np.asarray(array, dtype=self.dtype.numpy()))

    def constant(self, array: NDArray[Any]) -> ir.Value:
        """An initializer holding `array`; equal arrays are stored once."""
        array = np.asarray(array, order="C")  # passes that look at bytes refuse views
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            name = f"constant_{len(self.graph.initializers)}"
            tensor = ir.tensor(array, name=name)
            value = ir.val(name, dtype=tensor.dtype, shape=array.shape, const_value=tensor)
            self.graph.register_initializer(value)
            self._constants[key] = value
        return self._constants[key]

    def named(self, name: str, array: Any) -> ir.Value:
        """An initializer of the tape's floating dtype that keeps its name in the file, and shares nothing with others.

        name: its owner, a dot, and what it is of the owner.
        """
        assert "." in name, name
        array = np.asarray(array, dtype=self.dtype.numpy())
        value = ir.val(name, dtype=self.dtype, shape=array.shape, const_value=ir.tensor(array, name=name))
        self.graph.register_initializer(value)
        return value

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


def infer_shapes(node: ir.Node) -> None:
    """Give a node's outputs their types and shapes, by ONNX's own inference, as far as its inputs have
    theirs. Nodes with subgraphs are left as they are."""
    inputs = [value for value in node.inputs if value is not None]
    if any(value.dtype is None or value.shape is None for value in inputs) or has_subgraph(node):
        return
    names = {value: f"i{i}" for i, value in enumerate(dict.fromkeys(inputs))}
    proto = onnx.helper.make_node(
        node.op_type,
        ["" if value is None else names[value] for value in node.inputs],
        [f"o{i}" for i in range(len(node.outputs))],
    )
    proto.attribute.extend(ir.to_proto(attribute) for attribute in node.attributes.values())
    types = {name: _type_proto(value) for value, name in names.items()}
    data = {
        name: onnx.numpy_helper.from_array(tensor.numpy())
        for value, name in names.items()
        if (tensor := value.const_value) is not None and tensor.size <= _SHAPE_DATA
    }
    found = onnx.shape_inference.infer_node_outputs(
        onnx.defs.get_schema(node.op_type, OPSET),
        proto,
        types,
        data,
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
    )
    for i, output in enumerate(node.outputs):
        if f"o{i}" in found:
            tensor = found[f"o{i}"].tensor_type
            output.dtype = ir.DataType(tensor.elem_type)
            if tensor.HasField("shape"):
                output.shape = ir.Shape(
                    [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
                )


_SHAPE_DATA = 64
"""Constants of at most so many elements can be a shape, axes or pads."""


def has_subgraph(node: ir.Node) -> bool:
    return any(
        attribute.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS) for attribute in node.attributes.values()
    )


def _type_proto(value: ir.Value) -> onnx.TypeProto:
    assert value.dtype is not None
    assert value.shape is not None
    return onnx.helper.make_tensor_type_proto(
        int(value.dtype), [dim if isinstance(dim, int) else None for dim in value.shape]
    )


def shape_of(value: ir.Value) -> tuple[int, ...]:
    """The static shape of a value of a normalised graph."""
    assert value.shape is not None, f"no shape for {value.name}"
    assert value.shape.is_static(), f"no static shape for {value.name}"
    return tuple(int(dim) for dim in value.shape)  # type: ignore[arg-type]


def move(part: ir.Graph, graph: ir.Graph, *, prefix: str) -> None:
    """Move all nodes and initializers of one graph to the end of another. prefix: of the initializers' names; one that
    is there already gets a number behind."""
    nodes = list(part)
    part.outputs[:] = []
    part.remove(nodes)
    initializers = list(part.initializers.values())
    part.initializers.clear()
    for initializer in initializers:
        name = f"{prefix}{initializer.name}"
        initializer.name = f"{name}_{len(graph.initializers)}" if name in graph.initializers else name
        graph.register_initializer(initializer)
    graph.extend(nodes)
