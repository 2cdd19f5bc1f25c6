"""A bad network between modality and service: tc netem on the interfaces of what lies between them."""

from __future__ import annotations

import attr
from labgrid.driver import Driver
from labgrid.factory import target_factory
from labgrid.protocol import CommandProtocol

from ..protocols import NetworkFaultProtocol


@target_factory.reg_driver
@attr.s(eq=False)
class NetemDriver(Driver, NetworkFaultProtocol):
    """interfaces: of the router, one towards either side; `command` runs commands on it."""

    bindings = {"command": CommandProtocol}  # noqa: RUF012
    interfaces: list[str] = attr.ib(factory=list, validator=attr.validators.instance_of(list))

    @Driver.check_active
    def impair(
        self, *, loss_percent: float = 0, delay_ms: float = 0, jitter_ms: float = 0, reorder_percent: float = 0,
        kilobits_per_second: int = 0,
    ) -> None:  # fmt: skip
        wanted = ["limit 10000"]
        if delay_ms:
            wanted.append(f"delay {delay_ms:g}ms {jitter_ms:g}ms")
        if reorder_percent:
            wanted.append(f"reorder {reorder_percent:g}%")
        if loss_percent:
            wanted.append(f"loss {loss_percent:g}%")
        if kilobits_per_second:
            wanted.append(f"rate {kilobits_per_second}kbit")
        for interface in self.interfaces:
            self.command.run_check(f"tc qdisc replace dev {interface} root netem {' '.join(wanted)}")

    @Driver.check_active
    def restore(self) -> None:
        for interface in self.interfaces:
            self.command.run(f"tc qdisc del dev {interface} root")
