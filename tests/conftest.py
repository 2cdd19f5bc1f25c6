"""Small bundles and folders of images that many tests use."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from fisherlens.edge.commands.main import main
from fisherlens.models.mammography.acquisition import Exposure
from fisherlens.models.mammography.dicom import write_dicom

SIDE = 32
USUAL = 420


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI everything can run: what was skipped there is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter and (skipped := reporter.stats.get("skipped")):
        reporter.write_line(f"CI: {len(skipped)} skipped, which fails this run")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def install_alone(folder: Path, *packages: str) -> None:
    """Install packages into a folder and put it on the path, without what they would pull in: a torch
    with CUDA. Skips where the package index cannot be reached."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), *packages]
    if subprocess.run(command).returncode != 0:
        pytest.skip(f"{packages[0]} cannot be installed from the package index")
    sys.path.append(str(folder))


def usual_image(seed: int) -> np.ndarray:
    """A usual image: smooth blobs of 12 bit, uint16 [32, 32]."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0.2, 0.8, (5, 5))
    image = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) + rng.normal(0, 0.02, (SIDE, SIDE))
    return np.clip(image * 4095, 0, 4095).astype(np.uint16)


@pytest.fixture(scope="session")
def usual_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of usual PNG images."""
    folder = tmp_path_factory.mktemp("usual")
    for seed in range(USUAL):
        cv2.imwrite(str(folder / f"{seed:04}.png"), usual_image(seed))
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
    images = [usual_image(seed) / 4095 for seed in range(USUAL)]
    lines = [f"{seed:04}.png,{image.mean():.6f},{image.std():.6f}" for seed, image in enumerate(images)]
    path.write_text("file,brightness [1],contrast [mm]\n" + "\n".join(lines) + "\n")
    return path


def run(*arguments: object, expect: int = 0) -> str:
    """Run `fisherlens` and return what it printed; fail on another exit code than `expect`."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == expect, result.output
    return result.output


@pytest.fixture(scope="session")
def classifier_bundle(usual_folder: Path, classes_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier's bundle, made by the command."""
    path = tmp_path_factory.mktemp("bundles") / "classifier.onnx"
    export("tests.networks:classifier", "softmax", usual_folder, classes_csv, path)
    return path


@pytest.fixture(scope="session")
def ensemble_bundle(usual_folder: Path, targets_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ensemble of regressors as a bundle, made by the command."""
    path = tmp_path_factory.mktemp("bundles") / "ensemble.onnx"
    export("tests.networks:ensemble", "gaussian", usual_folder, targets_csv, path)
    return path


@pytest.fixture(scope="session")
def dicom_bundle(targets_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same ensemble, calibrated on DICOM images: MG, MONOCHROME1, 14 bit."""
    folder = tmp_path_factory.mktemp("usual-dicom")
    for seed in range(USUAL):
        write_dicom(folder / f"{seed:04}.dcm", usual_image(seed), Exposure(), "usual")
    targets = tmp_path_factory.mktemp("targets") / "dicom.csv"
    targets.write_text(targets_csv.read_text().replace(".png", ".dcm"))
    path = tmp_path_factory.mktemp("bundles") / "dicom.onnx"
    export("tests.networks:ensemble", "gaussian", folder, targets, path)
    return path


def export(network: str, head: str, images: Path, targets: Path, path: Path) -> None:
    """`fisherlens export` with its defaults."""
    run("export", network, "--head", head, "--images", images, "--targets", targets, "-o", path)
