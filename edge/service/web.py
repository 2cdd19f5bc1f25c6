"""A small web server in a thread of its own: what answers over HTTP is built on it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ..errors import EdgeError
from .configuration import WebTable
from .metrics import CONTENT_TYPE, Metrics


class WebRefused(EdgeError):
    """A server cannot be opened."""


class WebServer:
    """Serves routes at the table's address. name: how messages call it."""

    def __init__(self, name: str, table: WebTable, routes: Sequence[Route]) -> None:
        self.name = name
        self._where = (table.address, table.port)
        # A page elsewhere must not reach this server by a name that resolves to it.
        hosts = Middleware(TrustedHostMiddleware, allowed_hosts=["localhost", "127.0.0.1", table.address])
        configured = uvicorn.Config(
            Starlette(routes=list(routes), middleware=[hosts]),
            log_config=None,
            access_log=False,
            server_header=False,
            lifespan="off",
            timeout_keep_alive=5,
            limit_concurrency=table.most_connections,
        )
        self._server = uvicorn.Server(configured)
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen. Raises WebRefused where the port cannot be had."""
        try:
            listening = socket.create_server(self._where)
        except OSError as error:
            raise WebRefused(f"{self.name} {self._where[0]}:{self._where[1]}: {error.strerror}") from error
        self._thread = threading.Thread(target=self._server.run, args=([listening],), name=self.name, daemon=True)
        self._thread.start()

    def is_alive(self) -> bool:
        """Say whether it listens."""
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> None:
        """End after the requests that are under way."""
        self._server.should_exit = True

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has ended."""
        if self._thread is not None:
            self._thread.join(timeout)


def state_routes(metrics: Metrics, troubles: Callable[[], list[str]]) -> list[Route]:
    """Make the routes /health and /metrics. troubles: what does not work of the service."""

    async def health(request: Request) -> Response:
        found = await run_in_threadpool(troubles)
        return PlainTextResponse("".join(f"{line}\n" for line in found or ["running"]), 503 if found else 200)

    async def measured(request: Request) -> Response:
        return Response(await run_in_threadpool(metrics.text), media_type=CONTENT_TYPE)

    return [Route("/health", health), Route("/metrics", measured)]
