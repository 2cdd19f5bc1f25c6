"""The target that runs `fisherlens serve`: on this machine or over SSH, by whichever driver runs its commands."""

from __future__ import annotations

import base64
import shlex
import time
from pathlib import Path

import attr
from labgrid.driver import Driver
from labgrid.driver.exception import ExecutionError
from labgrid.factory import target_factory
from labgrid.protocol import CommandProtocol, FileTransferProtocol
from labgrid.resource import Resource
from labgrid.util import Timeout

from ..protocols import ClockProtocol, ServiceProtocol
from ..verdict_lines import Told, VerdictLines

MARK = ".fisherlens-rig"
"""File that says that a folder is a rig's, which empties it before it begins."""
_START_SECONDS, _STOP_SECONDS = 60.0, 40.0


@target_factory.reg_resource
@attr.s(eq=False)
class ServiceInstallation(Resource):
    """folder: on the target, for the rig alone and emptied by it; the configuration becomes service.toml in it, beside
    the log and what the configuration names. program: that is run there with `serve service.toml`. configuration,
    bundle: files of the rig, relative to the environment file, which are put there; files: further ones, by their
    names there."""

    folder: str = attr.ib(validator=attr.validators.instance_of(str))
    configuration: str = attr.ib(validator=attr.validators.instance_of(str))
    bundle: str = attr.ib(validator=attr.validators.instance_of(str))
    program: str = attr.ib(default="fisherlens", validator=attr.validators.instance_of(str))
    files: dict[str, str] = attr.ib(factory=dict, validator=attr.validators.instance_of(dict))


@target_factory.reg_driver
@attr.s(eq=False)
class ServiceDriver(Driver, ServiceProtocol):
    """Starts the program in a session of its own and speaks to it by signals. What it delivers is read from
    verdicts.jsonl, the json-lines destination of the configuration."""

    bindings = {  # noqa: RUF012
        "installation": ServiceInstallation,
        "command": CommandProtocol,
        "files": FileTransferProtocol,
        "clock": {ClockProtocol, None},
    }

    def on_activate(self) -> None:
        self._lines = VerdictLines()
        self._is_installed = False

    def on_deactivate(self) -> None:
        self.stop()

    def _path(self, name: str) -> str:
        return shlex.quote(f"{self.installation.folder}/{name}")

    def on_rig(self, path: str) -> Path:
        """A file of the rig that the environment file names."""
        return Path(self.target.env.config.resolve_path(path) if self.target.env else path)

    def install(self) -> None:
        """Empty the folder, and put configuration, bundle and further files in place.

        Raises ExecutionError where the folder has something in it that no rig has put there.
        """
        installation = self.installation
        folder, mark = self._path(""), self._path(MARK)
        if self.command.run(f'[ -e {mark} ] || [ -z "$(ls -A {folder} 2>/dev/null)" ]')[2] != 0:
            raise ExecutionError(f"{installation.folder} is not empty and not a rig's, name another folder for the rig")
        self.command.run_check(f"rm -rf {folder} && mkdir -p {folder} && touch {mark}")
        folders = {str(Path(name).parent) for name in ("inbox/-", *installation.files)}
        self.command.run_check(f"mkdir -p {' '.join(self._path(name) for name in sorted(folders))}")
        for source, name in (
            (installation.configuration, "service.toml"),
            (installation.bundle, "bundle.onnx"),
            *((source, name) for name, source in installation.files.items()),
        ):
            self.files.put(str(self.on_rig(source)), f"{installation.folder}/{name}")
        self.command.run_check(f"sync -f {self._path('')}")  # what is installed outlives a power cut
        self._is_installed = True
        self._lines = VerdictLines()

    @Driver.check_active
    def start(self) -> None:
        if self.is_alive():
            return
        if not self._is_installed:
            self.install()
        said = self._log_size()
        clock = self.clock.prefix() if self.clock is not None else ""
        program = f"{clock} setsid {self.installation.program} serve service.toml"
        # setsid makes the service's process, whose number is $!, the head of a group that signals go to.
        self.command.run_check(
            f"cd {self._path('')} && {{ {program} >>log 2>&1 </dev/null & echo $! >pid; }}", timeout=_START_SECONDS
        )
        timeout = Timeout(_START_SECONDS)
        while "INFO started" not in self.log(said):
            if timeout.expired or not self.is_alive():
                raise ExecutionError(f"{program}: did not start: {self.log(said)[-2000:]}")
            time.sleep(0.05)

    @Driver.check_active
    def stop(self) -> None:
        self._signal("TERM")
        timeout = Timeout(_STOP_SECONDS)
        while self.is_alive():
            if timeout.expired:
                self._signal("KILL")
                raise ExecutionError(f"{self.installation.program}: did not end within {_STOP_SECONDS:g} s")
            time.sleep(0.05)

    def _signal(self, name: str) -> None:
        self.command.run(f"kill -{name} -$(cat {self._path('pid')})")

    @Driver.check_active
    def is_alive(self) -> bool:
        alive = f"p=$(cat {self._path('pid')}) && kill -0 $p && ! grep -q '^State:.Z' /proc/$p/status"
        return self.command.run(alive)[2] == 0

    @Driver.check_active
    def swap(self, bundle: Path, signature: Path | None = None) -> bool:
        said = self._log_size()
        place = f"{self.installation.folder}/bundle.onnx"
        self.files.put(str(bundle), f"{place}.new")
        if signature is not None:
            self.files.put(str(signature), f"{place}.sig")
        self.command.run_check(f"mv {shlex.quote(place)}.new {shlex.quote(place)}")
        self.command.run_check(f"sync -f {self._path('')}")
        self._signal("HUP")
        timeout = Timeout(_START_SECONDS)
        while not timeout.expired:
            log = self.log(said)
            if "INFO reloaded" in log or "not reloaded" in log:
                return "INFO reloaded" in log
            time.sleep(0.05)
        raise ExecutionError(f"no word about the new bundle within {_START_SECONDS:g} s")

    @Driver.check_active
    def verdicts(self) -> list[Told]:
        # In base64, since drivers give lines of text and a piece may end in the middle of a character.
        out, _, code = self.command.run(
            f"tail -c +{self._lines.offset + 1} {self._path('verdicts.jsonl')} | base64 -w 0"
        )
        if code == 0 and out:
            self._lines.take(base64.b64decode(out[0]))
        return self._lines.told

    @Driver.check_active
    def log(self, start: int = 0) -> str:
        return "\n".join(self.command.run(f"tail -c +{start + 1} {self._path('log')}")[0])

    def _log_size(self) -> int:
        return int(self.command.run(f"cat {self._path('log')} | wc -c")[0][-1])
