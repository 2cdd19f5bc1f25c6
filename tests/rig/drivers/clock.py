"""The target's clock of the day."""

from __future__ import annotations

from pathlib import Path

import attr
import libfaketime
from labgrid.driver import Driver
from labgrid.driver.exception import ExecutionError
from labgrid.factory import target_factory
from labgrid.protocol import CommandProtocol
from labgrid.resource import Resource

from ..protocols import ClockProtocol


@target_factory.reg_resource
@attr.s(eq=False)
class FakeClock(Resource):
    """file: that libfaketime reads by how much the clock is off."""

    file: str = attr.ib(validator=attr.validators.instance_of(str))


@target_factory.reg_driver
@attr.s(eq=False)
class FaketimeClockDriver(Driver, ClockProtocol):
    """A clock for the service alone, where the target is this machine: libfaketime."""

    bindings = {"clock": FakeClock}  # noqa: RUF012

    def on_activate(self) -> None:
        # Not Debian's 0.9.10, under which an absolute clock_nanosleep, as Python's time.sleep, fails with EINVAL.
        libraries = sorted(Path(libfaketime.__file__).parent.rglob("libfaketime.so.1"))
        if not libraries:
            raise ExecutionError("the Python package libfaketime has no libfaketime.so.1 for this system")
        self._library = libraries[0]
        Path(self.clock.file).parent.mkdir(parents=True, exist_ok=True)
        self.restore()

    def prefix(self) -> str:
        """What a shell command begins with that shall have this clock."""
        return (
            f"LD_PRELOAD='{self._library}' FAKETIME_TIMESTAMP_FILE={self.clock.file} FAKETIME_CACHE_DURATION=1 "
            "FAKETIME_DONT_FAKE_MONOTONIC=1"
        )

    def jump(self, seconds: float) -> None:
        self._offset += seconds
        self._write()

    def restore(self) -> None:
        self._offset = 0.0
        self._write()

    def _write(self) -> None:
        beside = Path(self.clock.file + ".new")
        beside.write_text(f"{self._offset:+.0f}\n")
        beside.replace(self.clock.file)


@target_factory.reg_driver
@attr.s(eq=False)
class SystemClockDriver(Driver, ClockProtocol):
    """The clock of a whole target, set by `date`; its time synchronisation must be off while the rig works."""

    bindings = {"command": CommandProtocol}  # noqa: RUF012

    def on_activate(self) -> None:
        self._offset = 0.0

    def prefix(self) -> str:
        """Nothing: all programs of the target have its clock."""
        return ""

    @Driver.check_active
    def jump(self, seconds: float) -> None:
        self.command.run_check(f"date --set=@$(( $(date +%s) + {round(seconds)} ))")
        self._offset += seconds

    @Driver.check_active
    def restore(self) -> None:
        if self._offset:
            self.jump(-self._offset)
