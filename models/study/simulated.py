"""Simulated images that are made once and kept: more than memory holds, they are read from their file."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from rich.progress import track

from .sources import Sources
from .subject import Part, SubjectMissing

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
