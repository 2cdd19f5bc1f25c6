"""The operator's page: the latest verdicts with their reasons, whether values drift, and whether everything runs.

It only reads. Everything on it is rendered here, without scripts and without anything from elsewhere.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from ...evidence import heading, reasons_alone
from ...maps.picture import as_png, image_picture, overlay_picture
from ...pages import templates
from ...sandbox import Sandbox
from ..configuration import PageTable
from ..store import KeptVerdict, Store
from ..web import WebServer
from .chart import HEIGHT, WIDTH, Chart, Value, measured_chart, p_value_chart

LISTED = 12
"""Verdicts in the list."""
_LONGER_SIDE = 900
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class OperatorPage(WebServer):
    """The server of the page. states: the service's parts, and whether each runs. drifted: checks whose
    drift alarm is raised. state: the routes of health and metrics."""

    def __init__(
        self,
        table: PageTable,
        store: Store,
        sandbox: Sandbox,
        states: Callable[[], list[tuple[str, bool]]],
        drifted: Callable[[], list[str]],
        state: Sequence[Route],
    ) -> None:
        self._table, self._store, self._sandbox = table, store, sandbox
        self._states, self._drifted = states, drifted
        self._decoding = threading.Lock()
        self._picture = lru_cache(maxsize=64)(self._drawn)
        pages = templates(Path(__file__).parent)
        pages.filters.update(reasons_alone=reasons_alone, heading=heading)
        self._overview = pages.get_template("overview.html")
        self._detail = pages.get_template("verdict.html")
        own = [
            Route("/", self._show_overview),
            Route("/verdicts/{identifier}", self._show_verdict),
            Route("/verdicts/{identifier}/{picture}.png", self._show_picture),
        ]
        super().__init__("operator's page", table, [*own, *state])

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has ended."""
        super().join(timeout)
        self._sandbox.close()

    async def _show_overview(self, request: Request) -> Response:
        return HTMLResponse(await run_in_threadpool(self._rendered_overview), headers=_HEADERS)

    async def _show_verdict(self, request: Request) -> Response:
        kept = await run_in_threadpool(self._store.verdict_of, request.path_params["identifier"])
        if kept is None:
            return PlainTextResponse("no such verdict", 404)
        return HTMLResponse(self._detail.render(kept=kept, verdict=kept.verdict), headers=_HEADERS)

    async def _show_picture(self, request: Request) -> Response:
        identifier, which = request.path_params["identifier"], request.path_params["picture"]
        found = await run_in_threadpool(self._picture, identifier, which)
        if found is None:
            return PlainTextResponse("no such picture", 404)
        # Of a verdict that never changes, and the image under its digest: the same whenever it is asked for.
        return Response(found, media_type="image/png", headers={**_HEADERS, "Cache-Control": "private, max-age=3600"})

    def _rendered_overview(self) -> str:
        latest = self._store.latest(max(LISTED, self._table.charted))
        counts = self._store.outbox.counts()
        destinations = sorted({destination for destination, _ in counts})
        return self._overview.render(
            latest=latest[:LISTED],
            charts=charts(latest[: self._table.charted][::-1]),
            width=WIDTH,
            height=HEIGHT,
            outcomes=self._store.outcome_counts(),
            waiting=self._store.waiting_count(),
            parts=self._states(),
            failure=self._store.failure,
            drifted=self._drifted(),
            deliveries=[
                (name, *(counts.get((name, state), 0) for state in ("delivered", "pending", "abandoned")))
                for name in destinations
            ],
            undelivered=self._store.outbox.undelivered(LISTED),
        )

    def _drawn(self, identifier: str, which: str) -> bytes | None:
        """A PNG of the image, or of the map over it; None where there is none."""
        kept = self._store.verdict_of(identifier)
        if kept is None or which not in ("image", "map") or (which == "map" and kept.verdict.map is None):
            return None
        with self._decoding:
            path = self._store.path_of(kept.digest)
            expected = self._store.bundles.input_of(kept.verdict.bundle.digest)
            decoded = self._sandbox.decode(path, kept.verdict.frame - 1, expected)
        if decoded.image is None:
            return None
        return as_png(_picture_of(decoded.image, kept, which))


def _picture_of(image: NDArray[np.float32], kept: KeptVerdict, which: str) -> NDArray[np.uint8]:
    if which == "image" or kept.verdict.map is None:
        return image_picture(image, _LONGER_SIDE)
    return overlay_picture(kept.verdict.map, image, _LONGER_SIDE)


def charts(oldest_first: Sequence[KeptVerdict]) -> list[Chart]:
    """Draw a chart of each measurand and of each check, of the verdicts by the latest one's bundle."""
    if not oldest_first:
        return []
    bundle = oldest_first[-1].verdict.bundle.digest
    unrefused = [
        one for one in oldest_first if one.verdict.bundle.digest == bundle and one.verdict.outcome != "refused"
    ]
    measured: dict[str, list[Value]] = {}
    checked: dict[str, list[Value]] = {}
    alphas: dict[str, float] = {}
    for one in unrefused:
        usual = one.verdict.outcome == "accepted"
        for result in one.verdict.results:
            title = f"{result.name}: {result.text}, {one.received}"
            value = Value(result.value, result.low, result.high, usual, title, one.id)
            measured.setdefault(f"{result.name} / {result.unit}", []).append(value)
        for check in one.verdict.checks:
            title = f"{check.name}: p = {check.p_value:.2g}, {one.received}"
            value = Value(check.p_value, check.p_value, check.p_value, usual, title, one.id)
            checked.setdefault(check.name, []).append(value)
            alphas[check.name] = check.alpha
    return [
        *(measured_chart(name, values) for name, values in measured.items()),
        *(p_value_chart(f"p-value of {name}", values, alphas[name]) for name, values in checked.items()),
    ]
