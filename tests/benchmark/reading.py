"""What reading costs: `python -m tests.benchmark.reading [--before CHECKOUT]`.

Times the reading of a 3,000 x 2,400 DICOM image of 14 bit and of 7-megapixel TIFF and PNG files, and the peak memory of
the process that does, beside pydicom's and OpenCV's in the same run; and beside the reading of another checkout. All
have the decoders of the device's install alone: GDCM is hidden where it is installed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import click
import cv2
import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless

from ..edge.reading.dicom_files import ENCODERS, write_file

SIZE = (3000, 2400)
BITS = 14
ROUNDS, READS = 5, 4
OURS = "from fisherlens.edge.reading import open_image\nread = lambda path: open_image(Path(path)).frame(0).pixels"
PYDICOM = "import pydicom\nread = lambda path: pydicom.dcmread(path).pixel_array"
OPENCV = "import cv2\nread = lambda path: cv2.imread(path, cv2.IMREAD_UNCHANGED)"
TIMED = """
import hashlib, sys, time
from pathlib import Path
import numpy as np
sys.modules["gdcm"] = None
{reader}
for _ in range(int(sys.argv[2])):
    start = time.perf_counter()
    pixels = read(sys.argv[1])
    print(time.perf_counter() - start)
    digest = hashlib.sha256(np.ascontiguousarray(pixels)).hexdigest()
(peak,) = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(int(peak) / 1024)
print(digest)
"""


def exposure() -> NDArray[np.uint16]:
    """Make a smooth image with noise, of 14 bit."""
    random = np.random.default_rng(5)
    rows, columns = (np.linspace(0, 1, side) for side in SIZE)
    smooth = 2000 + 9000 * np.sin(3 * rows)[:, None] ** 2 * np.cos(2 * columns) ** 2
    return np.clip(smooth + random.normal(0, 30, SIZE), 0, 2**BITS - 1).astype(np.uint16)


def files(folder: Path) -> Iterator[tuple[str, Path, str]]:
    """Write the files; each with its name and the rival's code."""
    pixels = exposure()
    for syntax in (ExplicitVRLittleEndian, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless):
        yield f"DICOM, {syntax.keyword}", _dicom(folder, pixels, syntax), PYDICOM
    pictures: dict[str, Callable[[], bytes]] = {
        "TIFF": lambda: _tiff(pixels, 1),
        "TIFF, LZW": lambda: _tiff(pixels, 5),
        "PNG": lambda: bytes(imagecodecs.png_encode(pixels, level=6)),
    }
    for name, encode in pictures.items():
        path = folder / f"image.{name}"
        path.write_bytes(encode())
        yield name, path, OPENCV


def _dicom(folder: Path, pixels: NDArray[np.uint16], syntax: UID) -> Path:
    data = [ENCODERS[syntax](pixels, BITS)] if syntax in ENCODERS else pixels.tobytes()
    path = folder / f"{syntax.keyword}.dcm"
    return write_file(path, data, syntax, BitsStored=BITS, Rows=SIZE[0], Columns=SIZE[1])


def _tiff(pixels: NDArray[np.uint16], compression: int) -> bytes:
    _, data = cv2.imencode(".tif", pixels, [cv2.IMWRITE_TIFF_COMPRESSION, compression])
    return bytes(data)


def measure(reader: str, path: Path, checkout: Path | None) -> tuple[list[float], float, str]:
    """Read a file in a process of its own: seconds but for the first time, peak megabytes, digest of the pixels."""
    code = TIMED.format(reader=reader)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    if checkout:
        environment["PYTHONPATH"] = str(checkout)
    command = [sys.executable, "-c", code, str(path), str(READS)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    *times, peak, digest = done.stdout.split()
    return list(map(float, times[1:])), float(peak), digest


def _linked(checkout: Path, folder: Path) -> Path:
    """A folder to import another checkout's package from."""
    package = folder / "before" / "fisherlens"
    package.mkdir(parents=True)
    for room in ("edge", "export", "models", "deploy"):
        (package / room).symlink_to(checkout.resolve() / room)
    return package.parent


@click.command()
@click.option("--before", type=click.Path(path_type=Path, exists=True), help="Another checkout to compare with.")
def main(before: Path | None) -> None:
    """Print medians over alternating processes."""
    print("| file | ours, ms | MB | rival | of its time | of its memory | of the time before | of the memory before |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        linked = _linked(before, Path(folder)) if before else None
        for name, path, rival in files(Path(folder)):
            candidates: dict[str, tuple[str, Path | None]] = {"ours": (OURS, None), "rival": (rival, None)}
            if linked:
                candidates["before"] = (OURS, linked)
            print(_line(name, rival, path, candidates), flush=True)


def _line(name: str, rival: str, path: Path, candidates: dict[str, tuple[str, Path | None]]) -> str:
    times: dict[str, list[float]] = {candidate: [] for candidate in candidates}
    peaks: dict[str, list[float]] = {candidate: [] for candidate in candidates}
    digests = set()
    for _ in range(ROUNDS):
        for candidate, (reader, checkout) in candidates.items():
            seconds, peak, digest = measure(reader, path, checkout)
            times[candidate] += seconds
            peaks[candidate].append(peak)
            digests.add(digest)
    if len(digests) > 1:
        raise SystemExit(f"{name}: the pixels differ")
    time, memory = ({key: median(values) for key, values in kept.items()} for kept in (times, peaks))
    cells = [name, f"{1000 * time['ours']:.1f}", f"{memory['ours']:.0f}", "pydicom" if rival == PYDICOM else "OpenCV"]
    for other in ("rival", "before"):
        known = other in candidates
        cells += [f"{kept['ours'] / kept[other]:.2f}" if known else "" for kept in (time, memory)]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
