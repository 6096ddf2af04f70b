"""`http.request.resend_count` on the spans of OpenTelemetry's own HTTP instrumentations, inside retry loops of tenacity."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from importlib import import_module
from typing import Any

import pytest

from spanguard.instrumentation.tenacity import TenacityInstrumentor
from support import Telemetry

tenacity = pytest.importorskip("tenacity")
pytestmark = pytest.mark.foreign

Fetch = Callable[[str], None]


def with_httpx(url: str, library: str = "httpx") -> None:
    """Get a URL; an error status is an error."""
    with import_module(library).Client(trust_env=False) as client:
        again(lambda: client.get(url).raise_for_status())


def with_httpx2(url: str) -> None:
    """The same with its fork."""
    with_httpx(url, "httpx2")


def with_requests(url: str) -> None:
    """The same with requests."""
    with import_module("requests").Session() as session:
        session.trust_env = False
        again(lambda: session.get(url).raise_for_status())


async def with_async_httpx(url: str, library: str = "httpx") -> None:
    """The same, asynchronously."""
    async with import_module(library).AsyncClient(trust_env=False) as client:

        async def get() -> None:
            (await client.get(url)).raise_for_status()

        await again_async(get)


async def with_async_httpx2(url: str) -> None:
    """The same with its fork."""
    await with_async_httpx(url, "httpx2")


async def with_aiohttp(url: str) -> None:
    """The same with aiohttp."""
    async with import_module("aiohttp").ClientSession() as session:

        async def get() -> None:
            async with session.get(url) as response:
                response.raise_for_status()

        await again_async(get)


def again(work: Callable[[], object]) -> None:
    """Do it three times at most."""
    tenacity.Retrying(stop=tenacity.stop_after_attempt(3))(work)


async def again_async(work: Callable[[], Awaitable[None]]) -> None:
    """Do it three times at most."""
    await tenacity.AsyncRetrying(stop=tenacity.stop_after_attempt(3))(work)


CLIENTS = {
    "httpx": ("httpx.HTTPXClientInstrumentor", with_httpx),
    "httpx, async": ("httpx.HTTPXClientInstrumentor", with_async_httpx),
    "httpx2": ("httpx.HTTPX2ClientInstrumentor", with_httpx2),
    "httpx2, async": ("httpx.HTTPX2ClientInstrumentor", with_async_httpx2),
    "requests": ("requests.RequestsInstrumentor", with_requests),
    "aiohttp": ("aiohttp_client.AioHttpClientInstrumentor", with_aiohttp),
}


@pytest.fixture(params=list(CLIENTS))
def fetch(request: pytest.FixtureRequest, instrument: Any) -> Iterator[Fetch]:
    """Get a URL with each client, instrumented by OpenTelemetry."""
    pytest.importorskip(request.param.partition(",")[0])
    path, work = CLIENTS[request.param]
    module, _, name = path.rpartition(".")
    instrumentor = getattr(pytest.importorskip(f"opentelemetry.instrumentation.{module}"), name)()
    instrumentor.instrument()
    instrument(TenacityInstrumentor)

    def run(url: str) -> None:
        done = work(url)
        if done is not None:
            asyncio.run(done)

    yield run
    instrumentor.uninstrument()


def test_what_a_retry_sends_again_is_counted(telemetry: Telemetry, server: Any, fetch: Fetch) -> None:
    """Nothing on the first request, 1 and 2 on those that were sent again, each inside its attempt."""
    server.script = [(503, {}), (503, {})]
    fetch(server.url)
    sent = [span for span in telemetry.spans if span.kind == "CLIENT"]
    assert [span.attributes.get("http.request.resend_count") for span in sent] == [None, 1, 2]
    assert [span.parent for span in sent] == ["attempt"] * 3
