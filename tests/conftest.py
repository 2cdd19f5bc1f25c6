"""Small bundles and folders of images that many tests use."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from .bundles import USUAL, ensemble, export, write_targets, write_usual
from .edge.service.running import Running

# How long drawing or running an example takes says how busy the machine is, and nothing of what is tested.
settings.register_profile("busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy machine")

HERE = Path(__file__).parent
QUICK = (
    "test_docstrings.py", "test_documents.py", "deploy/test_documentation.py",
    "edge/bundle", "edge/maps", "edge/reading/test_dicom_cases.py", "edge/reading/test_picture_cases.py",
    "edge/reading/test_reading.py",
    "edge/service/test_deliveries.py",
    "edge/service/test_http.py", "edge/service/test_standard_input.py", "edge/test_help.py", "edge/test_p_value.py",
    "edge/test_preprocess.py", "edge/test_refusals.py", "edge/test_sandbox.py", "edge/test_score_command.py",
    "edge/study", "edge/test_storage.py", "edge/test_verdict.py",
    "export/checks/test_checks.py", "export/checks/test_roc.py", "export/heads/test_heads.py",
    "export/heads/test_input_noise.py", "export/network/test_control_flow.py", "export/network/test_expansions.py",
    "models/test_acquisition.py", "models/test_conformity.py", "models/test_dicom.py", "models/test_observer.py",
    "models/test_phantom.py", "models/test_radiograph.py", "models/test_weights.py",
)  # fmt: skip
"""Files and folders with the mark `quick`: by `pytest -m quick -n 2 --dist loadfile`, something of each room is tried
in under two minutes."""

FORBIDDEN = "this machine does not allow"
"""How reasons begin of tests that are skipped for want of a right or of a kernel's feature."""
NO_IMAGES = "this machine does not have the images"
"""How reasons begin of tests that are skipped for want of public images that may not lie in the repository."""
NO_SUCH_PART = "unsupported feature"
"""How labgrid's reasons begin for tests that want a part which a rig's environment file does not have."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is quick."""
    quick = [HERE / name for name in QUICK]
    for item in items:
        if any(item.path.is_relative_to(path) for path in quick):
            item.add_marker(pytest.mark.quick)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI what can run does: a skipped test is a failure there, unless it cannot run on this machine or rig."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not os.environ.get("CI") or not reporter:
        return
    reasons = [str(report.longrepr) for report in reporter.stats.get("skipped", [])]
    cannot = (FORBIDDEN, NO_IMAGES, NO_SUCH_PART)
    skipped = [reason for reason in reasons if not any(words in reason for words in cannot)]
    if skipped:
        reporter.write_line(f"CI: {len(skipped)} skipped, which fails this run")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def install_alone(folder: Path, *packages: str) -> None:
    """Install packages into a folder and put it on the path, without what they would pull in: a torch
    with CUDA. Skips where the package index cannot be reached."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), *packages]
    if subprocess.run(command).returncode != 0:
        pytest.skip(f"{packages[0]} cannot be installed from the package index")
    sys.path.append(str(folder))


@pytest.fixture(scope="session")
def usual_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of usual PNG images."""
    folder = tmp_path_factory.mktemp("usual")
    write_usual(folder)
    return folder


@pytest.fixture(scope="session")
def classes_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("targets") / "classes.csv"
    rng = np.random.default_rng(1)
    lines = [f"{seed:04}.png,{rng.integers(10)}" for seed in range(USUAL)]
    path.write_text("file,class\n" + "\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="session")
def targets_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("targets") / "targets.csv"
    write_targets(path)
    return path


@pytest.fixture(scope="session")
def classifier_bundle(usual_folder: Path, classes_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier's bundle, made by the command."""
    path = tmp_path_factory.mktemp("bundles") / "classifier.onnx"
    export("tests.networks:classifier", "softmax", usual_folder, classes_csv, path)
    return path


@pytest.fixture(scope="session")
def ensemble_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ensemble of regressors as a bundle, made by the command."""
    return ensemble(tmp_path_factory.mktemp("ensemble"))


@pytest.fixture(scope="session")
def dicom_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same ensemble, calibrated on DICOM images: MG, MONOCHROME1, 14 bit."""
    return ensemble(tmp_path_factory.mktemp("dicom"), ".dcm")


@pytest.fixture
def service(tmp_path: Path, ensemble_bundle: Path) -> Iterator[Callable[..., Running]]:
    """Makes services, each in a folder of its own; `start` is the test's."""
    made: list[Running] = []

    def make(**fields: str) -> Running:
        folder = tmp_path / f"service{len(made)}"
        folder.mkdir()
        made.append(Running(folder, ensemble_bundle, **fields))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for running in made:
        if running.process is not None and running.process.poll() is None:
            running.kill()
