"""The server as an ASGI application: pages, API, scrape and receiver behind one gate."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, is_dataclass
from http import HTTPStatus
from typing import Final

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from spanguard.serve import openapi, pages, receive, scrape
from spanguard.serve.answers import Problem
from spanguard.serve.api import ENDPOINTS, Endpoint, NotFoundError
from spanguard.serve.options import Options
from spanguard.serve.params import ParameterError, Values
from spanguard.serve.safety import Safety
from spanguard.serve.served import Served
from spanguard.serve.static import ASSETS
from spanguard.store.database import StoreError
from spanguard.store.readers import TooSlowError

_log: Final = logging.getLogger("spanguard")
_LOOK: Final = 0.25
_HEARTBEAT: Final = 15.0
_MOST_LISTENERS: Final = 32
_MACHINES: Final = ("/api/", "/v1/", "/metrics", "/openapi.json", "/healthz", "/live")
_WINDOWS: Final = ("5m", "1h")
"""The windows of the SLIs that are scraped."""

Handler = Callable[[Request], Awaitable[Response]]


def create_app(options: Options) -> ASGIApp:
    """Return the application for these options; it reads the store from when it starts until it ends."""
    served = Served(options)
    site = pages.Pages(served)
    receiver = receive.Receiver(options)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        served.start()
        try:
            yield
        finally:
            await anyio.to_thread.run_sync(served.close)
            await anyio.to_thread.run_sync(receiver.close)

    def refuse(status: int, reason: str, path: str) -> tuple[bytes, str]:
        if path.startswith(_MACHINES):
            return _json(Problem(HTTPStatus(status).phrase.lower(), reason)), "application/json"
        return site.refusal(status, reason).encode(), "text/html; charset=utf-8"

    async def failed(request: Request, error: Exception) -> Response:
        status, reason = _fault(error)
        if status >= 500 and not isinstance(error, StoreError):
            _log.warning("a request to the local server failed (%s)", type(error).__name__)
        body, kind = refuse(status, reason, request.url.path)
        headers = {**(getattr(error, "headers", None) or {}), **({"retry-after": "5"} if status == 503 else {})}
        return Response(body, status, media_type=kind, headers=headers)

    handled = (HTTPException, ParameterError, NotFoundError, StoreError)
    routes, handlers = _routes(served, site, receiver), dict.fromkeys((*handled, Exception), failed)
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)
    return Safety(app, options, refuse)  # around all of it, what answers for a fault of ours included


def _routes(served: Served, site: pages.Pages, receiver: receive.Receiver) -> list[BaseRoute]:
    document = _json(openapi.document())
    found = [Route(each.path, _endpoint(served, each), methods=["GET"]) for each in ENDPOINTS]
    found.append(Route("/openapi.json", _constant(document, "application/json"), methods=["GET"]))
    found.append(Route("/metrics", _metrics(served), methods=["GET"]))
    found.append(Route("/live", _live(served), methods=["GET"]))
    found += [Route(f"/static/{name}", _constant(body, kind), methods=["GET"]) for name, (body, kind) in ASSETS.items()]
    found += [Route(path, _page(page), methods=["GET"]) for path, page in site.routes()]
    if served.options.receive:
        found += [Route(path, receiver.handle, methods=["POST"]) for path in receive.PATHS]
    return list(found)


def _fault(error: Exception) -> tuple[int, str]:
    if isinstance(error, HTTPException):
        return error.status_code, HTTPStatus(error.status_code).description or HTTPStatus(error.status_code).phrase
    if isinstance(error, ParameterError):
        return 400, str(error)
    if isinstance(error, NotFoundError):
        return 404, str(error)
    if isinstance(error, TooSlowError):
        return 503, "the store takes too long to say that: ask for a shorter time, or for less"
    if isinstance(error, StoreError):
        return 503, "the store cannot be read now"
    return 500, "something went wrong here"


def _endpoint(served: Served, each: Endpoint) -> Handler:
    async def handle(request: Request) -> Response:
        values = Values(each.parameters, request.query_params, request.path_params)
        body = await anyio.to_thread.run_sync(lambda: _json(each.find(served, values)))
        return Response(body, media_type="application/json")

    return handle


def _page(page: pages.Page) -> Handler:
    async def handle(request: Request) -> Response:
        body = await anyio.to_thread.run_sync(lambda: page(request))
        return Response(body, media_type="text/html")

    return handle


def _constant(body: bytes, kind: str) -> Handler:
    async def handle(_: Request) -> Response:
        return Response(body, media_type=kind, headers={"cache-control": "no-cache"})

    return handle


def _metrics(served: Served) -> Handler:
    async def handle(request: Request) -> Response:
        openmetrics = "application/openmetrics-text" in request.headers.get("accept", "")

        def told() -> str:
            readings = {name: served.readings(served.window(name)) for name in _WINDOWS}
            return scrape.text(served.rollup.totals(), readings, openmetrics=openmetrics)

        body = await anyio.to_thread.run_sync(told)
        return Response(body, headers={"content-type": scrape.OPEN_METRICS if openmetrics else scrape.PROMETHEUS})

    return handle


def _live(served: Served) -> Handler:
    """Tell of each change, so that a page asks anew when there is something new, and only then."""
    listeners = 0

    async def told() -> AsyncIterator[str]:
        nonlocal listeners
        listeners += 1
        try:
            before, quiet = "", 0.0
            while True:
                mark = served.mark()
                if mark != before:
                    before, quiet = mark, 0.0
                    yield f"event: mark\ndata: {mark}\n\n"
                elif quiet >= _HEARTBEAT:
                    quiet = 0.0
                    yield ": still here\n\n"
                await anyio.sleep(_LOOK)
                quiet += _LOOK
        finally:
            listeners -= 1

    async def handle(_: Request) -> Response:
        if listeners >= _MOST_LISTENERS:
            raise HTTPException(503)
        return StreamingResponse(told(), media_type="text/event-stream")

    return handle


def _json(told: object) -> bytes:
    plain = asdict(told) if is_dataclass(told) and not isinstance(told, type) else told
    try:
        return json.dumps(plain, allow_nan=False).encode()
    except ValueError:
        return json.dumps(_finite(plain), allow_nan=False).encode()


def _finite(value: object) -> object:
    """Return the same without numbers that JSON has no form for."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    return [_finite(each) for each in value] if isinstance(value, (list, tuple)) else value
