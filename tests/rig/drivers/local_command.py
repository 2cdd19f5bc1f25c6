"""Commands and files where the target is this machine, as SSHDriver has them where it is another."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig

import attr
from labgrid.driver import Driver
from labgrid.driver.commandmixin import CommandMixin
from labgrid.driver.exception import ExecutionError
from labgrid.factory import target_factory
from labgrid.protocol import CommandProtocol, FileTransferProtocol


@target_factory.reg_driver
@attr.s(eq=False)
class LocalCommandDriver(CommandMixin, Driver, CommandProtocol, FileTransferProtocol):
    """Runs shell commands here."""

    @Driver.check_active
    def run(self, cmd: str, timeout: float | None = 30.0) -> tuple[list[str], list[str], int]:
        """Lines of standard output and error, and the exit code. Raises ExecutionError after `timeout` seconds."""
        try:
            done = subprocess.run(
                ["sh", "-c", cmd], capture_output=True, timeout=timeout, check=False, env=_environment()
            )
        except subprocess.TimeoutExpired as error:
            raise ExecutionError(f"{cmd}: not done after {timeout:g} s") from error
        return _lines(done.stdout), _lines(done.stderr), done.returncode

    @Driver.check_active
    def run_check(self, cmd: str, timeout: float | None = 30.0) -> list[str]:
        """Lines of standard output. Raises ExecutionError where the command fails."""
        out, err, code = self.run(cmd, timeout=timeout)
        if code != 0:
            raise ExecutionError(f"{cmd}: exit code {code}", out, err)
        return out

    def get_status(self) -> int:
        """Commands can always be run."""
        return 1

    @Driver.check_active
    def put(self, filename: str, remotepath: str) -> None:
        """Copy a file there."""
        shutil.copyfile(filename, remotepath)

    @Driver.check_active
    def get(self, filename: str, destination: str) -> None:
        """Copy a file from there."""
        shutil.copyfile(filename, destination)


def _environment() -> dict[str, str]:
    """In which programs of this Python environment are found before others of their names."""
    return {**os.environ, "PATH": os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])}


def _lines(text: bytes) -> list[str]:
    return text.decode(errors="replace").splitlines()
