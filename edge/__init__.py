"""The device side, which needs no training framework: from an image to its verdict.

`reading` opens files, `preprocess` makes the graph's image of a frame, `decode` does both; in a `sandbox`, where files
are strangers'. `runtime` takes an image the whole way: it runs the `bundle`, and `outputs` turns what the graph gives
into a `verdict`, with the `evidence` that a check flags by. `maps` draws and refines maps, `drift` watches a stream of
verdicts, `p_value` counts how usual a statistic is. `study` makes a DICOM header valid for objects of the same study.
`service` does all of it for years, `commands` once. `verdict_table` and `pages` show verdicts; `digest`, `storage` and
`errors` are used by all.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

# ONNX Runtime (seen in 1.32) otherwise keeps an identifier of the machine in its user's home, and sends it
# with the name of the process to its makers as soon as it is imported.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

from .errors import BundleRefused, EdgeError, ImageRefused

if TYPE_CHECKING:
    from .runtime import Runtime
    from .verdict import Verdict
else:

    def __getattr__(name: str) -> Any:
        """Import the runtime when it is asked for (PEP 562): `fisherlens --help` needs no ONNX Runtime."""
        if name in ("Runtime", "Verdict"):
            return getattr(import_module(f".{name.lower()}", __name__), name)
        raise AttributeError(name)


__all__ = ["BundleRefused", "EdgeError", "ImageRefused", "Runtime", "Verdict"]
