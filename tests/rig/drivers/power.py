"""The power of a target that is this machine: a cut kills its processes and loses what was not yet synced."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import struct
import subprocess
import time
from pathlib import Path

import attr
from labgrid.driver import Driver
from labgrid.factory import target_factory
from labgrid.protocol import PowerProtocol
from labgrid.resource import Resource

from ..protocols import NotAllowedHere

# include/uapi/linux/ext4.h: the file system stops as it is, without writing its journal, as when the power fails.
_EXT4_IOC_SHUTDOWN = 0x8004587D
_EXT4_GOING_FLAGS_NOLOGFLUSH = 2
_PATIENCE_SECONDS = 10.0


@target_factory.reg_resource
@attr.s(eq=False)
class LoopDisk(Resource):
    """A disk of the target: an ext4 file system in the file `image`, mounted at `folder`."""

    image: str = attr.ib(validator=attr.validators.instance_of(str))
    folder: str = attr.ib(validator=attr.validators.instance_of(str))
    megabytes: int = attr.ib(default=2048, validator=attr.validators.instance_of(int))


@target_factory.reg_driver
@attr.s(eq=False)
class SimulatedPowerDriver(Driver, PowerProtocol):
    """Power of everything that runs on the disk."""

    bindings = {"disk": LoopDisk}  # noqa: RUF012

    def on_activate(self) -> None:
        image, folder = Path(self.disk.image), Path(self.disk.folder)
        if os.geteuid() != 0:
            raise NotAllowedHere("the simulated rig mounts a disk and makes a network of its own, which needs root")
        folder.mkdir(parents=True, exist_ok=True)
        self.off()
        image.unlink(missing_ok=True)
        with image.open("wb") as file:
            file.truncate(self.disk.megabytes * 2**20)
        _run("mkfs.ext4", "-q", "-F", "-m", "0", str(image))
        self.on()

    def on_deactivate(self) -> None:
        self.off()
        Path(self.disk.image).unlink(missing_ok=True)

    @property
    def _is_on(self) -> bool:
        return os.path.ismount(self.disk.folder)

    def on(self) -> None:
        """Mount the disk; nothing where it is."""
        if not self._is_on:
            _run("mount", "-o", "loop", self.disk.image, self.disk.folder)

    def off(self) -> None:
        """Kill every process that works on the disk, with all that it started, and stop the disk as it is: what no
        program has synced is lost, unless the kernel happened to write it already."""
        if not self._is_on:
            return
        for pid in _working_on(Path(self.disk.folder)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(os.getpgid(pid), signal.SIGKILL)
        descriptor = os.open(self.disk.folder, os.O_RDONLY)
        fcntl.ioctl(descriptor, _EXT4_IOC_SHUTDOWN, struct.pack("I", _EXT4_GOING_FLAGS_NOLOGFLUSH))
        os.close(descriptor)
        end = time.monotonic() + _PATIENCE_SECONDS
        while subprocess.run(["umount", self.disk.folder], capture_output=True, check=False).returncode != 0:
            if time.monotonic() > end:
                raise NotAllowedHere(f"{self.disk.folder} cannot be unmounted: {_working_on(Path(self.disk.folder))}")
            time.sleep(0.05)
        self._let_go()

    def _let_go(self) -> None:
        """Give the disk, as it is, a file of its own. Whoever has a mount namespace of its own (a container, a network
        namespace of another test) may hold the stopped file system, and a mount of the same file would be that one."""
        image = Path(self.disk.image)
        copy = image.with_name(f"{image.name}.copy")
        _run("cp", "--sparse=always", str(image), str(copy))
        copy.replace(image)

    def cycle(self) -> None:
        """Cut the power and give it again."""
        self.off()
        self.on()


def _working_on(folder: Path) -> list[int]:
    """Processes whose working directory, or an open file, is on the disk."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            links = [process / "cwd", *(process / "fd").iterdir()]
            if any(Path(os.readlink(link)).is_relative_to(folder) for link in links if link.is_symlink()):
                found.append(int(process.name))
    return [pid for pid in found if pid != os.getpid()]


def _run(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "") or error
        raise NotAllowedHere(f"{' '.join(command)}: {said}") from error
