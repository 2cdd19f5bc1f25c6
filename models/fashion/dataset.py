"""Fashion-MNIST (Xiao et al. 2017, arXiv 1708.07747), from Debian's package."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

FOLDER = Path("/usr/share/datasets/fashion-mnist")
CLASSES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
TRAINING = 50_000
"""How many of the 60,000 training images networks learn from; the others calibrate."""


class DatasetMissing(Exception):
    """The images are not on this machine."""


def training() -> tuple[Tensor, Tensor]:
    """Images float32 [n, 1, 28, 28] in [0, 1] and classes int64 [n] that networks learn from."""
    images, classes = _read("train")
    return images[:TRAINING], classes[:TRAINING]


def calibration() -> tuple[Tensor, Tensor]:
    """Images and classes, of shapes as `training` has them, that no network has learned from: checks are calibrated on
    these."""
    images, classes = _read("train")
    return images[TRAINING:], classes[TRAINING:]


def evaluation() -> tuple[Tensor, Tensor]:
    """The 10,000 test images and their classes, of shapes as `training` has them, used for figures only."""
    return _read("t10k")


def _read(part: str) -> tuple[Tensor, Tensor]:
    images = _bytes(f"{part}-images-idx3-ubyte.gz", header=16).reshape(-1, 1, 28, 28)
    classes = _bytes(f"{part}-labels-idx1-ubyte.gz", header=8)
    return torch.from_numpy(images.astype(np.float32) / 255.0), torch.from_numpy(classes.astype(np.int64))


def _bytes(name: str, header: int) -> np.ndarray:
    """What follows the header of an IDX file."""
    path = FOLDER / name
    if not path.is_file():
        raise DatasetMissing(f"{path}: no such file. Install Fashion-MNIST: apt-get install dataset-fashion-mnist")
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)
