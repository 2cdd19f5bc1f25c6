"""`fisherlens export`: whatever is wrong is said in words, and no half-written bundle stays."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import onnx_ir as ir
import pytest
import torch

from fisherlens.edge.bundle import open_bundle
from fisherlens.export.graph.tape import Tape

from ..bundles import USUAL, run, usual_image
from ..networks import classifier


@pytest.fixture
def few(tmp_path: Path) -> Path:
    """A folder of twelve usual images."""
    folder = tmp_path / "few"
    folder.mkdir()
    for seed in range(12):
        cv2.imwrite(str(folder / f"{seed:04}.png"), usual_image(seed))
    return folder


def refused(*arguments: object) -> str:
    """What `export` says when it fails; no file may be left, not even in part."""
    output = next(a for a in arguments if isinstance(a, Path) and a.suffix == ".onnx" and a.stem == "out")
    said = " ".join(run("export", *arguments, expect=1).split())
    assert [path for path in output.parent.iterdir() if path.suffix in (".onnx", ".part")] == []
    return said


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "result").mkdir()
    return tmp_path / "result" / "out.onnx"


def test_operators_without_a_rule_are_all_named_with_their_nodes(usual_folder: Path, out: Path) -> None:
    said = refused("tests.networks:not_differentiable", "--head", "softmax", "--images", usual_folder, "-o", out)
    assert said.count("RandomNormalLike (node ") == 2
    assert said.count("RandomUniformLike (node ") == 1


def test_operators_that_cannot_be_written_out_are_all_named_with_their_reasons(usual_folder: Path, out: Path) -> None:
    said = refused("tests.networks:too_large", "--head", "softmax", "--images", usual_folder, "-o", out)
    assert said.count("matrices of 8 rows, expected at most 6") == 2


def test_a_network_without_weights_is_refused(usual_folder: Path, out: Path) -> None:
    said = refused("tests.networks:weightless", "--head", "softmax", "--images", usual_folder, "-o", out)
    assert "no layer with learned weights" in said


def test_a_network_without_a_derivative_in_the_image_says_where_it_ends(usual_folder: Path, out: Path) -> None:
    said = refused("tests.networks:stepped", "--head", "softmax", "--images", usual_folder, "-o", out)
    assert "it ends at Round (node " in said


def test_nan_weights_are_named(usual_folder: Path, out: Path) -> None:
    said = refused("tests.networks:broken", "--head", "softmax", "--images", usual_folder, "-o", out)
    assert "NaN" in said
    assert "entry.0.weight" in said


def test_too_few_images_say_how_many_are_needed(few: Path, out: Path) -> None:
    said = refused("tests.networks:classifier", "--head", "softmax", "--images", few, "-o", out)
    assert "12 calibration images; alpha 0.01 over 1 checks needs at least 198" in said


def test_an_unreadable_image_is_named(few: Path, out: Path) -> None:
    (few / "0003.png").write_bytes(b"")
    said = refused("tests.networks:classifier", "--head", "softmax", "--images", few, "-o", out)
    assert "0003.png" in said
    assert "empty" in said


def test_an_image_of_another_kind_is_named(few: Path, out: Path) -> None:
    cv2.imwrite(str(few / "0007.png"), np.zeros((8, 8), np.uint8))
    assert "0007.png" in refused("tests.networks:classifier", "--head", "softmax", "--images", few, "-o", out)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        ("nowhere.onnx", "no such file"),
        ("tests.networks", "package.module:factory"),
        ("tests.nowhere:factory", "No module named"),
        ("tests.networks:nothing", "nothing"),
        ("tests.networks:failing", "no weights here"),
    ],
)
def test_a_network_that_cannot_be_had_is_named(usual_folder: Path, out: Path, network: str, words: str) -> None:
    said = refused(network, "--head", "softmax", "--images", usual_folder, "-o", out)
    assert network in said
    assert words in said


def test_a_wrong_head_says_what_it_expects(usual_folder: Path, out: Path) -> None:
    said = refused("tests.networks:segmentation", "--head", "softmax", "--images", usual_folder, "-o", out)
    assert "the softmax head expects one" in said


def test_a_gaussian_head_needs_targets_of_its_number(
    usual_folder: Path, targets_csv: Path, tmp_path: Path, out: Path
) -> None:
    common = ("tests.networks:ensemble", "--head", "gaussian", "--images", usual_folder, "-o", out)
    assert "Give --targets" in refused(*common)
    one = tmp_path / "one.csv"
    one.write_text("\n".join(line.rsplit(",", 1)[0] for line in targets_csv.read_text().splitlines()))
    assert "targets for 1 measurands, the network gives 2" in refused(*common, "--targets", one)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("other.png,0.5,0.1", "no line for 0005.png"),
        ("0005.png,bright,0.1", "'bright', expected a number"),
        ("0005.png,0.5", "None, expected a number"),
    ],
)
def test_wrong_targets_say_where(
    few: Path, targets_csv: Path, tmp_path: Path, out: Path, line: str, words: str
) -> None:
    lines = targets_csv.read_text().splitlines()
    changed = tmp_path / "changed.csv"
    changed.write_text("\n".join(line if text.startswith("0005.png") else text for text in lines))
    assert words in refused(
        "tests.networks:ensemble", "--head", "gaussian", "--images", few, "--targets", changed, "-o", out
    )


def test_targets_without_a_file_column_are_refused(few: Path, tmp_path: Path, out: Path) -> None:
    changed = tmp_path / "changed.csv"
    changed.write_text("name,a\n0001.png,1\n")
    said = refused("tests.networks:ensemble", "--head", "gaussian", "--images", few, "--targets", changed, "-o", out)
    assert "column `file`" in said


def test_wrong_classes_are_refused(usual_folder: Path, classes_csv: Path, tmp_path: Path, out: Path) -> None:
    common = ("tests.networks:classifier", "--head", "softmax", "--images", usual_folder, "-o", out)
    assert "3 names of classes, the network gives 10" in refused(*common, "--classes", "a,b,c")
    changed = tmp_path / "changed.csv"
    changed.write_text(classes_csv.read_text().replace("0005.png,", "0005.png,9"))
    assert "the network has 10" in refused(*common, "--targets", changed)


def test_a_shape_that_depends_on_the_image_is_named(usual_folder: Path, tmp_path: Path, out: Path) -> None:
    image = ir.val("image", dtype=ir.DataType.FLOAT, shape=(1, 1, 32, 32))
    graph = ir.Graph([image], [], nodes=[], name="dynamic", opset_imports={"": 20})
    tape = Tape(graph)
    found = tape.NonZero(image)
    found.producer().name = "where_bright"
    logits = tape.Cast(tape.Slice(found, [0], [2], [0]), to=ir.DataType.FLOAT)
    logits.name, logits.dtype = "logits", ir.DataType.FLOAT
    graph.outputs.append(logits)
    path = tmp_path / "dynamic.onnx"
    ir.save(ir.Model(graph, ir_version=10), path)
    said = refused(path, "--head", "softmax", "--images", usual_folder, "-o", out)
    assert "where_bright" in said
    assert "fixed" in said or "static" in said


def test_a_difference_above_the_tolerance_is_refused(usual_folder: Path, out: Path) -> None:
    said = refused(
        "tests.networks:classifier", "--head", "softmax", "--images", usual_folder, "--tolerance", "1e-12", "-o", out
    )
    assert "expected at most 1e-12 relative" in said


def test_a_forward_onnx_file_gives_the_same_bundle_as_its_torch_module(
    usual_folder: Path, classifier_bundle: Path, classes_csv: Path, tmp_path: Path
) -> None:
    forward, bundle = tmp_path / "forward.onnx", tmp_path / "bundle.onnx"
    torch.onnx.export(
        classifier(), (torch.zeros(1, 1, 32, 32),), forward, dynamo=True, verbose=False, external_data=False
    )
    common = ("--head", "softmax", "--images", usual_folder, "--targets", classes_csv, "-o", bundle)
    assert "parity with onnxruntime" in run("export", forward, *common)
    image = (usual_image(0).astype(np.float32) / 65535.0)[None, None]
    ours, theirs = (open_bundle(path).run(image, explain=True) for path in (bundle, classifier_bundle))
    for name in ours:
        # The profile whitens by up to 1 / ROUNDING what two graphs round differently (1e-7 each).
        atol = 2e-3 if name == "statistic" else 1e-6
        np.testing.assert_allclose(ours[name].astype(float), theirs[name].astype(float), rtol=1e-4, atol=atol)


def test_options_are_written_into_the_manifest(usual_folder: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.onnx"
    run(
        "export", "tests.networks:classifier", "--head", "softmax", "--images", usual_folder, "-o", bundle,
        "--name", "shapes", "--bundle-version", "2.1", "--alpha", "0.05", "--check", "fisher_trace",
        "--map-bytes", "64", "--classes", ",".join("abcdefghij"), "--offset", "100", "--scale", "0.001",
    )  # fmt: skip
    manifest = open_bundle(bundle).manifest
    assert (manifest.name, manifest.version, manifest.alpha) == ("shapes", "2.1", 0.05)
    assert [(check.name, check.calibration_size) for check in manifest.checks] == [("fisher_trace", USUAL // 2)]
    assert (manifest.map.rows, manifest.map.columns, manifest.map.cell) == (8, 8, 4)
    assert manifest.classes == tuple("abcdefghij")
    assert (manifest.input.offset, manifest.input.scale, manifest.input.bits_stored) == (100.0, 0.001, 16)
    assert manifest.parity.relative < 1e-5


def test_weights_stand_in_the_file_once(classifier_bundle: Path) -> None:
    """Also those that the reverse pass reads turned round."""
    model = ir.load(classifier_bundle)
    stored = [
        value.const_value.numpy().astype(np.float64)
        for graph in (model.graph, *model.graph.subgraphs())
        for value in graph.initializers.values()
        if value.const_value is not None and value.const_value.size >= 16
    ]
    for weight in (p.detach().numpy().astype(np.float64) for p in classifier().parameters() if p.dim() > 1):
        # Turned round or swapped, a weight has the same numbers. (One that took up a batch normalisation has others.)
        numbers = np.sort(np.abs(weight), axis=None)
        copies = [a for a in stored if a.size == weight.size and np.allclose(np.sort(np.abs(a), axis=None), numbers)]
        assert len(copies) <= 1


def test_an_earlier_bundle_stays_when_an_export_fails(usual_folder: Path, classifier_bundle: Path, out: Path) -> None:
    shutil.copy(classifier_bundle, out)
    before = out.read_bytes()
    run("export", "tests.networks:broken", "--head", "softmax", "--images", usual_folder, "-o", out, expect=1)
    assert out.read_bytes() == before
    assert json.loads(run("inspect", out, "--json"))["digest"] == open_bundle(classifier_bundle).digest


def test_noise_of_a_detector_is_stated_with_its_correlation(
    usual_folder: Path, targets_csv: Path, tmp_path: Path, out: Path
) -> None:
    kernel = tmp_path / "kernel.npy"
    np.save(kernel, np.ones((3, 3)))
    common = ("tests.networks:regressor", "--head", "gaussian", "--images", usual_folder, "--targets", targets_csv,
              "-o", out, "--input-noise-correlation", kernel)  # fmt: skip
    assert "without --input-noise" in refused(*common)
    run("export", *common, "--input-noise", "0.01")
    noise = open_bundle(out).manifest.input_noise
    assert noise is not None
    assert noise.correlated
