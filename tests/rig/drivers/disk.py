"""A full and a slow disk, by commands on the target."""

from __future__ import annotations

import shlex

import attr
from labgrid.driver import Driver
from labgrid.driver.exception import ExecutionError
from labgrid.factory import target_factory
from labgrid.protocol import CommandProtocol

from ..protocols import DiskFaultProtocol, NotAllowedHere
from .service import ServiceInstallation

_STRACE = "/run/fisherlens-slow-disk"
"""On the target: what strace says, and with .pid its process."""


@target_factory.reg_driver
@attr.s(eq=False)
class DiskFaultDriver(Driver, DiskFaultProtocol):
    """Fills the disk of the service's folder with a file; slows it down by strace, which holds every fsync and
    fdatasync of the running service."""

    bindings = {"installation": ServiceInstallation, "command": CommandProtocol}  # noqa: RUF012

    @Driver.check_active
    def fill(self) -> None:
        folder = shlex.quote(self.installation.folder)
        room = f"$(df --output=avail -B1 {folder} | tail -1)"
        self.command.run(f"fallocate -l {room} {folder}/filler; cat /dev/zero >{folder}/filler-rest")

    @Driver.check_active
    def slow(self, seconds: float) -> None:
        pid = shlex.quote(f"{self.installation.folder}/pid")
        inject = f"inject=fsync,fdatasync:delay_enter={round(seconds * 1e6)}"
        self.command.run_check(
            f"setsid strace -f -p $(cat {pid}) -e trace=fsync,fdatasync -e {inject} -o /dev/null "
            f">{_STRACE} 2>&1 </dev/null & echo $! >{_STRACE}.pid"
        )
        try:
            self.command.wait_for(f"cat {_STRACE}", "attached", timeout=10.0)
        except ExecutionError as error:
            said = " ".join(self.command.run(f"cat {_STRACE}")[0][:2])
            raise NotAllowedHere(f"strace on the target: {said or 'says nothing'}") from error

    @Driver.check_active
    def restore(self) -> None:
        folder = shlex.quote(self.installation.folder)
        self.command.run(f"rm -f {folder}/filler {folder}/filler-rest")
        self.command.run(f"kill $(cat {_STRACE}.pid) && rm {_STRACE}.pid")
