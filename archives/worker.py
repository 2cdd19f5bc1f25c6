"""One worker of a cluster: a runtime that is opened once, and parts that are scored where they are read."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from fisherlens.edge.bundle import bundle_of
from fisherlens.edge.runtime import Explain, Runtime
from fisherlens.edge.service.sandbox import Sandbox, SandboxFailed
from fisherlens.edge.service.scoring import examined
from fisherlens.edge.service.store import Waiting
from fisherlens.edge.verdict import Verdict

from .dataset import DIGEST_BYTES, part_name, write_part
from .errors import ArchiveRefused
from .records import ACQUISITION, Acquired, acquired_of, as_table
from .sources import Source

_DECODING_BYTES, _DECODING_SECONDS = 4 * 2**30, 60.0


class Worker:
    """Scores parts with one thread, so that as many workers as cores do not stand in each other's way."""

    def __init__(
        self, name: str, data: bytes, source: Source, out: str, explain: Explain, done: NDArray[np.void]
    ) -> None:
        """data: the bundle's bytes. done: sorted digests of images that have records already."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._runtime = Runtime(bundle_of(Path(name), data, options))
        self._sandbox = Sandbox(_DECODING_BYTES, _DECODING_SECONDS)
        self._source, self._out, self._explain, self._done = source, Path(out), explain, done

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Score the images of a part and write their records. What is told is of how many of each outcome there are,
        how many were scored before, and in `error` why the records could not be written."""
        locations = [str(location) for location in row["locations"]]
        rows: list[tuple[Verdict, Acquired]] = []
        scored = []
        for location in locations:
            if found := self._records(location):
                scored.append(location)
                rows += found
        counts = Counter[str](verdict.outcome for verdict, _ in rows)
        told = {
            "images": len(locations),
            "known": len(locations) - len(scored),
            "error": "",
            **{o: counts[o] for o in _OUTCOMES},
        }
        try:
            if rows:
                write_part(self._out, part_name(scored), as_table(rows))
        except OSError as error:
            told["error"] = f"{self._out}: {error.strerror or error}"
        return told

    def _records(self, location: str) -> list[tuple[Verdict, Acquired]]:
        """Records of all frames of an image; none where it has them already."""
        try:
            with self._source.fetched(location) as path:
                digest = _digest(path)
                if self._is_done(digest):
                    return []
                waiting = Waiting(digest, Path(location).name, path)
                verdicts = examined(self._runtime, self._sandbox, waiting, self._explain)
                acquired = self._acquired(location, path)
        except ArchiveRefused as refusal:
            return [(self._runtime.refused(str(refusal), location, 1, None), Acquired(location=location))]
        except OSError as error:
            said = error.strerror or type(error).__name__
            return [(self._runtime.refused(f"cannot be read: {said}", location, 1, None), Acquired(location=location))]
        return [(verdict, acquired) for verdict in verdicts]

    def _acquired(self, location: str, path: Path) -> Acquired:
        try:
            return acquired_of(location, self._sandbox.header(path, ACQUISITION))
        except SandboxFailed:
            return Acquired(location=location)

    def _is_done(self, digest: str) -> bool:
        key = np.array(bytes.fromhex(digest.removeprefix("sha256:")), f"S{DIGEST_BYTES}")
        place = int(np.searchsorted(self._done, key))
        return place < len(self._done) and bool(self._done[place] == key)


_OUTCOMES = ("accepted", "flagged", "refused")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
