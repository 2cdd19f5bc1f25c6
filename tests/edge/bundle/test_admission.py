"""ONNX files that ask for more than they hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fisherlens.edge.bundle import open_bundle, read_bundle
from fisherlens.edge.bundle.admission import require_self_contained
from fisherlens.edge.errors import BundleRefused


def model(nodes: list[onnx.NodeProto], initializers: list[onnx.TensorProto] = []) -> onnx.ModelProto:  # noqa: B006
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1])],
        initializers,
    )
    return helper.make_model(graph)


def external(name: str) -> onnx.TensorProto:
    tensor = numpy_helper.from_array(np.ones(1, np.float32), name)
    onnx.external_data_helper.set_external_data(tensor, "/etc/passwd")
    tensor.ClearField("raw_data")
    return tensor


def branch(nodes: list[onnx.NodeProto], initializers: list[onnx.TensorProto] = []) -> onnx.GraphProto:  # noqa: B006
    out = [helper.make_tensor_value_info("inner", TensorProto.FLOAT, [1])]
    return helper.make_graph(nodes, "branch", [], out, initializers)


def in_branch(graph: onnx.GraphProto) -> onnx.ModelProto:
    condition = helper.make_node("If", ["condition"], ["out"], then_branch=graph, else_branch=graph)
    return model([condition], [numpy_helper.from_array(np.array(True), "condition")])


def with_function() -> onnx.ModelProto:
    found = model([helper.make_node("Identity", ["image"], ["out"])])
    opset = [helper.make_opsetid("", 20)]
    found.functions.append(
        helper.make_function("", "Sneaky", ["a"], ["b"], [helper.make_node("Identity", ["a"], ["b"])], opset)
    )
    return found


def with_domain() -> onnx.ModelProto:
    found = model([helper.make_node("Identity", ["image"], ["out"])])
    found.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    return found


REFUSED: dict[str, tuple[Callable[[], onnx.ModelProto], str]] = {
    "an initializer in another file": (
        lambda: model([helper.make_node("Add", ["image", "w"], ["out"])], [external("w")]),
        "tensor 'w' lies in another file",
    ),
    "a constant in another file": (
        lambda: model([helper.make_node("Constant", [], ["out"], value=external("c"))]),
        "tensor 'c' lies in another file",
    ),
    "an initializer of a branch in another file": (
        lambda: in_branch(branch([helper.make_node("Identity", ["w"], ["inner"])], [external("w")])),
        "tensor 'w' lies in another file",
    ),
    "an operator of another domain": (
        lambda: model([helper.make_node("Gelu", ["image"], ["out"], domain="com.microsoft")]),
        "operator Gelu of domain 'com.microsoft'",
    ),
    "an operator of another domain in a branch": (
        lambda: in_branch(branch([helper.make_node("Evil", ["image"], ["inner"], domain="evil")])),
        "operator Evil of domain 'evil'",
    ),
    "another domain imported": (with_domain, "the file of domain 'com.microsoft'"),
    "functions of its own": (with_function, "a function of domain 'local'"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_inside_the_file_or_not_standard_is_refused(name: str) -> None:
    make, reason = REFUSED[name]
    with pytest.raises(BundleRefused, match=reason):
        require_self_contained(make().SerializeToString())


def test_a_field_that_stands_twice_hides_nothing() -> None:
    """Protobuf lets a file hold two graphs, of which one reader takes the first and another the last."""
    plain = model([helper.make_node("Identity", ["image"], ["out"])])
    evil = model([helper.make_node("Evil", ["image"], ["out"], domain="evil")])
    for first, second in ((plain, evil), (evil, plain)):
        with pytest.raises(BundleRefused, match="domain 'evil'"):
            require_self_contained(first.SerializeToString() + second.SerializeToString())


def test_whatever_the_exporter_writes_is_admitted(ensemble_bundle: Path, classifier_bundle: Path) -> None:
    for bundle in (ensemble_bundle, classifier_bundle):
        require_self_contained(read_bundle(bundle))


def test_other_files_are_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "bundle.onnx"
    for data in (b"\xff" * 50, b"PK\x03\x04 no model"):
        path.write_bytes(data)
        with pytest.raises(BundleRefused, match=rf"bundle {path}: no ONNX model"):
            open_bundle(path)


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(BundleRefused, match=r"1,099,511,627,776 bytes, expected at most 1,073,741,824"):
        open_bundle(path)
