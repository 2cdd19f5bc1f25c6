"""A budget for the check: what it chooses fits, and the manifest says what was given up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from fisherlens.edge.bundle import open_bundle
from fisherlens.export.fisher.information import Information
from fisherlens.export.fisher.profile import Selection

from ...bundles import run, usual_image

COMMON = ("export", "tests.networks:classifier", "--head", "softmax")


@pytest.fixture(scope="module")
def frugal_bundle(usual_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A bundle within a budget, and what the command said."""
    path = tmp_path_factory.mktemp("bundles") / "frugal.onnx"
    return path, run(*COMMON, "--images", usual_folder, "--cost", "4", "-o", path)


def test_the_choice_fits_and_is_in_the_manifest(frugal_bundle: tuple[Path, str]) -> None:
    path, said = frugal_bundle
    manifest = open_bundle(path).manifest
    assert manifest.budget is not None
    assert manifest.budget.chosen.cost <= manifest.budget.limit == 4
    assert manifest.budget.chosen.auroc <= manifest.budget.best.auroc
    assert set(manifest.budget.chosen.parameters) <= set(manifest.budget.chosen.activations)
    assert set(manifest.budget.best.activations) <= set(manifest.fisher.layers)
    assert [check.name for check in manifest.checks] == ["fisher_profile"]
    assert "chosen: " in said
    assert "best at any cost: " in said


def test_the_map_is_still_there_when_asked_for(frugal_bundle: tuple[Path, str]) -> None:
    bundle = open_bundle(frugal_bundle[0])
    image = (usual_image(3).astype(np.float32) / 65535.0)[None, None]
    assert bundle.run(image, explain=True)["map"].shape == (32, 32)


def test_the_map_of_a_budget_is_that_of_the_whole(frugal_bundle: tuple[Path, str], usual_folder: Path) -> None:
    path = frugal_bundle[0]
    manifest = open_bundle(path).manifest
    assert manifest.budget is not None
    whole = path.with_name("whole.onnx")
    run(*COMMON, "--images", usual_folder, "--probes", manifest.fisher.passes, "-o", whole)
    image = (usual_image(4).astype(np.float32) / 65535.0)[None, None]
    ours, theirs = (open_bundle(p).run(image, explain=True) for p in (path, whole))
    np.testing.assert_allclose(ours["map_range"], theirs["map_range"], rtol=1e-4)


def test_a_budget_that_no_check_fits_is_refused(usual_folder: Path, tmp_path: Path) -> None:
    said = run(*COMMON, "--images", usual_folder, "--cost", "1.000001", "-o", tmp_path / "out.onnx", expect=1)
    assert "the cheapest check takes" in " ".join(said.split())
    assert not (tmp_path / "out.onnx").exists()


def test_a_budget_for_the_trace_is_refused(usual_folder: Path, tmp_path: Path) -> None:
    said = run(
        *COMMON, "--images", usual_folder, "--cost", "2", "--check", "fisher_trace", "-o", tmp_path / "out.onnx",
        expect=1,
    )  # fmt: skip
    assert "Give --check fisher_profile alone" in " ".join(said.split())


def test_a_selection_finds_its_features_among_all() -> None:
    def value(*shape: int) -> ir.Value:
        return ir.val("x", dtype=ir.DataType.FLOAT, shape=shape)

    groups = [value(2), value(1), value(3)]
    everything = Information([value()] * 3, groups, [*groups, value(1)], value(), value(), None)
    assert Selection((2,), (1, 2), (3,)).columns(everything) == [2, 5, 6, 7, 8, 15]
    assert Selection.everything(everything).columns(everything) == list(range(16))
