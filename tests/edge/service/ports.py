"""Ports for services that tests start."""

from __future__ import annotations

import socket
import time
from contextlib import suppress

PORTS = range(20000, 24000)
"""Below those that the kernel gives to outgoing connections (Linux: 32768 and up), which may take a port at any time;
beside those of Ray's workers and of the simulated rig."""
PATIENCE_SECONDS = 30.0
_reserved: list[socket.socket] = []


def free_port() -> int:
    """Give a port that nothing listens on, and that no other call gives, in whatever process of this machine, as long
    as this process lives: an abstract socket of the port's name is bound until then."""
    for port in PORTS:
        with suppress(OSError), socket.socket() as probe:
            name = socket.socket(socket.AF_UNIX)
            name.bind(f"\0fisherlens-tests-port-{port}")
            _reserved.append(name)
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError(f"no free port in {PORTS}")


def wait_for_port(port: int) -> None:
    """Until something listens there."""
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            assert time.monotonic() < end, f"nothing listens on port {port}"
            time.sleep(0.05)
