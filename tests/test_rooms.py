"""What holds of every module of the product, whichever is imported first."""

from __future__ import annotations

import json
import os
import pkgutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import fisherlens

ROOMS = [found.name for found in pkgutil.iter_modules(fisherlens.__path__)]

REPOSITORY = Path(__file__).parents[1]


def test_the_contracts_between_rooms_are_kept() -> None:
    """Which room may import which: [tool.importlinter] in pyproject.toml."""
    lint = Path(sysconfig.get_path("scripts")) / "lint-imports"
    said = subprocess.run([lint, "--no-cache"], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr


WALK = """
import importlib, json, os, pkgutil, sys, traceback
from importlib.abc import MetaPathFinder

NEEDED = {"onnxruntime": "ORT_DISABLE_TELEMETRY"}

class Early(Exception): pass

class Gate(MetaPathFinder):
    "Lets a library in once what it reads when it is imported has been set."
    def find_spec(self, name, path=None, target=None):
        if name in NEEDED and NEEDED[name] not in os.environ:
            raise Early(f"{name} is imported before {NEEDED[name]} is set")

def apart(work):
    "What `work` returns in a process of its own, which begins with nothing of ours imported."
    reading, writing = os.pipe()
    if not (child := os.fork()):
        try:
            said = work()
        except Early as early:
            said = str(early)
        except ModuleNotFoundError as error:
            said = traceback.format_exc() if str(error.name).startswith("fisherlens") else ""
        except BaseException:
            said = traceback.format_exc()
        os.write(writing, json.dumps(said).encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        said = json.loads(pipe.read())
    os.waitpid(child, 0)
    return said

def modules():
    room = importlib.import_module(sys.argv[1])
    return [sys.argv[1], *(found.name for found in pkgutil.walk_packages(room.__path__, sys.argv[1] + "."))]

for heavy in json.loads(sys.argv[2]):  # once for all, instead of in each process; none of them leads to NEEDED
    importlib.import_module(heavy)
assert NEEDED.keys().isdisjoint(sys.modules), "imported by what was to save time"
sys.meta_path.insert(0, Gate())
names = apart(modules)
assert isinstance(names, list), names
said = {name: apart(lambda: importlib.import_module(name) and "") for name in names}
print(json.dumps(said))
"""
HEAVY = {
    "edge": ["highdicom.sr", "pynetdicom", "uvicorn", "starlette.applications", "jinja2", "prometheus_client"],
    "export": ["onnx", "onnx_ir.passes.common", "onnxscript", "torch"],
    "models": [
        "foolbox",
        "matplotlib.figure",
        "onnx",
        "onnx_ir.passes.common",
        "onnxscript",
        "scipy.stats",
        "sklearn.metrics",
        "torch",
    ],
    "deploy": ["duckdb", "matplotlib.figure", "ray.data", "scipy.stats"],
}


@pytest.mark.parametrize("room", ROOMS)
def test_whatever_is_imported_first_libraries_find_what_they_read_when_they_are_imported(
    room: str, tmp_path: Path
) -> None:
    environment = {name: v for name, v in os.environ.items() if not name.startswith(("ORT_", "XDG_"))}
    command = [sys.executable, "-c", WALK, f"fisherlens.{room}", json.dumps(HEAVY.get(room, []))]
    walked = subprocess.run(
        command, env={**environment, "HOME": str(tmp_path)}, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert walked.returncode == 0, walked.stderr
    said: dict[str, str] = json.loads(walked.stdout.splitlines()[-1])
    assert f"fisherlens.{room}" in said
    assert {name: trouble for name, trouble in said.items() if trouble} == {}
    assert list(tmp_path.rglob("*onnxruntime*")) == [], "an identifier of the machine"
