"""A budget for the check: what it chooses fits, and the manifest says what was given up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fisherlens.edge.bundle import open_bundle

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
    chosen = manifest.budget.chosen
    assert chosen.cost <= manifest.budget.limit + 1e-9
    assert chosen.cost <= chosen.worst_cost
    assert chosen.auroc <= manifest.budget.best.auroc
    assert "rao_score" in chosen.closer  # a Fisher-based check, whatever the cost
    assert [check.name for check in manifest.checks] == [*chosen.first, "cascade"]
    assert [check.flags for check in manifest.checks] == [*(False for _ in chosen.first), True]
    assert f"chosen: {' and '.join(chosen.first)} of every image" in " ".join(said.split())
    assert "best at any cost: " in said


def test_the_map_is_still_there_when_asked_for(frugal_bundle: tuple[Path, str]) -> None:
    bundle = open_bundle(frugal_bundle[0])
    image = (usual_image(3).astype(np.float32) / 65535.0)[None, None]
    assert bundle.run(image, explain=True)["map"].shape == (32, 32)


def test_a_budget_that_no_check_fits_is_refused(usual_folder: Path, tmp_path: Path) -> None:
    said = run(*COMMON, "--images", usual_folder, "--cost", "1.000001", "-o", tmp_path / "out.onnx", expect=1)
    assert "the cheapest procedure takes" in " ".join(said.split())
    assert not (tmp_path / "out.onnx").exists()


@pytest.mark.parametrize("also", [("--check", "fisher_trace"), ("--combination", "each")])
def test_a_budget_beside_checks_that_were_asked_for_is_refused(
    also: tuple[str, str], usual_folder: Path, tmp_path: Path
) -> None:
    said = run(*COMMON, "--images", usual_folder, "--cost", "2", *also, "-o", tmp_path / "out.onnx", expect=1)
    assert "Give the one or the other" in " ".join(said.split())
