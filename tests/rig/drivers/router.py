"""A router between the modality's network and the service's, with a kernel of its own: user-mode Linux.

The modality lives in a network namespace. Between it and this machine routes a Linux that runs as a process, so that
tc netem is there whatever this machine's kernel was built with.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import attr
from labgrid.driver import Driver
from labgrid.driver.commandmixin import CommandMixin
from labgrid.driver.exception import ExecutionError
from labgrid.factory import target_factory
from labgrid.protocol import CommandProtocol
from labgrid.resource import Resource

from ..protocols import NotAllowedHere

_MODULES = Path("/usr/lib/uml/modules")
_BOOT_SECONDS = 60.0
_READY = "fisherlens router is up"
_NEAR, _FAR = "fisherlens-near", "fisherlens-far"
"""The taps of either side; Linux allows names of 15 characters."""


@target_factory.reg_resource
@attr.s(eq=False)
class RoutedNamespace(Resource):
    """A network namespace behind a router. namespace: its name. near, far: the networks on this machine's side and
    on the namespace's, by the first three numbers of their IPv4 addresses; this machine is .1 on the near one, the
    namespace .1 on the far one, the router .2 on both."""

    namespace: str = attr.ib(default="fisherlens-modality", validator=attr.validators.instance_of(str))
    near: str = attr.ib(default="10.77.1", validator=attr.validators.instance_of(str))
    far: str = attr.ib(default="10.77.2", validator=attr.validators.instance_of(str))


@target_factory.reg_driver
@attr.s(eq=False)
class UserModeLinuxRouterDriver(CommandMixin, Driver, CommandProtocol):
    """Runs commands on the router, whose interfaces are eth0 (near) and eth1 (far)."""

    bindings = {"namespace": RoutedNamespace}  # noqa: RUF012
    memory: str = attr.ib(default="96M", validator=attr.validators.instance_of(str))

    def on_activate(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._scratch = tempfile.TemporaryDirectory(prefix="fisherlens-router-")
        missing = [program for program in ("ip", "linux.uml") if shutil.which(program) is None]
        if missing:
            raise ExecutionError(f"{', '.join(missing)}: not installed (Debian: iproute2, user-mode-linux)")
        self._remove_network()
        try:
            self._make_network()
            self._boot()
        except (OSError, subprocess.CalledProcessError) as error:
            self.on_deactivate()
            said = getattr(error, "stderr", b"") or b""
            raise NotAllowedHere(f"router: {error} {said.decode()} (needs root)") from error

    def on_deactivate(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, 9)
            self._process.wait()
        self._scratch.cleanup()
        self._remove_network()

    def get_status(self) -> int:
        """Commands can be run once it is active."""
        return 1

    @Driver.check_active
    def run(self, cmd: str, timeout: float | None = 30.0) -> tuple[list[str], list[str], int]:
        """Lines of standard output and error together, none of error alone, and the exit code."""
        self._write(f"{{ {cmd}; }} 2>&1; code=$?; echo; echo end-of-command $code\n")
        lines = self._read_until("end-of-command", timeout or 30.0)
        code = int(lines.pop().split()[-1])
        return [line for line in lines if line], [], code

    @Driver.check_active
    def run_check(self, cmd: str, timeout: float | None = 30.0) -> list[str]:
        """Lines of output. Raises ExecutionError where the command fails."""
        out, err, code = self.run(cmd, timeout=timeout)
        if code != 0:
            raise ExecutionError(f"{cmd}: exit code {code}: {' '.join(out)}", out, err)
        return out

    def _make_network(self) -> None:
        here = self.namespace
        _run_all(
            f"ip tuntap add dev {_NEAR} mode tap",
            f"ip addr add {here.near}.1/24 dev {_NEAR}",
            f"ip link set {_NEAR} up",
            f"ip route add {here.far}.0/24 via {here.near}.2",
            f"ip netns add {here.namespace}",
            f"ip netns exec {here.namespace} ip link set lo up",
            f"ip tuntap add dev {_FAR} mode tap",
        )

    def _join_far_side(self) -> None:
        """Move the far tap, which the router has open by now, into the namespace."""
        here = self.namespace
        inside = f"ip netns exec {here.namespace} ip"
        _run_all(
            f"ip link set {_FAR} netns {here.namespace}",
            f"{inside} addr add {here.far}.1/24 dev {_FAR}",
            f"{inside} link set {_FAR} up",
            f"{inside} route add default via {here.far}.2",
        )

    def _remove_network(self) -> None:
        for command in (f"ip netns del {self.namespace.namespace}", f"ip link del {_NEAR}", f"ip link del {_FAR}"):
            subprocess.run(command.split(), check=False, capture_output=True)

    def _boot(self) -> None:
        modules = sorted(_MODULES.glob("*/kernel/net/sched/sch_netem.ko"))
        here = self.namespace
        script = Path(self._scratch.name) / "init"
        script.write_text(
            "#!/bin/sh\nexport PATH=/usr/sbin:/usr/bin:/sbin:/bin\n"
            "mount -t proc proc /proc\nmount -t sysfs sysfs /sys\n"
            f"insmod {modules[-1]}\nip link set lo up\n"
            f"ip addr add {here.near}.2/24 dev eth0; ip link set eth0 up\n"
            f"ip addr add {here.far}.2/24 dev eth1; ip link set eth1 up\n"
            f"echo 1 >/proc/sys/net/ipv4/ip_forward\necho {_READY}\nstty -echo\nexport PS1=\nexec sh\n"
        )
        script.chmod(0o700)
        self._process = subprocess.Popen(
            ["linux.uml", f"mem={self.memory}", "rootfstype=hostfs", "rootflags=/", "rw", f"init={script}",
             f"eth0=tuntap,{_NEAR}", f"eth1=tuntap,{_FAR}", "con=null", "con0=fd:0,fd:1", "quiet"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        self._pending = b""
        self._read_until(_READY, _BOOT_SECONDS)
        self._join_far_side()

    def _write(self, text: str) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()

    def _read_until(self, mark: str, seconds: float) -> list[str]:
        """Lines up to the one that begins with a mark. Raises ExecutionError."""
        assert self._process is not None
        assert self._process.stdout is not None
        lines: list[str] = []
        end = time.monotonic() + seconds
        while True:
            line, newline, rest = self._pending.partition(b"\n")
            if newline:
                self._pending = rest
                lines.append(line.decode(errors="replace").rstrip("\r"))
                if lines[-1].startswith(mark):
                    return lines
                continue
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, end - time.monotonic()))
            piece = os.read(self._process.stdout.fileno(), 65536) if ready else b""
            if not piece:
                with contextlib.suppress(OSError):
                    os.killpg(self._process.pid, 9)
                raise ExecutionError(f"router: no {mark!r} within {seconds:g} s: {lines[-5:]}")
            self._pending += piece


def _run_all(*commands: str) -> None:
    """One after the other. Raises OSError, CalledProcessError."""
    for command in commands:
        subprocess.run(command.split(), check=True, capture_output=True)
