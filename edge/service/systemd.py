"""Notices to systemd: that the service is ready, and alive (sd_notify(3))."""

from __future__ import annotations

import os
import socket


def notify(*lines: str) -> None:
    """Send lines such as "READY=1" to the socket that systemd names; nothing where it names none."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as unix:
        unix.sendto("\n".join(lines).encode(), "\0" + address[1:] if address.startswith("@") else address)
