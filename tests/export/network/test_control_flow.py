"""Control flow in a forward graph is written out: the same results, and a gradient."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from onnx import TensorProto, helper

from fisherlens.export.derivatives.reverse import cotangents
from fisherlens.export.errors import NetworkError
from fisherlens.export.graph.tape import Tape
from fisherlens.export.network.normalise import normalise

from ..float64 import run, widened

SHAPE = (1, 2, 3, 4)


def _value(name: str, kind: int = TensorProto.FLOAT, shape: tuple[int, ...] | None = SHAPE) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def _body(nodes: list[onnx.NodeProto], inputs: list, outputs: list) -> onnx.GraphProto:
    half = helper.make_tensor("half", TensorProto.FLOAT, [], [0.5])
    return helper.make_graph(nodes, "body", inputs, outputs, [half])


def _model(nodes: list[onnx.NodeProto], initializers: list[onnx.TensorProto]) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "network", [_value("image")], [_value("y", shape=None)], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def _branching() -> onnx.ModelProto:
    """sin(x) or x * 0.5, by the sign of the image's sum."""
    branches = {
        "then_branch": _body([helper.make_node("Sin", ["image"], ["a"])], [], [_value("a")]),
        "else_branch": _body([helper.make_node("Mul", ["image", "half"], ["b"])], [], [_value("b")]),
    }
    nodes = [
        helper.make_node("ReduceSum", ["image"], ["total"], keepdims=0),
        helper.make_node("Greater", ["total", "zero"], ["positive"]),
        helper.make_node("If", ["positive"], ["y"], **branches),
    ]
    return _model(nodes, [helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0])])


def _looping(condition: str = "on") -> onnx.ModelProto:
    """Three times x <- tanh(x) + 0.5 i, each round's x collected."""
    nodes = [
        helper.make_node("Tanh", ["x"], ["t"]),
        helper.make_node("Cast", ["i"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["f", "half"], ["m"]),
        helper.make_node("Add", ["t", "m"], ["next"]),
        helper.make_node("ReduceSum", ["next"], ["s"], keepdims=0),
        helper.make_node("Greater", ["s", "half"], ["computed"]),
        helper.make_node("Identity", [condition], ["still"]),
        helper.make_node("Identity", ["next"], ["kept"]),
    ]
    inputs = [_value("i", TensorProto.INT64, ()), _value("on", TensorProto.BOOL, ()), _value("x")]
    outputs = [_value("still", TensorProto.BOOL, ()), _value("next"), _value("kept")]
    loop = helper.make_node("Loop", ["rounds", "start", "image"], ["last", "y"], body=_body(nodes, inputs, outputs))
    return _model(
        [loop],
        [
            helper.make_tensor("rounds", TensorProto.INT64, [], [3]),
            helper.make_tensor("start", TensorProto.BOOL, [], [1]),
        ],
    )


def _scanning() -> onnx.ModelProto:
    """Running products along axis 0 of the image with its axes turned."""
    row = (3, 4, 1)
    nodes = [
        helper.make_node("Mul", ["state", "part"], ["product"]),
        helper.make_node("Identity", ["product"], ["kept"]),
    ]
    body = _body(
        nodes, [_value("state", shape=row), _value("part", shape=row)],
        [_value("product", shape=row), _value("kept", shape=row)],
    )  # fmt: skip
    return _model(
        [
            helper.make_node("Transpose", ["image"], ["turned"], perm=[1, 2, 3, 0]),
            helper.make_node("Scan", ["ones", "turned"], ["last", "y"], body=body, num_scan_inputs=1),
        ],
        [helper.make_tensor("ones", TensorProto.FLOAT, row, [1.0] * 12)],
    )


@pytest.mark.parametrize("make", [_branching, _looping, _scanning])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_control_flow_keeps_its_results_and_gets_a_gradient(make, sign: float) -> None:  # type: ignore[no-untyped-def]
    image = sign * np.random.default_rng(0).uniform(0.2, 1.0, SHAPE)
    session = onnxruntime.InferenceSession(make().SerializeToString())
    (expected,) = session.run(None, {"image": image.astype(np.float32)})
    model = widened(normalise(ir.from_proto(make()), SHAPE, "network"))
    assert not {node.op_type for node in model.graph} & {"If", "Loop", "Scan"}
    plain = model.clone()
    tape = Tape(model.graph, ir.DataType.DOUBLE)
    (result,) = model.graph.outputs
    seed = np.random.default_rng(1).normal(size=expected.shape)
    gradient = cotangents(tape, {result: tape.floats(seed)}, list(model.graph.inputs))[model.graph.inputs[0]]
    model.graph.outputs[:] = [result, tape.Identity(gradient)]
    name = str(model.graph.inputs[0].name)
    value, found = run(model, {name: image})
    assert np.abs(value - expected).max() <= 1e-6
    direction = np.random.default_rng(2).normal(size=SHAPE)
    ends = [run(plain, {name: image + step * direction})[0] for step in (1e-6, -1e-6)]
    assert (found * direction).sum() == pytest.approx((seed * (ends[0] - ends[1])).sum() / 2e-6, rel=1e-6)


def test_a_loop_that_ends_by_what_it_computed_is_refused_in_words() -> None:
    with pytest.raises(NetworkError, match=r"Loop .*ends by a computed condition"):
        normalise(ir.from_proto(_looping("computed")), SHAPE, "network")
