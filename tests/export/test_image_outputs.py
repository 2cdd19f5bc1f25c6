"""Networks whose result is an image: exported and scored pixel by pixel."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from fisherlens.edge import Runtime

from ..bundles import USUAL, run, usual_image
from ..networks import images, segmentation

SIDE = 16


def tensor(seed: int) -> torch.Tensor:
    return torch.from_numpy(usual_image(seed).astype(np.float32) / 65535.0)[None, None]


@pytest.fixture(scope="module")
def known_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The true image of each usual image: itself, smaller, and noise."""
    folder = tmp_path_factory.mktemp("known") / "height [nm]"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for seed in range(USUAL):
        small = cv2.resize(usual_image(seed) / 65535, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        np.save(folder / f"{seed:04}.npy", small + rng.normal(0, 0.3, small.shape))
    return folder.parent


@pytest.fixture(scope="module")
def height_bundle(usual_folder: Path, known_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundles") / "height.onnx"
    run(
        "export", "tests.networks:images", "--network-output", 0, "--head", "gaussian", "--images", usual_folder,
        "--targets", known_folder, "--probes", 1, "-o", path,
    )  # fmt: skip
    return path


def test_every_pixel_has_a_value_and_its_uncertainty(height_bundle: Path) -> None:
    (result,) = Runtime.open(height_bundle).score(usual_image(3)).result_images
    with torch.no_grad():
        mean, log_variance = images()(tensor(3))[0][0].numpy()
    assert (result.name, result.unit, result.rows, result.columns) == ("height", "nm", SIDE, SIDE)
    value, u = (np.frombuffer(data, "<f4").reshape(SIDE, SIDE) for data in (result.value, result.u))
    np.testing.assert_allclose(value, mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(u, np.exp(log_variance / 2), rtol=1e-4)


def test_the_coverage_factor_covers_its_share_of_all_pixels(height_bundle: Path, known_folder: Path) -> None:
    runtime = Runtime.open(height_bundle)
    inside = []
    for seed in range(USUAL):
        (result,) = runtime.score(usual_image(seed)).result_images
        value, u = (np.frombuffer(data, "<f4").reshape(SIDE, SIDE) for data in (result.value, result.u))
        truth = np.load(known_folder / "height [nm]" / f"{seed:04}.npy")
        inside.append(np.abs(truth - value) <= result.coverage_factor * u)
    assert 0.95 <= np.mean(inside) <= 0.953


def test_every_pixel_has_a_class(usual_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "classes.onnx"
    run(
        "export", "tests.networks:segmentation", "--network-output", 0, "--head", "softmax", "--images", usual_folder,
        "-o", path,
    )  # fmt: skip
    verdict = Runtime.open(path).score(usual_image(5))
    with torch.no_grad():
        expected = segmentation()(tensor(5))[0][0].softmax(dim=0).numpy()
    assert verdict.class_image is not None
    classes = np.frombuffer(verdict.class_image.classes, np.uint8).reshape(SIDE, SIDE)
    np.testing.assert_array_equal(classes, expected.argmax(axis=0))
    shares = [entry.probability for entry in verdict.probabilities]
    np.testing.assert_allclose(shares, expected.mean(axis=(1, 2)), rtol=1e-4)
    assert not Runtime.open(path).bundle.manifest.fisher.exact


def test_a_record_with_images_obeys_the_schema(height_bundle: Path, tmp_path: Path) -> None:
    import jsonschema

    from fisherlens.edge.verdict import json_schema

    cv2.imwrite(str(tmp_path / "image.png"), usual_image(1))
    record = json.loads(run("score", height_bundle, tmp_path / "image.png", "--json"))
    jsonschema.validate(record, json_schema())
    assert record["result_images"][0]["rows"] == SIDE


def test_outputs_that_the_head_cannot_read_are_listed(usual_folder: Path, tmp_path: Path) -> None:
    common = ("--head", "softmax", "--images", usual_folder, "-o", tmp_path / "out.onnx")
    said = run("export", "tests.networks:segmentation", *common, expect=1)
    assert "Choose by --network-output" in " ".join(said.split())
    said = run("export", "tests.networks:segmentation", "--network-output", 2, *common, expect=1)
    assert "no output 2, expected one of: 0" in " ".join(said.split())


def test_wrong_target_images_are_named(usual_folder: Path, known_folder: Path, tmp_path: Path) -> None:
    common = ("--network-output", 0, "--head", "gaussian", "--images", usual_folder, "-o", tmp_path / "out.onnx")
    wrong = tmp_path / "known" / "height [nm]"
    wrong.mkdir(parents=True)
    said = run("export", "tests.networks:images", *common, "--targets", wrong.parent, expect=1)
    assert "0000.npy" in said
    for path in (known_folder / "height [nm]").glob("*.npy"):
        np.save(wrong / path.name, np.load(path)[:8])
    said = run("export", "tests.networks:images", *common, "--targets", wrong.parent, expect=1)
    assert "each an image of 8 x 16, the network gives 1 measurands, each an image of 16 x 16" in " ".join(said.split())
