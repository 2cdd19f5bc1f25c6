"""Branches compute activations again where that costs less than to capture them, and give the same."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, combinations
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator
from onnxruntime import InferenceSession, SessionOptions

from fisherlens.export.graph.model import as_model, session
from fisherlens.export.graph.rematerialisation import CAPTURED, ELEMENT, ELEMENTWISE, IMAGES
from fisherlens.export.graph.tape import OPSET, Tape, shape_of

CHANNELS, KERNEL = 16, 3

Layer = tuple[int, int, bool]
"""How far back its input stands, its stride, and whether what stands there is added to its result."""

layers = st.lists(st.tuples(st.integers(1, 3), st.sampled_from([1, 2]), st.booleans()), min_size=1, max_size=4)
chosen = st.sets(st.integers(0, 11), min_size=1, max_size=4)


def network(found: Sequence[Layer], side: int) -> tuple[Tape, list[ir.Value]]:
    """Convolutions, rectified, of a network that skips, and all that it computes on the way."""
    rng = np.random.default_rng(0)
    image = ir.val("image", dtype=ir.DataType.FLOAT, shape=(1, CHANNELS, side, side))
    tape = Tape(ir.Graph([image], [], nodes=[], name="network", opset_imports={"": OPSET}))
    ends, values = [image], []
    for back, stride, adds in found:
        before = ends[-min(back, len(ends))]
        weight = rng.normal(0, 0.1, (CHANNELS, CHANNELS, KERNEL, KERNEL)).astype(np.float32)
        result = tape.Conv(before, weight, pads=[1, 1, 1, 1], strides=[stride, stride])
        values.append(result)
        if adds and stride == 1:
            values.append(result := tape.Add(result, before))
        values.append(result := tape.Relu(result))
        ends.append(result)
    return tape, values


def used(tape: Tape, values: Sequence[ir.Value]) -> ir.Value:
    squares = [tape.Unsqueeze(tape.ReduceSumSquare(value, keepdims=0), [0]) for value in values]
    return tape.Concat(*squares, axis=0)


def branching(found: Sequence[Layer], places: set[int], side: int) -> tuple[ir.Model, ir.Model, list[ir.Value]]:
    """A model that uses some values in the branch of an If, one that does without an If, and those values."""
    tape, values = network(found, side)
    inner = list(dict.fromkeys(values[place % len(values)] for place in sorted(places)))
    result = tape.ReduceMean(values[-1], keepdims=0)
    plain = as_model(tape.graph, {"result": result, "found": used(tape, inner)})
    taken = ir.val("taken", dtype=ir.DataType.BOOL, shape=())
    tape.graph.inputs.append(taken)
    then, other = (ir.Graph([], [], nodes=[], name=name) for name in ("then", "other"))
    then.outputs.append(used(Tape(then), inner))
    other.outputs.append(Tape(other).zeros((len(inner),)))
    branch = tape.If(taken, then_branch=then, else_branch=other)
    return as_model(tape.graph, {"result": result, "found": branch}), plain, values


def then_branch(model: ir.Model) -> ir.Graph:
    (branching,) = [node for node in model.graph if node.op_type == "If"]
    return branching.attributes["then_branch"].as_graph()


def captured(model: ir.Model) -> list[ir.Value]:
    values = dict.fromkeys(value for node in then_branch(model) for value in node.inputs if value is not None)
    return [v for v in values if (producer := v.producer()) is not None and producer.graph is model.graph]


def cost(captures: Sequence[ir.Value], nodes: Sequence[ir.Node]) -> int:
    work = sum(
        int(np.prod(shape_of(node.outputs[0]))) * (CHANNELS * KERNEL**2 if node.op_type == "Conv" else ELEMENTWISE)
        for node in nodes
    )
    return work + sum(IMAGES * (ELEMENT * int(np.prod(shape_of(value))) + CAPTURED) for value in captures)


def least_cost(values: Sequence[ir.Value], needed: Sequence[ir.Value]) -> int:
    """Of all sets of nodes that could be computed again."""
    nodes = [node for value in values if (node := value.producer()) is not None]
    costs = []
    for again in chain.from_iterable(combinations(nodes, count) for count in range(len(nodes) + 1)):
        wanted = {*needed, *(v for node in again for v in node.inputs if v is not None and v.producer() is not None)}
        costs.append(cost([value for value in wanted if value.producer() not in again], again))
    return min(costs)


def stored(model: ir.Model) -> int:
    """Bytes of all initializers, the branches' too."""
    parts = (model.graph, *model.graph.subgraphs())
    tensors = [value.const_value for part in parts for value in part.initializers.values()]
    return sum(tensor.nbytes for tensor in tensors if tensor is not None)


@settings(max_examples=25, deadline=None)
@given(layers, chosen)
def test_a_branch_gives_what_the_graph_without_it_gives(found: list[Layer], places: set[int]) -> None:
    model, plain, _ = branching(found, places, side=20)
    image = np.random.default_rng(1).normal(size=(1, CHANNELS, 20, 20)).astype(np.float32)
    reference = ReferenceEvaluator(ir.to_proto(plain))
    expected = [np.asarray(output) for output in reference.run(["result", "found"], {"image": image})]
    opened = session(model, threads=1)
    for taken, inner in ((True, expected[1]), (False, np.zeros_like(expected[1]))):
        outputs = opened.run(["result", "found"], {"image": image, "taken": np.array(taken)})
        np.testing.assert_allclose(outputs[0], expected[0], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(outputs[1], inner, rtol=1e-4, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(layers.filter(lambda found: len(found) <= 3), chosen, st.sampled_from([8, 20, 64]))
def test_no_other_choice_of_what_is_captured_costs_less(found: list[Layer], places: set[int], side: int) -> None:
    model, _, values = branching(found, places, side)
    needed = list(dict.fromkeys(values[place % len(values)] for place in sorted(places)))
    again = [node for node in then_branch(model) if node.op_type in ("Conv", "Add", "Relu")]
    assert cost(captured(model), again) == least_cost(values, needed)


def test_of_large_images_nothing_is_captured_and_no_weight_is_stored_twice() -> None:
    model, plain, _ = branching([(1, 2, False)] * 3, {2, 5, 8}, side=64)
    assert not captured(model)
    assert stored(model) < stored(plain) + 1000


def test_convolutions_that_are_computed_again_run_in_their_own_layout(tmp_path: Path) -> None:
    """ONNX Runtime does not put weights of the graph around a branch into it."""
    model, *_ = branching([(1, 1, False)] * 3, {2, 5, 8}, side=64)
    options = SessionOptions()
    options.optimized_model_filepath, options.log_severity_level = str(tmp_path / "optimised"), 3
    InferenceSession(ir.to_proto(model).SerializeToString(), options, providers=["CPUExecutionProvider"])
    graph = onnx.load(tmp_path / "optimised").graph
    (branching_,) = [node for node in graph.node if node.op_type == "If"]
    (then,) = [attribute.g for attribute in branching_.attribute if attribute.name == "then_branch"]
    domains = [{node.domain for node in part.node if node.op_type.endswith("Conv")} for part in (graph, then)]
    assert domains[0] == domains[1]
