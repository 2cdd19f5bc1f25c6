"""What the device pays: `python -m tests.benchmark.device`.

Times `fisherlens score` from its start to the end of its first verdict on a 3,000 x 2,400 DICOM image
with the shipped bundle, and its peak resident memory, beside a rival in the same run: a bare
interpreter that imports the same libraries, decodes the same file and runs the same graph.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median

from fisherlens.models.mammography import BUNDLE

RUNS = 9
FIELD = 1024
RIVAL = f"""
import sys, cv2, numpy, onnxruntime, pydicom
options = onnxruntime.SessionOptions()
options.log_severity_level = 3
session = onnxruntime.InferenceSession(sys.argv[1], options)
pixels = pydicom.dcmread(sys.argv[2]).pixel_array
top, left = (pixels.shape[0] - {FIELD}) // 2, (pixels.shape[1] - {FIELD}) // 2
field = pixels[top : top + {FIELD}, left : left + {FIELD}].astype(numpy.float32) / 2**14
session.run(None, {{"image": field[None, None], "explain": numpy.array(False)}})
"""


def simulate(path: Path) -> None:
    """Write an image of 3,000 x 2,400 pixels of the reference model's kind."""
    from fisherlens.models.mammography.dicom import write_dicom
    from fisherlens.models.mammography.systems import repeated

    (taken,) = repeated("scintillator, 0.1 mm", 100.0, 1)
    write_dicom(path, taken.image(), taken.exposure, "benchmark", taken.detector.pixel_spacing)


def main() -> None:
    """Print medians over alternating runs."""
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "image.dcm"
        # In a process of its own: a child's peak memory counts what its parent had when it was forked.
        with ProcessPoolExecutor(1) as pool:
            pool.submit(simulate, image).result()
        command = Path(sys.executable).with_name("fisherlens")
        candidates = {
            "fisherlens score": [str(command), "score", str(BUNDLE), str(image), "--json"],
            "fisherlens score with map": [
                str(command),
                "score",
                str(BUNDLE),
                str(image),
                "--json",
                "--explain",
                "always",
            ],
            "bare onnxruntime": [sys.executable, "-c", RIVAL, str(BUNDLE), str(image)],
        }
        measured: dict[str, list[tuple[float, float]]] = {name: [] for name in candidates}
        for _ in range(RUNS):
            for name, arguments in candidates.items():
                measured[name].append(_seconds_and_megabytes(arguments))
    for name, rows in measured.items():
        seconds, megabytes = (median(column) for column in zip(*rows, strict=True))
        print(f"{name}: {seconds:.2f} s from start to first verdict, {megabytes:.0f} MB resident at most")
    pairs = zip(measured["fisherlens score"], measured["bare onnxruntime"], strict=True)
    ratio = median(ours[0] / theirs[0] for ours, theirs in pairs)
    print(f"fisherlens score takes {ratio:.2f} times the bare run")


def _seconds_and_megabytes(arguments: list[str]) -> tuple[float, float]:
    start = time.perf_counter()
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if os.waitstatus_to_exitcode(status) not in (0, 10):
        raise SystemExit(f"{arguments[0]} failed: exit code {os.waitstatus_to_exitcode(status)}")
    return seconds, usage.ru_maxrss / 1024


if __name__ == "__main__":
    main()
