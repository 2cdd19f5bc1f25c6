"""Lines of JSON on standard input: `{"path": "image.dcm"}`. Each is answered by a line on standard output,
with the image's digest once it is on stable storage, or with the reason why it was not taken.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from ...errors import EdgeError
from ..configuration import StandardInputTable
from ..faults import reach
from ..patience import patiently
from ..store import ImageTooLarge, Store, StoreFailed

LONGEST_LINE = 2**16


class LineRefused(EdgeError):
    """A line is not taken."""


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    path: str


class StandardInput(threading.Thread):
    """Reads to the end of the input; the other sources go on then. While the spool is full, nothing is read."""

    def __init__(self, table: StandardInputTable, store: Store, bundle: Callable[[], str]) -> None:
        super().__init__(name="standard input", daemon=True)
        self._table, self._store, self._bundle = table, store, bundle
        self._stopping = threading.Event()
        self._broken = False

    def run(self) -> None:
        try:
            for number, line in enumerate(iter(lambda: sys.stdin.buffer.readline(LONGEST_LINE), b""), 1):
                if self._stopping.is_set():
                    return
                answer = {"line": number, **self._answered(line)}
                sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
                sys.stdout.buffer.flush()
        except BaseException:
            self._broken = True
            raise

    def is_alive(self) -> bool:
        """True after the end of the input as well: that is no fault."""
        return not self._broken

    def stop(self) -> None:
        """End after the line that is being answered."""
        self._stopping.set()

    def join(self, timeout: float | None = None) -> None:
        """Nothing to wait for: a thread that waits for input ends with the process."""

    def _answered(self, line: bytes) -> dict[str, str]:
        try:
            path = self._path(line)
            if not path.is_file():
                raise LineRefused("no such file, or no regular one")
            persistent = patiently(self.name, StoreFailed, self._stopping)
            digest = persistent(self._store.keep_file, path, "stdin", self._bundle())
        except (LineRefused, ImageTooLarge, StoreFailed) as refusal:
            return {"error": str(refusal)}
        except OSError as error:
            return {"error": error.strerror or str(error)}
        reach("acknowledged")
        return {"digest": digest}

    def _path(self, line: bytes) -> Path:
        if len(line) == LONGEST_LINE:
            raise LineRefused(f"expected less than {LONGEST_LINE:,} bytes")
        try:
            found = (self._table.folder / msgspec.json.decode(line, type=_Line).path).resolve()
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
            raise LineRefused(f'{error}; expected {{"path": ...}}') from error
        if not found.is_relative_to(self._table.folder.resolve()):
            raise LineRefused("the path leads out of the configured folder")
        return found
