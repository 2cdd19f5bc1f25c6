"""The local HTTP endpoint: instrument software of any language hands in images and reads verdicts.

POST /images                the file's bytes; answered 202 with its digest once it is on stable storage
GET  /images/DIGEST         the verdicts on it, 404 if it is not known, 202 while it waits
GET  /health                200 while every part of the service runs, else 503
GET  /metrics               for Prometheus
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from pathlib import Path

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ...errors import EdgeError
from ..configuration import HttpTable
from ..faults import reach
from ..inbox import Inbox
from ..store import StoreFailed
from ..web import WebServer

RETRY_SECONDS = 10


class TokenRefused(EdgeError):
    """The configured token cannot be used."""


class HttpSource(WebServer):
    """The endpoint. state: the routes of health and metrics."""

    def __init__(self, table: HttpTable, inbox: Inbox, state: Sequence[Route]) -> None:
        """Read the token; nothing is served yet. Raises TokenRefused."""
        self._inbox, self._store = inbox, inbox.store
        self._token = _token(table.token_file)
        own = [Route("/images", self._take, methods=["POST"]), Route("/images/{digest}", self._told)]
        super().__init__("HTTP endpoint", table, [*own, *state])

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
            digest = await run_in_threadpool(self._inbox.keep, data, name)
        except StoreFailed as full:
            return JSONResponse({"error": str(full)}, 503, {"Retry-After": str(RETRY_SECONDS)})
        reach("acknowledged")
        return JSONResponse({"digest": digest}, 202)

    async def _told(self, request: Request) -> Response:
        digest = request.path_params["digest"]
        found = await run_in_threadpool(lambda: [verdict for _, verdict in self._store.verdicts_on(digest)])
        if found:
            return Response(msgspec.json.encode(found), media_type="application/json")
        known = await run_in_threadpool(self._store.knows, digest)
        return _said(202, "waits to be scored") if known else _said(404, "no image of this digest")


def _said(status: int, text: str) -> Response:
    return JSONResponse({"error" if status >= 400 else "state": text}, status)


def _token(path: Path) -> bytes:
    try:
        token = path.read_bytes().strip()
    except OSError as error:
        raise TokenRefused(f"HTTP token {path}: {error.strerror}") from error
    if len(token) < 16:
        raise TokenRefused(f"HTTP token {path}: {len(token)} characters, expected at least 16")
    return token
