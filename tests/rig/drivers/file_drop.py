"""A modality that drops files into a folder that the service watches, and takes its time to write them."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import attr
from labgrid.driver import Driver
from labgrid.factory import target_factory
from labgrid.resource import Resource

from ..protocols import ModalityProtocol
from ..session import Frame


@target_factory.reg_resource
@attr.s(eq=False)
class DropFolder(Resource):
    """path: of the watched folder as the rig sees it, perhaps a share. seconds: that a file takes to write.
    patience: after which a file that was not taken counts as not acknowledged."""

    path: str = attr.ib(validator=attr.validators.instance_of(str))
    seconds: float = attr.ib(default=1.0, converter=float)
    patience: float = attr.ib(default=30.0, converter=float)


@target_factory.reg_driver
@attr.s(eq=False)
class FileDropDriver(Driver, ModalityProtocol):
    """Writes into the folder itself, in pieces and without a name of its own while it is written: the worst way.
    A file that is moved out of the folder is acknowledged."""

    bindings = {"folder": DropFolder}  # noqa: RUF012
    _PIECES = 10

    @Driver.check_active
    def send(self, frames: Sequence[Frame]) -> list[bool]:
        paths = [self._written(frame, self._PIECES) for frame in frames]
        end = time.monotonic() + self.folder.patience
        while any(path.exists() for path in paths) and time.monotonic() < end:
            time.sleep(0.05)
        return [not path.exists() for path in paths]

    @Driver.check_active
    def send_part(self, frame: Frame) -> None:
        self._written(frame, self._PIECES // 2)

    @Driver.check_active
    def send_unheard(self, frame: Frame) -> None:
        """Nobody hears an answer here: a file is dropped, and dropped again."""
        self._written(frame, self._PIECES)

    def _written(self, frame: Frame, pieces: int) -> Path:
        data = frame.path.read_bytes()
        size = -(-len(data) // self._PIECES)
        path = Path(self.folder.path) / f"{frame.identity}{frame.path.suffix}"
        with path.open("wb", buffering=0) as file:
            for number in range(pieces):
                file.write(data[number * size : (number + 1) * size])
                time.sleep(self.folder.seconds / self._PIECES)
            os.fsync(file.fileno())
        return path
