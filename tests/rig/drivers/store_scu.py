"""A modality that sends by C-STORE: dcmtk's storescu."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import attr
from labgrid.driver import Driver
from labgrid.driver.exception import ExecutionError
from labgrid.factory import target_factory
from labgrid.resource import Resource

from ..protocols import DicomPeerProtocol, ModalityProtocol
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
class StoreScuDriver(Driver, ModalityProtocol, DicomPeerProtocol):
    """Sends each frame in an association of its own, as most modalities do."""

    bindings = {"node": DicomNode}  # noqa: RUF012

    def _command(
        self, *paths: object, calling: str | None = None, called: str | None = None, host: str = "", port: str = ""
    ) -> list[str]:
        """What is run to send files, perhaps under another name or to another place."""
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
            host or node.host,
            port or str(node.port),
            *map(str, paths),
        ]

    @Driver.check_active
    def send(self, frames: Sequence[Frame]) -> list[bool]:
        return [self._sent(frame) for frame in frames]

    @Driver.check_active
    def is_let_in(self, frame: Frame, calling: str, called: str) -> bool:
        return "Rejected" not in self._said(self._command(frame.path, calling=calling, called=called))

    def _sent(self, frame: Frame) -> bool:
        return _SUCCESS in self._said(self._command(frame.path))

    def _said(self, command: list[str]) -> str:
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
        self._send_through(frame, 0.5, "cut")

    @Driver.check_active
    def send_unheard(self, frame: Frame) -> None:
        self._send_through(frame, 0.9, "deafen")

    def _send_through(self, frame: Frame, share: float, mode: str) -> None:
        """Send over a connection that breaks when a share of the file's bytes has gone."""
        node, size = self.node, round(share * frame.path.stat().st_size)
        relay = [*shlex.split(node.through), sys.executable, "-m", "tests.rig.relay", node.host, str(node.port)]
        root = Path(__file__).parents[3]
        with subprocess.Popen([*relay, str(size), mode], cwd=root, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            port = process.stdout.readline().strip()
            said = self._said(self._command(frame.path, host="127.0.0.1", port=port))
        if _SUCCESS in said:
            raise ExecutionError(f"the connection did not break: {said[-500:]}")
