"""Operators that are written out in others: the same result and derivatives as torch's, in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fisherlens.export.differentiate import cotangents
from fisherlens.export.expansions import EXPANSIONS
from fisherlens.export.tape import Tape

from .float64 import run

TOLERANCE = 1e-9


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


def test_every_expansion_has_a_case() -> None:
    assert {name.split()[0] for name in CASES} == set(EXPANSIONS)


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
