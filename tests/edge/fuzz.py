"""Mutations of real files against the readers: `python -m tests.edge.fuzz CORPUS --kind=raster -atheris_runs=100000`.

Atheris mutates the seeds, led by which code of the reader and of its libraries a mutation reaches. Every input must
be refused in words or read. What is read must be as its header says; and a seed that was cut off, if it is
read at all, must give the very pixels of the whole seed.
"""

from __future__ import annotations

import atexit
import random
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import atheris
import numpy as np

KINDS = {
    "dicom": ("fisherlens.edge.reading", "pydicom"),
    "raster": ("fisherlens.edge.reading", "tifffile"),
}
"""What is instrumented for a kind of seeds."""
KIND = next((argument.removeprefix("--kind=") for argument in sys.argv if argument.startswith("--kind=")), "dicom")

with atheris.instrument_imports(include=[*KINDS[KIND]]):
    import tifffile  # noqa: F401  (what is not used is loaded here to be instrumented, not when a file asks for it)
    from pydicom.data import get_testdata_files

    from fisherlens.edge import ImageRefused
    from fisherlens.edge.reading import (
        Frame,
        arrays,  # noqa: F401
        bmp,  # noqa: F401
        dicom,  # noqa: F401
        jpeg,  # noqa: F401
        netpbm,  # noqa: F401
        open_image,
        png,  # noqa: F401
        tiff_samples,  # noqa: F401
    )

    from . import malformed, pictures

LARGEST_SEED = 20_000
"""Bytes: larger seeds slow the fuzzer down and hold nothing new."""
CONTAINERS = {None: "f", 8: "ui", 16: "ui", 32: "ui", 64: "ui"}


def write_seeds(folder: Path, kind: str) -> None:
    """Our own files of each format, and pydicom's smaller ones."""
    folder.mkdir(exist_ok=True)
    found = dicom_seeds() if kind == "dicom" else pictures.seeds()
    for number, (name, data) in enumerate(found):
        if len(data) <= LARGEST_SEED:
            (folder / f"{number:03}-{name}").write_bytes(data)


def dicom_seeds() -> Iterator[tuple[str, bytes]]:
    """Names and bytes of DICOM files, and of an array."""
    work = Path(tempfile.mkdtemp())
    made = [malformed.usual(work), malformed.array(np.arange(1024.0).reshape(32, 32))(work)]
    for path in [*made, *map(Path, get_testdata_files())]:
        if path.is_file():
            yield path.name, path.read_bytes()


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
        """A mutation: now and then a seed that is cut off, or of which few bits are wrong, else Atheris' own; of a PNG
        mostly with right checksums."""
        chosen, share = random.Random(seed), random.Random(seed).random()
        whole = chosen.choice(list(self._whole))
        if share < 0.1:
            return whole[: chosen.randrange(len(whole))]
        changed = _with_wrong_bits(whole, chosen) if share < 0.4 else atheris.Mutate(data, most)
        return pictures.with_checksums(changed) if chosen.random() < 0.7 else changed

    def finish(self) -> None:
        """Say what was done. libFuzzer's alarm is stopped: Python forgets its handler some time before it has ended,
        and on a busy machine the alarm then ended the process."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        print(f"{self.read} inputs read, {self.refused} refused, no crash", flush=True)

    def _read(self, data: bytes) -> list[Frame] | None:
        """The first frames, or None where the file is refused in words."""
        self._path.write_bytes(data)
        try:
            file = open_image(self._path)
            frames = [file.frame(index) for index in range(min(file.header.frames, 3))]
        except ImageRefused as refused:
            if KIND == "raster":
                _check_words(str(refused))
            return None
        for frame in frames:
            _check(frame)
        return frames


def _with_wrong_bits(data: bytes, chosen: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chosen.randrange(1, 4)):
        changed[chosen.randrange(len(data))] ^= 1 << chosen.randrange(8)
    return bytes(changed)


def _check_words(refusal: str) -> None:
    assert refusal.isprintable(), refusal
    assert "Error" not in refusal, refusal


def _check(frame: Frame) -> None:
    header, pixels = frame.header, frame.pixels
    samples = () if header.samples_per_pixel == 1 else (header.samples_per_pixel,)
    shape = (header.rows, header.columns, *samples)
    assert pixels.shape in (shape, (*shape, 1)), (pixels.shape, header)
    assert pixels.dtype.kind in "uif", pixels.dtype
    if KIND == "raster":
        assert pixels.dtype.kind in CONTAINERS[header.bits_allocated], (pixels.dtype, header)
        assert header.bits_allocated in (None, 8 * pixels.itemsize), (pixels.dtype, header)
        if header.bits_stored is not None:
            assert int(pixels.max()) < 2**header.bits_stored, header


def main() -> None:
    """Arguments: the corpus' folder, which is filled with seeds where it is empty, and libFuzzer's options."""
    arguments = [argument for argument in sys.argv if not argument.startswith("--kind=")]
    corpus = Path(arguments[1])
    if not corpus.is_dir():
        write_seeds(corpus, KIND)
    target = Target([path.read_bytes() for path in sorted(corpus.glob("[0-9]*-*"))])
    atexit.register(target.finish)
    atheris.Setup([*arguments, "-timeout=20", "-rss_limit_mb=4096"], target, custom_mutator=target.cut)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
