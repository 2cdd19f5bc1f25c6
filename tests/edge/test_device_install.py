"""What `pip install fisherlens` brings onto a device, in an environment of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import venv
from importlib.metadata import entry_points
from pathlib import Path

import cv2
import pytest

from fisherlens.edge.commands.main import GROUP

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
    assert {"fisherlens", "imagecodecs", "onnxruntime", "pydicom", "tifffile"} <= names
    assert not names & {"torch", "onnx", "onnx_ir", "onnxscript", "scipy", "matplotlib"}


def test_a_device_needs_less_than_300_megabytes_beside_onnx_runtime_and_opencv(device: Path) -> None:
    (packages,) = device.parent.rglob("site-packages")
    large = ("onnxruntime", "cv2", "opencv_python_headless")
    files = [path for path in packages.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    kept = [path for path in files if not path.relative_to(packages).parts[0].startswith(large)]
    assert sum(path.stat().st_size for path in kept) < 300e6


def test_a_device_scores(device: Path, ensemble_bundle: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "image.png"), usual_image(1))
    scored = subprocess.run(
        [device / "fisherlens", "score", ensemble_bundle, tmp_path / "image.png", "--json"], capture_output=True
    )
    assert scored.returncode in (0, 10), scored.stderr
    assert json.loads(scored.stdout)["results"]


CALLS = [(f"fisherlens {point.name}", point.extras[0]) for point in entry_points(group=GROUP) if point.extras]
CALLS += [("python -m fisherlens.deploy.offline --key pyproject.toml --out fisherlens.tar", "deploy")]


@pytest.mark.parametrize(("call", "extra"), CALLS, ids=[call for call, _ in CALLS])
def test_a_command_without_its_extra_says_in_a_line_which_it_needs(
    call: str, extra: str, device: Path, tmp_path: Path
) -> None:
    program, *arguments = call.split()
    (tmp_path / "pyproject.toml").touch()
    said = subprocess.run([device / program, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert said.returncode == 2
    (line,) = said.stderr.splitlines()
    assert line.endswith(f", which is not installed: pip install 'fisherlens[{extra}]'")


def test_help_says_which_commands_need_an_extra(device: Path) -> None:
    said = subprocess.run([device / "fisherlens", "--help"], capture_output=True, text=True, check=True).stdout
    for point in entry_points(group=GROUP):
        (line,) = (line for line in said.splitlines() if line.split()[:1] == [point.name])
        assert line.endswith("(needs pip install 'fisherlens[" + "".join(point.extras) + "]')") == bool(point.extras)


def test_the_device_side_imports_nothing_of_the_other_rooms(device: Path) -> None:
    script = "import sys, fisherlens.edge.commands.score; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "onnx", "onnx_ir", "onnxscript", "scipy", "fisherlens.export", "fisherlens.models"} & {*loaded}
