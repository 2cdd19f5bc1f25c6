"""`fisherlens score`: records, exit codes, pictures."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import pytest

from fisherlens.edge.bundle.manifest import Manifest
from fisherlens.edge.runtime import Runtime
from fisherlens.edge.verdict import json_schema

from ..bundles import run, usual_image


@pytest.fixture
def usual(tmp_path: Path, ensemble_bundle: Path) -> Path:
    """An image that the ensemble accepts."""
    runtime = Runtime.open(ensemble_bundle)
    image = next(i for i in map(usual_image, range(5000, 5100)) if runtime.score(i).outcome == "accepted")
    return saved(tmp_path / "usual.png", image)


@pytest.fixture
def unusual(tmp_path: Path) -> Path:
    """Noise, which no usual image is."""
    return saved(tmp_path / "noise.png", np.random.default_rng(0).integers(0, 2**16, (32, 32)).astype(np.uint16))


def saved(path: Path, image: np.ndarray) -> Path:
    cv2.imwrite(str(path), image)
    return path


def records(*arguments: object, expect: int) -> list[dict]:
    return [json.loads(line) for line in run("score", *arguments, "--json", expect=expect).splitlines()]


def test_exit_code_says_the_worst_outcome(ensemble_bundle: Path, usual: Path, unusual: Path) -> None:
    run("score", ensemble_bundle, usual, expect=0)
    run("score", ensemble_bundle, usual, unusual, expect=10)
    run("score", ensemble_bundle, unusual, "/nowhere", usual, expect=11)
    run("score", ensemble_bundle, expect=2)
    run("score", "/nowhere.onnx", usual, expect=2)
    run("score", usual, usual, expect=2)


def test_every_record_obeys_the_published_schema(ensemble_bundle: Path, usual: Path, unusual: Path) -> None:
    found = records(ensemble_bundle, usual, unusual, "/nowhere", expect=11)
    assert [record["outcome"] for record in found] == ["accepted", "flagged", "refused"]
    published = json.loads((Path(__file__).parents[2] / "edge" / "verdict.schema.json").read_text())
    assert published == json_schema()
    assert json.loads(run("schema")) == published
    for record in found:
        jsonschema.Draft202012Validator(published).validate(record)
        assert record.keys() == found[0].keys()


def test_a_record_says_what_was_measured_and_how_sure(ensemble_bundle: Path, usual: Path) -> None:
    (record,) = records(ensemble_bundle, usual, expect=0)
    assert [result["name"] for result in record["results"]] == ["brightness", "contrast"]
    assert record["results"][1]["unit"] == "mm"
    for result in record["results"]:
        assert result["u"] ** 2 == pytest.approx(result["u_aleatoric"] ** 2 + result["u_epistemic"] ** 2, rel=1e-5)
        assert result["U"] == pytest.approx(result["coverage_factor"] * result["u"])
    assert record["source"] == str(usual)
    assert record["reasons"] == []


def test_a_flag_says_which_check_and_why(ensemble_bundle: Path, unusual: Path) -> None:
    (record,) = records(ensemble_bundle, unusual, expect=10)
    flagged = [check for check in record["checks"] if check["flagged"]]
    assert len(record["reasons"]) == len(flagged) > 0
    for check, reason in zip(flagged, record["reasons"], strict=True):
        assert check["p_value"] <= check["alpha"]
        assert reason.startswith(check["name"])


def test_explain_decides_when_there_is_a_map(ensemble_bundle: Path, usual: Path, unusual: Path) -> None:
    def maps(explain: str) -> list[bool]:
        found = records(ensemble_bundle, usual, unusual, "--explain", explain, expect=10)
        return [record["map"] is not None for record in found]

    assert maps("always") == [True, True]
    assert maps("flagged") == [False, True]
    assert maps("never") == [False, False]


def test_maps_are_written_as_grid_and_overlay(ensemble_bundle: Path, unusual: Path, tmp_path: Path) -> None:
    (record,) = records(ensemble_bundle, unusual, "--map-dir", tmp_path / "maps", expect=10)
    grid = cv2.imread(str(tmp_path / "maps" / "noise.png.map.png"), cv2.IMREAD_UNCHANGED)
    overlay = cv2.imread(str(tmp_path / "maps" / "noise.png.overlay.png"), cv2.IMREAD_UNCHANGED)
    assert grid is not None
    assert overlay is not None
    assert grid.shape == (record["map"]["rows"], record["map"]["columns"])
    assert overlay.shape == (32, 32, 3)
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == [
        "noise.png.map.png",
        "noise.png.overlay.png",
    ]


def test_images_of_the_same_name_keep_both_maps(ensemble_bundle: Path, unusual: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    twin = saved(other / unusual.name, usual_image(1)[::-1] * np.uint16(16))
    run("score", ensemble_bundle, unusual, twin, "--map-dir", tmp_path / "maps", expect=10)
    assert len(list((tmp_path / "maps").iterdir())) == 4


def test_a_map_that_cannot_be_written_loses_no_verdict(
    ensemble_bundle: Path, unusual: Path, usual: Path, tmp_path: Path
) -> None:
    (tmp_path / "maps" / "noise.png.map.png").mkdir(parents=True)
    found = run("score", ensemble_bundle, unusual, usual, "--json", "--map-dir", tmp_path / "maps", expect=1)
    assert len([line for line in found.splitlines() if line.startswith("{")]) == 2
    assert "cannot be written" in found


def test_a_name_that_is_no_text_is_escaped(ensemble_bundle: Path, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"odd-\xff.png")
    (record,) = records(ensemble_bundle, odd, expect=11)
    assert record["source"].endswith("odd-\\xff.png")


def test_the_table_shows_every_number_in_a_narrow_terminal(ensemble_bundle: Path, usual: Path) -> None:
    table = run("score", ensemble_bundle, usual)
    (verdict,) = Runtime.open(ensemble_bundle).score_file(usual)
    for result in verdict.results:
        assert result.text.split(",")[0] in table
    assert "1 accepted, 0 flagged, 0 refused" in table


def test_a_classifier_gives_probabilities(classifier_bundle: Path, usual: Path) -> None:
    runtime = Runtime.open(classifier_bundle)
    verdict = runtime.score(usual_image(1))
    manifest: Manifest = runtime.bundle.manifest
    assert [entry.name for entry in verdict.probabilities] == list(manifest.classes)
    assert sum(entry.probability for entry in verdict.probabilities) == pytest.approx(1, abs=1e-5)


def test_inspect_shows_manifest_checks_digest_and_cost(ensemble_bundle: Path) -> None:
    shown = json.loads(run("inspect", ensemble_bundle, "--json"))
    assert shown["digest"] == Runtime.open(ensemble_bundle).bundle.digest
    assert [check["calibration_size"] for check in shown["manifest"]["checks"]] == [210] * 5
    costs = shown["cost_seconds"]
    assert set(costs) == {"forward alone", "verdict", "verdict with map"}
    assert min(costs.values()) > 0
    assert shown["golden_difference"] < 1e-5
    text = run("inspect", ensemble_bundle)
    for words in (
        "sha256:",
        "cascade",
        "210 usual images",
        "forward alone",
        "u_epistemic",
        "Accepted images",
        "MONOCHROME2",
    ):
        assert words in text
