"""Small images, and bundles that the export command makes of them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from click.testing import CliRunner

from fisherlens.edge.commands.main import main
from fisherlens.models.mammography.acquisition import Exposure
from fisherlens.models.mammography.dicom import write_dicom

SIDE = 32
USUAL = 420


def usual_image(seed: int) -> np.ndarray:
    """A usual image: smooth blobs of 12 bit, uint16 [32, 32]."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0.2, 0.8, (5, 5))
    image = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC) + rng.normal(0, 0.02, (SIDE, SIDE))
    return np.clip(image * 4095, 0, 4095).astype(np.uint16)


def write_usual(folder: Path, suffix: str = ".png") -> None:
    """USUAL usual images as PNG, or as DICOM: MG, MONOCHROME1, 14 bit."""
    for seed in range(USUAL):
        path = folder / f"{seed:04}{suffix}"
        if suffix == ".dcm":
            write_dicom(path, usual_image(seed), Exposure(), "usual")
        else:
            cv2.imwrite(str(path), usual_image(seed))


def write_targets(path: Path, suffix: str = ".png") -> None:
    """Brightness and contrast of the usual images, as a table for the export command."""
    images = [usual_image(seed) / 4095 for seed in range(USUAL)]
    lines = [f"{seed:04}{suffix},{image.mean():.6f},{image.std():.6f}" for seed, image in enumerate(images)]
    path.write_text("file,brightness [1],contrast [mm]\n" + "\n".join(lines) + "\n")


def run(*arguments: object, expect: int = 0) -> str:
    """Run `fisherlens` and return what it printed; fail on another exit code than `expect`."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == expect, result.output
    return result.output


def export(network: str, head: str, images: Path, targets: Path, path: Path) -> None:
    """`fisherlens export` with its defaults."""
    run("export", network, "--head", head, "--images", images, "--targets", targets, "-o", path)


def ensemble(folder: Path, suffix: str = ".png") -> Path:
    """An ensemble of regressors as a bundle in `folder`, made from images of that suffix."""
    images = folder / "usual"
    images.mkdir()
    write_usual(images, suffix)
    write_targets(folder / "targets.csv", suffix)
    export("tests.networks:ensemble", "gaussian", images, folder / "targets.csv", folder / "ensemble.onnx")
    return folder / "ensemble.onnx"
