"""The local HTTP endpoint: instrument software of any language hands in images and reads verdicts.

POST /images                the file's bytes; answered 202 with its digest once it is on stable storage
GET  /images/DIGEST         the verdicts on it, 404 if it is not known, 202 while it waits
GET  /health                200 while every part of the service runs, else 503
GET  /metrics               for Prometheus
"""

from __future__ import annotations

import hmac
import logging
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from ..errors import EdgeError
from .configuration import HttpTable
from .faults import reach
from .metrics import CONTENT_TYPE, Metrics
from .store import Store, StoreFailed

_log = logging.getLogger(__name__)

RETRY_SECONDS = 10


class HttpRefused(EdgeError):
    """The endpoint cannot be opened."""


class HttpEndpoint:
    """The server, in a thread of its own. troubles: what does not work of the service."""

    name = "HTTP endpoint"

    def __init__(
        self,
        table: HttpTable,
        store: Store,
        bundle: Callable[[], str],
        metrics: Metrics,
        troubles: Callable[[], list[str]],
    ) -> None:
        self._table, self._store, self._bundle = table, store, bundle
        self._metrics, self._troubles = metrics, troubles
        self._token = _token(table.token_file)
        routes = [
            Route("/images", self._take, methods=["POST"]),
            Route("/images/{digest}", self._told),
            Route("/health", self._health),
            Route("/metrics", self._measured),
        ]
        # A page elsewhere must not reach this server by a name that resolves to it.
        hosts = Middleware(TrustedHostMiddleware, allowed_hosts=["localhost", "127.0.0.1", table.address])
        configured = uvicorn.Config(
            Starlette(routes=routes, middleware=[hosts]),
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
        """Listen. Raises HttpRefused where the port cannot be had."""
        try:
            listening = socket.create_server((self._table.address, self._table.port))
        except OSError as error:
            raise HttpRefused(f"HTTP endpoint {self._table.address}:{self._table.port}: {error.strerror}") from error
        self._thread = threading.Thread(target=self._server.run, args=([listening],), name="http", daemon=True)
        self._thread.start()

    def is_alive(self) -> bool:
        """Whether it listens."""
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> None:
        """End after the requests that are under way."""
        self._server.should_exit = True

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has ended."""
        if self._thread is not None:
            self._thread.join(timeout)

    async def _take(self, request: Request) -> Response:
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), b"Bearer " + self._token):
            return _said(401, "expected the header Authorization: Bearer, with the token of the configured file")
        data = bytearray()
        async for part in request.stream():
            data += part
            if len(data) > self._store.most_image_bytes:
                return _said(413, str(self._store.too_large(len(data))))
        if not data:
            return _said(400, "no bytes, expected those of an image file")
        name = request.query_params.get("name", "http")[:200]
        try:
            digest = await run_in_threadpool(self._store.keep, bytes(data), "http", name, self._bundle())
        except StoreFailed as full:
            return JSONResponse({"error": str(full)}, 503, {"Retry-After": str(RETRY_SECONDS)})
        reach("acknowledged")
        return JSONResponse({"digest": digest}, 202)

    async def _told(self, request: Request) -> Response:
        digest = request.path_params["digest"]
        found = await run_in_threadpool(lambda: [verdict for _, verdict in self._store.verdicts(digest)])
        if found:
            return Response(msgspec.json.encode(found), media_type="application/json")
        known = await run_in_threadpool(self._store.knows, digest)
        return _said(202, "waits to be scored") if known else _said(404, "no image of this digest")

    async def _health(self, request: Request) -> Response:
        troubles = self._troubles()
        return PlainTextResponse("".join(f"{line}\n" for line in troubles or ["running"]), 503 if troubles else 200)

    async def _measured(self, request: Request) -> Response:
        return Response(await run_in_threadpool(self._metrics.text), media_type=CONTENT_TYPE)


def _said(status: int, text: str) -> Response:
    return JSONResponse({"error" if status >= 400 else "state": text}, status)


def _token(path: Path) -> bytes:
    try:
        token = path.read_bytes().strip()
    except OSError as error:
        raise HttpRefused(f"HTTP token {path}: {error.strerror}") from error
    if len(token) < 16:
        raise HttpRefused(f"HTTP token {path}: {len(token)} characters, expected at least 16")
    return token
