"""What `pip install fisherlens` brings onto a device, in an environment of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import cv2
import pytest

from ..bundles import usual_image

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def device(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an environment's commands, with the package and no extra."""
    folder = tmp_path_factory.mktemp("device")
    source = folder / "source"
    kept = shutil.ignore_patterns("build", "*.egg-info", ".*", "tests", "demo-report")
    shutil.copytree(REPOSITORY, source, ignore=kept)
    venv.create(folder / "venv", with_pip=True)
    commands = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    subprocess.run([commands / "python", "-m", "pip", "install", "--quiet", source], check=True)
    return commands


def test_a_device_gets_no_training_framework(device: Path) -> None:
    listed = subprocess.run(
        [device / "python", "-m", "pip", "list", "--format=json"], capture_output=True, check=True
    ).stdout
    names = {entry["name"].lower().replace("-", "_") for entry in json.loads(listed)}
    assert {"fisherlens", "onnxruntime", "pydicom"} <= names
    assert not names & {"torch", "onnx", "onnx_ir", "onnxscript", "scipy", "matplotlib"}


def test_a_device_scores_and_says_what_the_other_commands_need(
    device: Path, ensemble_bundle: Path, tmp_path: Path
) -> None:
    cv2.imwrite(str(tmp_path / "image.png"), usual_image(1))
    scored = subprocess.run(
        [device / "fisherlens", "score", ensemble_bundle, tmp_path / "image.png", "--json"], capture_output=True
    )
    assert scored.returncode in (0, 10), scored.stderr
    assert json.loads(scored.stdout)["results"]
    exporting = subprocess.run([device / "fisherlens", "export", "network.onnx"], capture_output=True, text=True)
    assert exporting.returncode == 2
    assert "pip install 'fisherlens[export]'" in exporting.stderr


def test_the_device_side_imports_nothing_of_the_other_rooms(device: Path) -> None:
    script = "import sys, fisherlens.edge.commands.score; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "onnx", "onnx_ir", "onnxscript", "scipy", "fisherlens.export", "fisherlens.models"} & {*loaded}
