"""Operators that are written out in others: the same result and derivatives as torch's, in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn

from fisherlens.export.derivatives.reverse import cotangents
from fisherlens.export.graph.tape import Tape
from fisherlens.export.network.expansions import EXPANSIONS

from ..float64 import run

TOLERANCE = 1e-9
CONTROL = {"If", "Loop", "Scan"}
"""See test_control_flow.py."""


def grid_sample(corners: bool, padding: str) -> tuple[str, list[np.ndarray], dict[str, Any], Callable[..., Tensor]]:
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=(2, 3, 4, 5)), rng.uniform(-1.3, 1.3, size=(2, 3, 2, 2))]
    attributes = {"mode": "linear", "padding_mode": padding, "align_corners": int(corners)}
    return "GridSample", inputs, attributes, lambda x, g: F.grid_sample(x, g, "bilinear", padding, corners)


def recurrent(kind: str, both: bool) -> tuple[str, list[np.ndarray], dict[str, Any], Callable[..., Tensor]]:
    """torch orders the gates i, f, g, o and r, z, n where ONNX has i, o, f, c and z, r, h."""
    length, batch, inputs, hidden = 3, 2, 4, 3
    order = {"LSTM": [0, 3, 1, 2], "GRU": [1, 0, 2], "RNN": [0]}[kind]
    module: Any = getattr(nn, kind)(inputs, hidden, bidirectional=both).double()

    def gates(name: str) -> np.ndarray:
        suffixes = ["", "_reverse"] if both else [""]
        arrays = [getattr(module, f"{name}_l0{suffix}").detach().numpy() for suffix in suffixes]
        return np.stack([np.concatenate([np.split(a, len(order))[i] for i in order]) for a in arrays])

    bias = np.concatenate([gates("bias_ih"), gates("bias_hh")], axis=1)
    operands = [
        np.random.default_rng(0).normal(size=(length, batch, inputs)),
        gates("weight_ih"),
        gates("weight_hh"),
        bias,
    ]
    attributes = {"hidden_size": hidden, "direction": "bidirectional" if both else "forward"}
    if kind == "GRU":
        attributes["linear_before_reset"] = 1
    directions = 2 if both else 1

    def function(x: Tensor, *weights: Tensor) -> Tensor:
        return module(x)[0].reshape(length, batch, directions, hidden).transpose(1, 2)

    return kind, operands, attributes, function


CASES = {
    **{
        f"GridSample {padding} {corners}": lambda p=padding, c=corners: grid_sample(c, p)
        for padding in ("zeros", "border")
        for corners in (True, False)
    },
    **{
        f"{kind} {both}": lambda k=kind, b=both: recurrent(k, b)
        for kind in ("LSTM", "GRU", "RNN")
        for both in (True, False)
    },
}


NODES: dict[str, Callable[[np.random.Generator], tuple[list[np.ndarray], dict[int, np.ndarray], dict[str, Any]]]] = {
    "Compress": lambda rng: ([rng.normal(size=(3, 4))], {1: np.array([True, False, True, True])}, {"axis": 1}),
    "DeformConv": lambda rng: (
        [
            rng.normal(size=(1, 4, 6, 7)),
            rng.normal(size=(6, 2, 3, 2)),
            rng.uniform(-1.2, 1.2, size=(1, 24, 3, 5)),
            rng.normal(size=6),
            rng.uniform(size=(1, 12, 3, 5)),
        ],
        {},
        {"offset_group": 2, "group": 2, "strides": [2, 1], "pads": [1, 0, 1, 1], "dilations": [1, 3]},
    ),
    "Det": lambda rng: ([rng.normal(size=(2, 4, 4))], {}, {}),
    "MaxRoiPool": lambda rng: (
        [rng.normal(size=(1, 3, 9, 8))],
        {1: np.array([[0, 1.0, 2.0, 13.0, 11.0], [0, 4.0, 0.0, 9.0, 16.0]])},
        {"pooled_shape": [2, 3], "spatial_scale": 0.5},
    ),
    "RoiAlign": lambda rng: (
        [rng.normal(size=(1, 3, 9, 8)), np.array([[1.3, 2.2, 6.1, 7.4], [0.4, 0.7, 3.9, 5.2]])],
        {2: np.zeros(2, np.int64)},
        {"output_height": 2, "output_width": 3, "sampling_ratio": 2, "spatial_scale": 0.9},
    ),
    "STFT": lambda rng: (
        [rng.normal(size=(2, 20, 1))],
        {1: np.array(3, np.int64), 2: np.hanning(8), 3: np.array(8, np.int64)},
        {"onesided": 1},
    ),
}
"""Operators that torch has no function for: inputs that are differentiated, constants by their place,
attributes."""


@pytest.mark.parametrize("operator", NODES)
def test_an_expansion_gives_what_the_operator_gives_and_its_central_differences(operator: str) -> None:
    rng = np.random.default_rng(0)
    arrays, constants, attributes = NODES[operator](rng)
    inputs = [ir.val(f"x{i}", dtype=ir.DataType.DOUBLE, shape=a.shape) for i, a in enumerate(arrays)]
    graph = ir.Graph(inputs, [], nodes=[], name="case", opset_imports={"": 20})
    tape = Tape(graph, ir.DataType.DOUBLE)
    remaining = list(inputs)
    operands = [
        tape.constant(constants[i]) if i in constants else remaining.pop(0) for i in range(len(arrays) + len(constants))
    ]
    expected = _operator(operator, arrays, constants, attributes)
    seed = rng.normal(size=expected.shape)
    result = tape.Identity(EXPANSIONS[operator](tape, ir.node(operator, operands, attributes=attributes))[0])
    found = cotangents(tape, {result: tape.floats(seed)}, inputs)
    graph.outputs.extend([result, *(tape.Identity(found[value]) for value in inputs)])
    model = ir.Model(graph, ir_version=10)
    value, *gradients = _run(model, arrays)
    assert np.abs(value - expected).max() <= 1e-5  # the evaluator works in float32 here and there
    for i, gradient in enumerate(gradients):
        direction = rng.normal(size=arrays[i].shape)
        ends = [_run(model, [*arrays[:i], arrays[i] + step * direction, *arrays[i + 1 :]])[0] for step in (1e-6, -1e-6)]
        difference = float((seed * (ends[0] - ends[1])).sum()) / 2e-6
        assert float((gradient * direction).sum()) == pytest.approx(difference, rel=1e-6)


def _run(model: ir.Model, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    return run(model, {f"x{i}": array for i, array in enumerate(arrays)})


def _operator(
    operator: str, arrays: Sequence[np.ndarray], constants: dict[int, np.ndarray], attributes: dict[str, Any]
) -> np.ndarray:
    """The operator itself: ONNX's reference evaluator, or ONNX Runtime in float32 for what that lacks."""
    values = iter(arrays)
    names = [f"i{i}" for i in range(len(arrays) + len(constants))]
    feeds = {name: constants[i] if i in constants else next(values) for i, name in enumerate(names)}
    if operator == "MaxRoiPool":
        feeds = {name: _single(array) for name, array in feeds.items()}
    node = onnx.helper.make_node(operator, names, ["y"], **attributes)
    types = [
        onnx.helper.make_tensor_value_info(n, onnx.helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
        for n, v in feeds.items()
    ]
    output = onnx.helper.make_tensor_value_info("y", types[0].type.tensor_type.elem_type, None)
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "case", types, [output]),
        opset_imports=[onnx.helper.make_opsetid("", 20)],
        ir_version=10,
    )
    if operator == "MaxRoiPool":
        (result,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, feeds)
    else:
        (result,) = ReferenceEvaluator(model).run(None, feeds)
    return result


def _single(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype == np.float64 else array


def test_every_expansion_has_a_case() -> None:
    assert {name.split()[0] for name in CASES} | set(NODES) | CONTROL == set(EXPANSIONS)


@pytest.mark.parametrize("name", CASES)
def test_an_expansion_gives_what_torch_gives_and_its_derivatives(name: str) -> None:
    torch.manual_seed(0)
    operator, arrays, attributes, function = CASES[name]()
    differentiated = [i for i in range(len(arrays)) if operator == "GridSample" or i == 0]
    tensors = [torch.tensor(a, requires_grad=i in differentiated) for i, a in enumerate(arrays)]
    result = function(*tensors)
    seed = np.random.default_rng(1).normal(size=tuple(result.shape))
    expected = torch.autograd.grad(result, [tensors[i] for i in differentiated], torch.from_numpy(seed))
    values = _expanded(operator, arrays, attributes, seed, differentiated)
    for have, want in zip(values, [result, *expected], strict=True):
        assert np.abs(have - want.detach().numpy()).max() <= TOLERANCE


def _expanded(
    operator: str, arrays: Sequence[np.ndarray], attributes: dict[str, Any], seed: np.ndarray, wanted: Sequence[int]
) -> list[np.ndarray]:
    inputs = [ir.val(f"x{i}", dtype=ir.DataType.DOUBLE, shape=a.shape) for i, a in enumerate(arrays)]
    graph = ir.Graph(inputs, [], nodes=[], name="case", opset_imports={"": 20})
    tape = Tape(graph, ir.DataType.DOUBLE)
    result = tape.Identity(EXPANSIONS[operator](tape, ir.node(operator, inputs, attributes=attributes))[0])
    found = cotangents(tape, {result: tape.floats(seed)}, [inputs[i] for i in wanted])
    graph.outputs.extend([result, *(tape.Identity(found[inputs[i]]) for i in wanted)])
    return run(ir.Model(graph, ir_version=10), {str(v.name): a for v, a in zip(inputs, arrays, strict=True)})
