"""Peak resident megabytes of a process that loads one graph and runs it: a helper process of
`verdict_cost`, `python -m tests.benchmark.peak_memory NUMBER NAME`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

RUN = """
import sys, numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads, options.log_severity_level, options.enable_mem_pattern = 1, 3, False
session = onnxruntime.InferenceSession(sys.argv[1], options)
image = numpy.random.default_rng(0).normal(size=session.get_inputs()[0].shape).astype(numpy.float32)
for _ in range(3):
    session.run(None, {"image": image})
(peak,) = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(int(peak) / 1024)
"""
# Of itself: what the system says of a child's peak counts what its parent had when it was forked.


def main() -> None:
    """Write the graph, run it in a bare process, and print that process's peak."""
    from fisherlens.export.network.source import from_modules

    from .graphs import graphs
    from .networks import SUBJECTS

    subject = SUBJECTS[int(sys.argv[1])]
    (network,) = from_modules(subject.make(), subject.shape, subject.name)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.onnx"
        path.write_bytes(graphs(subject, network)[sys.argv[2]])
        subprocess.run([sys.executable, "-c", RUN, str(path)], check=True)


if __name__ == "__main__":
    main()
