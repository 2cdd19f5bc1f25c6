"""A network that breaks at a chosen byte: `python -m tests.rig.relay HOST PORT BYTES cut|deafen`.

Listens on a port of its own, which it prints, and passes one connection on to HOST:PORT. When BYTES have gone
towards it, `cut` ends both connections; `deafen` passes on what is sent but not what is answered, and ends both once
there was an answer: the one end has done its work, and the other has not heard of it.
"""

from __future__ import annotations

import selectors
import socket
import sys

_PIECE = 65536
_PATIENCE_SECONDS = 30.0


def main() -> None:
    """Serve one connection."""
    host, port, limit, mode = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(_PATIENCE_SECONDS)
        print(listening.getsockname()[1], flush=True)
        client, _ = listening.accept()
    with client, socket.create_connection((host, port), timeout=_PATIENCE_SECONDS) as server:
        _pass_on(client, server, limit, mode)


def _pass_on(client: socket.socket, server: socket.socket, limit: int, mode: str) -> None:
    selector = selectors.DefaultSelector()
    selector.register(client, selectors.EVENT_READ)
    selector.register(server, selectors.EVENT_READ)
    sent = 0
    while events := selector.select(_PATIENCE_SECONDS):
        for key, _ in events:
            piece = key.fileobj.recv(_PIECE)  # type: ignore[union-attr]
            if not piece:
                return
            if key.fileobj is client:
                if mode == "cut" and sent + len(piece) >= limit:
                    server.sendall(piece[: limit - sent])
                    return
                sent += len(piece)
                server.sendall(piece)
            elif mode == "deafen" and sent >= limit:
                return
            else:
                client.sendall(piece)


if __name__ == "__main__":
    main()
