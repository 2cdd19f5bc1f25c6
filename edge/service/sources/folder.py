"""Watched folders: files are taken once they are written, and moved out when they are kept.

Files that are larger than may be taken are moved out as well, into a folder of their own.

Folders are looked through instead of watched by the operating system's events, since network shares
do not send them.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

from ...storage import flush_folder
from ..configuration import FolderTable
from ..faults import reach
from ..inbox import Inbox
from ..loop import Loop
from ..store import ImageTooLarge, StoreFailed

TAKEN = "taken"
"""Sub-folder that files are moved to once they are on stable storage."""
TOO_LARGE = "too-large"
"""Sub-folder that files are moved to which are larger than may be taken."""

_log = logging.getLogger(__name__)


class FolderSource(Loop):
    """Looks through one folder again and again."""

    def __init__(self, table: FolderTable, inbox: Inbox) -> None:
        super().__init__(f"folder {table.path}")
        self._table, self._inbox = table, inbox
        self._seen: dict[Path, tuple[int, int, float]] = {}
        self._told = ""

    def run(self) -> None:
        while not self.stopping.is_set():
            trouble = ""
            try:
                trouble = self._look()
            except OSError as error:  # a share that is away comes back
                trouble = error.strerror or str(error)
            except StoreFailed as failure:
                trouble = str(failure)
            self._tell(trouble)
            self.stopping.wait(self._table.every_seconds)

    def _tell(self, trouble: str) -> None:
        """Say a trouble once, however often it is looked."""
        if trouble and trouble != self._told:
            _log.warning("folder %s: %s", self._table.path, trouble)
        self._told = trouble

    def _look(self) -> str:
        """Take what is settled; says what hindered one file or more, and holds up no other."""
        trouble = ""
        present = {path for path in self._table.path.glob(self._table.pattern) if self._is_file(path)}
        self._seen = {path: seen for path, seen in self._seen.items() if path in present}
        for path in sorted(present):
            if self.stopping.is_set():
                break
            try:
                if self._is_settled(path):
                    self._take(path)
            except OSError as error:
                trouble = f"a file was not taken: {error.strerror}"
        return trouble

    @staticmethod
    def _is_file(path: Path) -> bool:
        return not path.name.startswith(".") and path.is_file()

    def _is_settled(self, path: Path) -> bool:
        """Say whether size and time have stayed the same for as long as configured, by this machine's clock that
        never jumps."""
        status = path.stat()
        now = time.monotonic()
        size, changed, since = self._seen.get(path, (-1, -1, now))
        if (size, changed) != (status.st_size, status.st_mtime_ns):
            since = now
        self._seen[path] = (status.st_size, status.st_mtime_ns, since)
        return now - since >= self._table.settle_seconds

    def _take(self, path: Path) -> None:
        try:
            digest = self._inbox.keep_file(path)
        except ImageTooLarge as refusal:
            _log.warning("folder %s: a file was not taken: %s", self._table.path, refusal)
            self._move(path, TOO_LARGE, path.name)
            return
        self._move(path, TAKEN, f"{digest.removeprefix('sha256:')[:16]}-{path.name}")
        reach("acknowledged")

    def _move(self, path: Path, where: str, name: str) -> None:
        folder = self._table.path / where
        folder.mkdir(exist_ok=True)
        path.replace(folder / name)
        flush_folder(folder)
        del self._seen[path]
