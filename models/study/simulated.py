"""Simulated images that are made once and kept: more than memory holds, they are read from their file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from rich.progress import track
from torch import Tensor

from .sources import Sources
from .subject import Alteration, Part, SubjectMissing

Simulated = Iterable[tuple[NDArray[np.float32], NDArray[np.float64]]]
"""Images [1, C, H, W] as the graph reads them, and what is known of each, [...]."""


def part(sources: Sources, name: str, count: int, made: Simulated) -> Part:
    """The images of that name that are kept in the folder of images, or else the first `count` that are made, which are
    kept from then on. Raises SubjectMissing where no folder was given."""
    if sources.data is None:
        raise SubjectMissing("Give --data: a folder that keeps the images that are simulated, gigabytes of them.")
    images, known = (sources.data / f"{name}, {count}{kind}.npy" for kind in ("", ", known"))
    if not known.exists():
        sources.data.mkdir(parents=True, exist_ok=True)
        _write(images, known, count, made, name)
    # Copied where something is written to it, which nothing does: torch takes no arrays that cannot be.
    return Part(*(torch.from_numpy(np.load(path, mmap_mode="c")) for path in (images, known)))


def alteration(sources: Sources, name: str, made: Callable[[int], NDArray[np.float32]]) -> Alteration:
    """The alteration that gives, instead of usual images, as many that are kept or made under that name. made: makes
    the image [1, C, H, W] of a number, in processes of its own."""

    def alter(images: Tensor) -> Tensor:
        return part(sources, name, len(images), _in_processes(made, len(images))).images

    return alter


def _in_processes(made: Callable[[int], NDArray[np.float32]], count: int) -> Simulated:
    with ProcessPoolExecutor() as pool:
        for image in pool.map(made, range(count), chunksize=4):
            yield image, np.empty(0)


def _write(images: Path, known: Path, count: int, made: Simulated, name: str) -> None:
    values, begun = [], images.with_suffix(".begun")
    for number, (image, value) in enumerate(track(made, f"simulate {name}", count)):
        if number == 0:
            file = open_memmap(begun, "w+", np.float32, (count, *image.shape[1:]))
        file[number] = image[0]
        values.append(value.astype(np.float32))
    file.flush()
    begun.rename(images)
    begun = known.with_suffix(".begun.npy")
    np.save(begun, np.stack(values))
    begun.rename(known)
