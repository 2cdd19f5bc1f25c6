"""Every rule of differentiation against torch autograd in float64, once and twice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx_ir.passes.common import ShapeInferencePass

from fisherlens.export.derivatives.registry import NOT_DIFFERENTIABLE, RULES
from fisherlens.export.derivatives.reverse import cotangents
from fisherlens.export.graph.tape import Tape

from ..float64 import run
from .operator_cases import CASES, Case

TOLERANCE = 1e-9


def test_every_rule_has_a_case() -> None:
    assert set(RULES) == set(CASES)
    assert not set(RULES) & NOT_DIFFERENTIABLE


@pytest.mark.parametrize("operator", sorted(CASES))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_first_and_second_derivative_agree_with_autograd(operator: str, data: st.DataObject) -> None:
    case = CASES[operator](data.draw)
    seed = data.draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    expected_first, expected_second, seeds, weights = _by_autograd(case, rng)
    first, second = by_graph(operator, case, seeds, weights)
    _assert_close(first, expected_first)
    _assert_close(second, expected_second)


def _by_autograd(case: Case, rng: np.random.Generator) -> tuple[list, list, list, list]:
    inputs = [torch.tensor(x, requires_grad=True) for x in case.inputs]
    result = case.function(*inputs)
    outputs = list(result) if isinstance(result, (tuple, list)) else [result]
    seeds = [torch.tensor(rng.normal(size=tuple(y.shape)), requires_grad=True) for y in outputs]
    first = torch.autograd.grad(outputs, inputs, seeds, create_graph=True)
    weights = [torch.tensor(rng.normal(size=tuple(g.shape))) for g in first]
    second = torch.autograd.grad(first, [*inputs, *seeds], weights, allow_unused=True)
    as_arrays = lambda tensors: [None if t is None else t.detach().resolve_neg().numpy(force=True) for t in tensors]  # noqa: E731
    return as_arrays(first), as_arrays(second), as_arrays(seeds), as_arrays(weights)


def placed(operator: str, case: Case) -> tuple[ir.Graph, list[ir.Value], list[ir.Value]]:
    """The case's node in a graph of its own, with its inputs and outputs."""
    inputs = [_input(f"x{i}", x) for i, x in enumerate(case.inputs)]
    graph = ir.Graph(inputs, [], nodes=[], opset_imports={"": 20}, name="case")
    remaining = list(inputs)
    count = max([len(inputs) + len(case.constants), *(i + 1 for i in case.constants)])
    places = [case.constants.get(i) for i in range(count)]
    operands = [remaining.pop(0) if constant is None and remaining else constant for constant in places]
    tape = Tape(graph, ir.DataType.DOUBLE)
    outputs = getattr(tape, operator)(*operands, outputs=case.outputs, **case.attributes)
    outputs = [outputs] if case.outputs == 1 else list(outputs)
    _inferred(graph, outputs)
    return graph, inputs, outputs


def by_graph(operator: str, case: Case, seeds: Sequence, weights: Sequence) -> tuple[list, list]:
    """Differentiate the node, then what came out, and run both in ONNX's reference evaluator."""
    graph, inputs, outputs = placed(operator, case)
    outputs = outputs[: len(seeds)]
    seed_inputs = [_input(f"seed{i}", s) for i, s in enumerate(seeds)]
    graph.inputs.extend(seed_inputs)
    tape = Tape(graph, ir.DataType.DOUBLE)
    first = cotangents(tape, dict(zip(outputs, seed_inputs, strict=True)), inputs)
    first_values = [tape.Identity(first[x]) for x in inputs]
    model = _inferred(graph, first_values)
    constants = [tape.floats(w) for w in weights]
    second = cotangents(tape, dict(zip(first_values, constants, strict=True)), [*inputs, *seed_inputs])
    second_values = [second.get(x) for x in [*inputs, *seed_inputs]]
    model = _inferred(graph, [*first_values, *(v for v in second_values if v is not None)])

    feeds = {str(v.name): a for v, a in zip([*inputs, *seed_inputs], [*case.inputs, *seeds], strict=True)}
    results = run(model, feeds)
    by_value = dict(zip(graph.outputs, results, strict=True))
    return [by_value[v] for v in first_values], [None if v is None else by_value[v] for v in second_values]


def _input(name: str, array: np.ndarray) -> ir.Value:
    return ir.val(name, dtype=ir.DataType.DOUBLE, shape=array.shape)


def _inferred(graph: ir.Graph, outputs: Sequence[ir.Value]) -> ir.Model:
    graph.outputs[:] = []
    graph.outputs.extend(dict.fromkeys(outputs))
    model = ir.Model(graph, ir_version=10)
    ShapeInferencePass(strict_mode=True, data_prop=True)(model)
    return model


def _assert_close(actual: Sequence, expected: Sequence) -> None:
    for have, want in zip(actual, expected, strict=True):
        if want is None or have is None:  # no dependence: nothing, or zeros, on the other side
            assert all(other is None or not np.any(other) for other in (have, want))
            continue
        assert have.shape == want.shape
        scale = max(1.0, float(np.abs(want).max(initial=0.0)))
        assert np.abs(have - want).max(initial=0.0) <= TOLERANCE * scale
