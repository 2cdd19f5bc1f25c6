"""Frames as a panel puts them out, and sessions of them that are recorded and replayed bit for bit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from fisherlens.edge.digest import digest_of
from fisherlens.edge.storage import write_whole

INDEX = "session.json"


class SessionRefused(Exception):
    """A recorded session cannot be replayed."""


@dataclass(frozen=True)
class Frame:
    """One frame in a file. identity: by which a verdict names it (for DICOM its SOP Instance UID). digest: of
    the file's bytes. air_kerma: at the detector, uGy. truth: true values of the measurands where they are known.
    """

    path: Path
    identity: str
    digest: str
    description: str
    air_kerma: float | None = None
    truth: tuple[float, ...] | None = None


def frame_of(path: Path, identity: str, description: str, **known: object) -> Frame:
    """The frame in a file that is written."""
    return Frame(path, identity, digest_of(path.read_bytes()), description, **known)  # type: ignore[arg-type]


class Recorder:
    """Keeps frames in a folder as they come, with an index that is whole after each of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._rows: list[dict[str, object]] = []

    def record(self, frame: Frame) -> Frame:
        """Keep a copy of a frame; it is the copy that is returned."""
        kept = self.folder / f"{len(self._rows):05}{frame.path.suffix}"
        if kept != frame.path:
            write_whole(kept, frame.path.read_bytes())
        self._rows.append({**asdict(frame), "path": kept.name})
        write_whole(self.folder / INDEX, json.dumps(self._rows, indent=1).encode())
        return replace(frame, path=kept)


def replay(folder: Path) -> Iterator[Frame]:
    """The frames of a recorded session in their order, each held against the digest that it was recorded with.

    Raises SessionRefused naming the file that is missing or differs.
    """
    try:
        rows = json.loads((folder / INDEX).read_bytes())
    except (OSError, ValueError) as error:
        raise SessionRefused(f"session {folder}: {INDEX}: {error}") from error
    for row in rows:
        path = folder / row["path"]
        try:
            digest = digest_of(path.read_bytes())
        except OSError as error:
            raise SessionRefused(f"session {folder}: {row['path']}: {error.strerror}") from error
        if digest != row["digest"]:
            raise SessionRefused(f"session {folder}: {row['path']} has {digest}, recorded was {row['digest']}")
        truth = None if row["truth"] is None else tuple(row["truth"])
        yield Frame(**{**row, "path": path, "truth": truth})
