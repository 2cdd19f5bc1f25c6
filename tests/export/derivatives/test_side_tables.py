"""Each operator with a rule stands in the tables beside the rules where it should, or in none on purpose."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fisherlens.export.derivatives.batching import ONE_BY_ONE, batch
from fisherlens.export.derivatives.jacobian import reverse_pass
from fisherlens.export.derivatives.registry import RULES
from fisherlens.export.errors import NetworkError
from fisherlens.export.fisher.squared_gradient import SQUARED_GRADIENTS
from fisherlens.export.graph.tape import shape_of
from fisherlens.export.network.layers import WEIGHTED

from .operator_cases import CASES, Case
from .operator_cases.drawing import Draw, ints, values
from .test_rules import placed

WITHOUT_A_LAYER = {
    "Add": "a bias belongs to the MatMul before it; a learned offset alone has no activation of its own",
    "BatchNormalization": "folded into the layer before it",
    "Div": "two results of the network, or a constant scale",
    "InstanceNormalization": "scale and bias of a normalisation are few, and no layer of their own",
    "LayerNormalization": "scale and bias of a normalisation are few, and no layer of their own",
    "Mod": "two results of the network",
    "Mul": "two results of the network, or a constant scale",
    "PRelu": "slopes of an activation function are few, and no layer of their own",
    "Pow": "two results of the network",
    "ScatterElements": "places one result in another",
    "ScatterND": "places one result in another",
    "Sub": "two results of the network, or a constant offset",
    "Where": "chooses between two results",
}
"""Operators with several differentiable inputs, one of which could be learned, that make no layer, and why."""


def test_an_operator_that_can_have_weights_makes_a_layer_or_does_not_on_purpose() -> None:
    several = {operator for operator, rules in RULES.items() if sum(rule is not None for rule in rules) > 1}
    assert set(WEIGHTED) | set(WITHOUT_A_LAYER) == several
    assert not set(WEIGHTED) & set(WITHOUT_A_LAYER)


def test_every_kind_of_layer_has_its_squared_gradient() -> None:
    assert set(SQUARED_GRADIENTS) == set(WEIGHTED)


def layer_norm(draw: Draw) -> Case:
    return Case(lambda x: F.layer_norm(x, [4], torch.ones(4).double()), [values(draw, (1, 3, 4))], {1: np.ones(4)})


def slice_(draw: Draw) -> Case:
    return Case(lambda x: x[:, 1:3], [values(draw, (1, 4))], {1: ints(1), 2: ints(3), 3: ints(1)})


WITH_A_BATCH_OF_ONE = {**CASES, "LayerNormalization": layer_norm, "Slice": slice_}
NEVER_AN_IMAGE = {"MaxUnpool", "OneHot", "ReverseSequence", "ScatterND"}
"""Operators of whose cases none begins with a batch of one image."""


@pytest.mark.parametrize("operator", sorted(set(CASES) - NEVER_AN_IMAGE))
def test_several_rows_go_through_side_by_side_or_do_not_on_purpose(operator: str) -> None:
    found: list[bool] = []

    @settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def look(data: st.DataObject) -> None:
        case = WITH_A_BATCH_OF_ONE[operator](data.draw)
        if not any(found):
            found.extend(side_by_side(operator, case))

    look()
    assert found, "no case with a batch of one was drawn"
    assert any(found) is (operator not in ONE_BY_ONE)


def side_by_side(operator: str, case: Case) -> list[bool]:
    """Whether two rows go through the operator's reverse pass together; nothing for another batch than one."""
    if case.inputs[0].ndim < 2 or case.inputs[0].shape[0] != 1:
        return []
    _, inputs, outputs = placed(operator, case)
    if any(output.shape is None or not output.shape or shape_of(output)[0] != 1 for output in outputs):
        return []
    try:
        part, _ = reverse_pass(ir.DataType.DOUBLE, {output: output for output in outputs}, [inputs[0]])
    except NetworkError:
        return []
    return [batch(part.graph, 2)]
