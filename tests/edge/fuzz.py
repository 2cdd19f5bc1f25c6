"""Mutations of real files against the reader: `python -m tests.edge.fuzz CORPUS -atheris_runs=100000`.

Atheris mutates the seeds, led by which code of the reader and of pydicom a mutation reaches. Every input must
be refused in words or read. What is read must be as its header says; and a seed that was cut off, if it is
read at all, must give the very pixels of the whole seed.
"""

from __future__ import annotations

import atexit
import random
import sys
import tempfile
from pathlib import Path

import atheris
import numpy as np

with atheris.instrument_imports(include=["fisherlens.edge.reading", "pydicom"]):
    from fisherlens.edge import ImageRefused
    from fisherlens.edge.reading import (
        Frame,
        arrays,  # noqa: F401  (these three are loaded here, to be instrumented)
        dicom,  # noqa: F401
        open_image,
        raster,  # noqa: F401
    )

from pydicom.data import get_testdata_files

from . import malformed

LARGEST_SEED = 20_000
"""Bytes: larger seeds slow the fuzzer down and hold nothing new."""


def write_seeds(folder: Path) -> None:
    """Our own files of each format, and pydicom's smaller ones."""
    folder.mkdir(exist_ok=True)
    work = Path(tempfile.mkdtemp())
    made = [make(work) for make in (malformed.usual, malformed.raster("png"), malformed.raster("tif"))]
    made.append(malformed.array(np.arange(1024.0).reshape(32, 32))(work))
    for number, path in enumerate([*made, *map(Path, get_testdata_files())]):
        if path.is_file() and path.stat().st_size <= LARGEST_SEED:
            (folder / f"{number:03}-{path.name}").write_bytes(path.read_bytes())


class Target:
    """What the fuzzer calls. One file in memory's file system is written over and over."""

    def __init__(self, seeds: list[bytes]) -> None:
        self._path = Path(tempfile.mkdtemp(dir="/dev/shm")) / "input"
        self._whole = {seed: self._read(seed) for seed in seeds}
        self.read = self.refused = 0

    def __call__(self, data: bytes) -> None:
        frames = self._read(data)
        if frames is None:
            self.refused += 1
            return
        self.read += 1
        for seed, whole in self._whole.items():
            if data != seed and seed.startswith(data) and whole is not None:
                assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(frames, whole, strict=True)), "cut off"

    def cut(self, data: bytes, most: int, seed: int) -> bytes:
        """A mutation: now and then a seed that is cut off, else Atheris' own."""
        chosen = random.Random(seed)
        if chosen.random() < 0.1:
            whole = chosen.choice(list(self._whole))
            return whole[: chosen.randrange(len(whole))]
        return atheris.Mutate(data, most)

    def _read(self, data: bytes) -> list[Frame] | None:
        """The first frames, or None where the file is refused in words."""
        self._path.write_bytes(data)
        try:
            file = open_image(self._path)
            frames = [file.frame(index) for index in range(min(file.header.frames, 3))]
        except ImageRefused:
            return None
        for frame in frames:
            header = frame.header
            assert frame.pixels.shape[:2] == (header.rows, header.columns), (frame.pixels.shape, header)
            assert frame.pixels.dtype.kind in "uif", frame.pixels.dtype
        return frames


def main() -> None:
    """Arguments: the corpus' folder, which is filled with seeds where it is empty, and libFuzzer's options."""
    corpus = Path(sys.argv[1])
    if not corpus.is_dir():
        write_seeds(corpus)
    target = Target([path.read_bytes() for path in sorted(corpus.glob("[0-9]*-*"))])
    atexit.register(lambda: print(f"{target.read} inputs read, {target.refused} refused, no crash", flush=True))
    atheris.Setup([*sys.argv, "-timeout=20", "-rss_limit_mb=4096"], target, custom_mutator=target.cut)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
