"""A full and a slow disk, by commands on the target."""

from __future__ import annotations

import shlex

import attr
from labgrid.driver import Driver
from labgrid.factory import target_factory
from labgrid.protocol import CommandProtocol

from ..protocols import DiskFaultProtocol, NotAllowedHere
from .service import ServiceInstallation


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
        log = "/tmp/fisherlens-slow-disk"
        self.command.run_check(
            f"setsid strace -f -p $(cat {pid}) -e trace=fsync,fdatasync -e {inject} -o /dev/null "
            f">{log} 2>&1 </dev/null & "
            f"echo $! >{log}.pid"
        )
        attached, _, code = self.command.run(f"for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.2; cat {log}; done | head -20")
        if code != 0 or not any("attached" in line for line in attached):
            raise NotAllowedHere(f"strace on the target: {' '.join(attached[:2]) or 'not installed'}")

    @Driver.check_active
    def restore(self) -> None:
        folder = shlex.quote(self.installation.folder)
        self.command.run(f"rm -f {folder}/filler {folder}/filler-rest")
        self.command.run("kill $(cat /tmp/fisherlens-slow-disk.pid) && rm /tmp/fisherlens-slow-disk.pid")
