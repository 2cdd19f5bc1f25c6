"""Golden vectors replayed on this machine."""

from __future__ import annotations

from pathlib import Path

import onnx

from fisherlens.edge.bundle.manifest import GOLDEN_KEY

from ...bundles import run


def test_a_bundle_passes_where_it_was_made(ensemble_bundle: Path, classifier_bundle: Path) -> None:
    for bundle in (ensemble_bundle, classifier_bundle):
        assert run("selftest", bundle).startswith("passed")


def test_a_machine_that_computes_something_else_fails(ensemble_bundle: Path, tmp_path: Path) -> None:
    """Stood in for by weights that are a thousandth larger, under the same golden vectors."""
    model = onnx.load(ensemble_bundle)
    assert any(entry.key == GOLDEN_KEY for entry in model.metadata_props)
    for tensor in model.graph.initializer:
        if tensor.name.startswith("member") and len(tensor.dims) > 1:
            array = onnx.numpy_helper.to_array(tensor) * 1.003
            tensor.CopyFrom(onnx.numpy_helper.from_array(array.astype("float32"), tensor.name))
    other = tmp_path / "other.onnx"
    onnx.save(model, other)
    assert run("selftest", other, expect=1).startswith("FAILED")


def test_what_is_no_bundle_is_wrong_usage(tmp_path: Path) -> None:
    assert "No such file" in run("selftest", tmp_path / "none.onnx", expect=2)
