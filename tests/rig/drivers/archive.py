"""The archive that verdicts are delivered to: Orthanc, asked over its REST interface."""

from __future__ import annotations

import json
import urllib.request

import attr
import pydicom
from labgrid.driver import Driver
from labgrid.driver.exception import ExecutionError
from labgrid.factory import target_factory
from labgrid.protocol import CommandProtocol
from labgrid.resource import Resource
from labgrid.util import Timeout

from ..protocols import ArchiveProtocol
from ..session import Frame

_PATIENCE_SECONDS = 30.0


@target_factory.reg_resource
@attr.s(eq=False)
class OrthancArchive(Resource):
    """url: of its REST interface. start, stop: shell commands."""

    url: str = attr.ib(validator=attr.validators.instance_of(str))
    start: str = attr.ib(validator=attr.validators.instance_of(str))
    stop: str = attr.ib(validator=attr.validators.instance_of(str))


@target_factory.reg_driver
@attr.s(eq=False)
class OrthancDriver(Driver, ArchiveProtocol):
    """Starts and stops it by commands, here or over SSH."""

    bindings = {"archive": OrthancArchive, "command": CommandProtocol}  # noqa: RUF012

    def on_activate(self) -> None:
        self._is_ours = False

    def on_deactivate(self) -> None:
        if self._is_ours:
            self.stop()

    @Driver.check_active
    def start(self) -> None:
        if self._answers():
            return
        self.command.run_check(self.archive.start)
        self._is_ours = True
        self._wait_until(True)

    @Driver.check_active
    def stop(self) -> None:
        self.command.run_check(self.archive.stop)
        self._wait_until(False)

    @Driver.check_active
    def reports_on(self, frame: Frame) -> int:
        study = str(pydicom.dcmread(frame.path, stop_before_pixels=True).StudyInstanceUID)
        query = {"Level": "Instance", "Query": {"StudyInstanceUID": study, "Modality": "SR"}}
        return len(json.loads(self._asked("/tools/find", json.dumps(query).encode())))

    def _wait_until(self, there: bool) -> None:
        timeout = Timeout(_PATIENCE_SECONDS)
        while self._answers() != there:
            if timeout.expired:
                raise ExecutionError(f"{self.archive.url}: {'no' if there else 'still an'} answer")

    def _answers(self) -> bool:
        try:
            return bool(self._asked("/system"))
        except OSError:
            return False

    def _asked(self, path: str, data: bytes | None = None) -> bytes:
        with urllib.request.urlopen(self.archive.url + path, data, timeout=10) as answer:
            return bytes(answer.read())
