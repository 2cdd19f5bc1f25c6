"""Squares by groups of channels."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fisherlens.export.fisher.channels import group_count, squares_by_group
from fisherlens.export.graph.tape import Tape
from fisherlens.export.heads import Softmax

from ...networks import classifier
from ..float64 import run
from ..instruments import evaluated


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 16), st.sampled_from([2, 3, 4]))
def test_groups_are_interleaved_and_add_up(channels: int, most: int, rank: int) -> None:
    shape = {2: (1, channels), 3: (1, 5, channels), 4: (1, channels, 2, 3)}[rank]
    value = np.random.default_rng(0).normal(size=shape)
    given_value = ir.val("x", dtype=ir.DataType.DOUBLE, shape=shape)
    graph = ir.Graph([given_value], [], nodes=[], name="case", opset_imports={"": 20})
    graph.outputs.append(squares_by_group(Tape(graph, ir.DataType.DOUBLE), [given_value], most))
    graph.outputs[0].name = "y"
    (found,) = run(ir.Model(graph, ir_version=10), {"x": value})
    count = group_count(channels, most)
    assert channels % count == 0
    assert count <= most
    by_channel = np.moveaxis(value**2, 1 if rank == 4 else -1, 0).reshape(channels, -1).sum(axis=1)
    np.testing.assert_allclose(found, [by_channel[k::count].sum() for k in range(count)])


@pytest.mark.parametrize("probes", [0, 1])
def test_a_layers_groups_add_up_to_the_layer(probes: int) -> None:
    image = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(0))

    def totals(groups: int) -> np.ndarray:
        (found,) = evaluated(
            classifier(),
            image,
            Softmax(),
            lambda i: {
                f"{kind}{n}": value
                for kind in ("activations", "energies")
                for n, value in enumerate(getattr(i.information, kind))
            },
            probes=probes,
            groups=groups,
        )
        assert groups == 1 or max(value.size for value in found.values()) > 1
        return np.array([value.sum() for value in found.values()])

    np.testing.assert_allclose(totals(4), totals(1), rtol=1e-4)
