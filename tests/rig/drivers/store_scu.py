"""A modality that sends by C-STORE: dcmtk's storescu."""

from __future__ import annotations

import shlex
import subprocess
import time
from collections.abc import Sequence

import attr
from labgrid.driver import Driver
from labgrid.driver.exception import ExecutionError
from labgrid.factory import target_factory
from labgrid.resource import Resource

from ..protocols import ModalityProtocol
from ..session import Frame

_SUCCESS = "Received Store Response (Success)"


@target_factory.reg_resource
@attr.s(eq=False)
class DicomNode(Resource):
    """The service's receiver. calling_ae_title: the modality's. through: command before storescu that puts it on the
    modality's network. seconds: an answer is waited for."""

    host: str = attr.ib(validator=attr.validators.instance_of(str))
    port: int = attr.ib(validator=attr.validators.instance_of(int))
    ae_title: str = attr.ib(default="FISHERLENS", validator=attr.validators.instance_of(str))
    calling_ae_title: str = attr.ib(default="MODALITY", validator=attr.validators.instance_of(str))
    through: str = attr.ib(default="", validator=attr.validators.instance_of(str))
    seconds: int = attr.ib(default=15, validator=attr.validators.instance_of(int))


@target_factory.reg_driver
@attr.s(eq=False)
class StoreScuDriver(Driver, ModalityProtocol):
    """Sends each frame in an association of its own, as most modalities do."""

    bindings = {"node": DicomNode}  # noqa: RUF012

    def command(self, *paths: object, calling: str | None = None, called: str | None = None) -> list[str]:
        """What is run to send files, perhaps under another name."""
        node, wait = self.node, str(self.node.seconds)
        tool = self.target.env.config.get_tool("storescu") if self.target.env else "storescu"
        titles = ["-aet", calling or node.calling_ae_title, "-aec", called or node.ae_title]
        waits = ["-to", wait, "-ta", wait, "-td", wait, "-ts", wait]
        return [
            *shlex.split(node.through),
            tool,
            "-v",
            *titles,
            *waits,
            node.host,
            str(node.port),
            *map(str, paths),
        ]

    @Driver.check_active
    def send(self, frames: Sequence[Frame]) -> list[bool]:
        return [self._sent(frame) for frame in frames]

    def _sent(self, frame: Frame) -> bool:
        return _SUCCESS in self.said(self.command(frame.path))

    def said(self, command: list[str]) -> str:
        """What storescu says, which is killed where it hangs."""
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=4 * self.node.seconds, check=False)
        except FileNotFoundError as error:
            raise ExecutionError(f"{error.filename} is not installed (Debian: dcmtk)") from error
        except subprocess.TimeoutExpired as error:
            return f"killed after {error.timeout:g} s"
        return done.stdout + done.stderr

    @Driver.check_active
    def send_part(self, frame: Frame) -> None:
        """Kill storescu while it sends: this needs a network slow enough to be in the middle after half a second."""
        process = subprocess.Popen(self.command(frame.path), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.7)
        if process.poll() is not None:
            raise ExecutionError(f"{frame.path} was sent before the modality could die; slow the network down")
        process.kill()
        process.wait()
