"""One worker of a cluster: a runtime that is opened once, and parts that are scored where they are read."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ray

from fisherlens.edge.bundle import bundle_of
from fisherlens.edge.decode import Arrived
from fisherlens.edge.digest import PREFIX, digest_of_file
from fisherlens.edge.runtime import Explain, Runtime
from fisherlens.edge.sandbox import Sandbox, SandboxFailed

from .dataset import DIGEST, part_name, write_part
from .errors import RolloutRefused
from .records import ACQUISITION, OUTCOMES, Acquired, Row, acquired_of
from .sources import Source


@dataclass(frozen=True)
class PartReport:
    """Counts of a part's images. known: images that had records before. outcomes: records of each outcome that
    there are now. error: why these could not be written, empty where they were."""

    images: int
    known: int
    outcomes: dict[str, int]
    error: str = ""


class Worker:
    """Scores parts with one thread, so that as many workers as cores do not stand in each other's way."""

    def __init__(
        self, name: str, data: ray.ObjectRef, source: Source, out: Path, explain: Explain, done: ray.ObjectRef
    ) -> None:
        """name, data: the bundle's path and bytes. done: sorted digests of images that have records already. Both lie
        in Ray's store, once on each node."""
        self._runtime = Runtime(bundle_of(Path(name), ray.get(data), threads=1))
        self._sandbox = Sandbox()
        self._source, self._out, self._explain, self._done = source, out, explain, ray.get(done)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Score the images of a part, whose `locations` a row names, and write their records. Gives the fields of a
        PartReport: rows are what Ray takes and gives."""
        locations = [str(location) for location in row["locations"]]
        found = {location: self._records(location) for location in locations}
        scored = {location: rows for location, rows in found.items() if rows}
        counts = Counter[str](verdict.outcome for rows in scored.values() for verdict, _ in rows)
        error = ""
        try:
            write_part(self._out, part_name(list(scored)), list(scored.values()))
        except OSError as failure:
            error = f"{self._out}: {failure.strerror or failure}"
        outcomes = {outcome: counts[outcome] for outcome in OUTCOMES}
        return asdict(PartReport(len(locations), len(locations) - len(scored), outcomes, error))

    def _records(self, location: str) -> list[Row]:
        """Records of all frames of an image; none where it has them already."""
        try:
            with self._source.fetched(location) as path:
                digest = digest_of_file(path)
                if digest is None:
                    raise RolloutRefused("no regular file that can be read")
                if self._is_done(digest):
                    return []
                arrived = Arrived(digest, Path(location).name, path)
                examined = self._runtime.verdicts(arrived, self._sandbox.decode, self._explain)
                verdicts = [one.verdict for one in examined]
                acquired = self._acquired(location, path)
        except (RolloutRefused, OSError) as refusal:
            reason = str(refusal) if isinstance(refusal, RolloutRefused) else f"cannot be read: {refusal.strerror}"
            return [(self._runtime.refused(reason, location, 1, None), Acquired(location=location))]
        return [(verdict, acquired) for verdict in verdicts]

    def _acquired(self, location: str, path: Path) -> Acquired:
        try:
            return acquired_of(location, self._sandbox.header(path, ACQUISITION))
        except SandboxFailed:
            return Acquired(location=location)

    def _is_done(self, digest: str) -> bool:
        key = np.array(bytes.fromhex(digest.removeprefix(PREFIX)), DIGEST)
        place = int(np.searchsorted(self._done, key))
        return place < len(self._done) and bool(self._done[place] == key)
