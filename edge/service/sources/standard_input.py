"""Lines of JSON on standard input: `{"path": "image.dcm"}`. Each is answered by a line on standard output,
with the image's digest once it is on stable storage, or with the reason why it was not taken.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from ...errors import EdgeError
from ..configuration import StandardInputTable
from ..faults import reach
from ..inbox import Inbox
from ..loop import Loop
from ..patience import retrying
from ..store import ImageTooLarge, StoreFailed

LONGEST_LINE = 2**16


class LineRefused(EdgeError):
    """A line is not taken."""


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    path: str


class StandardInputSource(Loop):
    """Reads to the end of the input; the other sources go on then. While the spool is full, nothing is read."""

    def __init__(self, table: StandardInputTable, inbox: Inbox) -> None:
        super().__init__("standard input")
        self._table, self._inbox = table, inbox
        self._broken = False

    def run(self) -> None:
        try:
            for number, line in enumerate(iter(lambda: sys.stdin.buffer.readline(LONGEST_LINE), b""), 1):
                if self.stopping.is_set():
                    return
                answer = {"line": number, **self._answered(line)}
                sys.stdout.buffer.write(msgspec.json.encode(answer) + b"\n")
                sys.stdout.buffer.flush()
        except BaseException:
            self._broken = True
            raise

    def is_alive(self) -> bool:
        """Say that it runs, after the end of the input as well: that is no fault."""
        return not self._broken

    def join(self, timeout: float | None = None) -> None:
        """Do nothing: a thread that waits for input ends with the process."""

    def _answered(self, line: bytes) -> dict[str, str]:
        try:
            path = self._path(line)
            if not path.is_file():
                raise LineRefused("no such file, or no regular one")
            persistent = retrying(self.name, StoreFailed, self.stopping)
            digest = persistent(self._inbox.keep_file, path)
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
