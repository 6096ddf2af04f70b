"""httpx-retries, the real one: what was sent how often, against a server that keeps account; what it never sends again."""

from __future__ import annotations

import asyncio
import inspect
from importlib.metadata import version
from typing import Any

import pytest
from opentelemetry import trace

from scripted import cancel
from spanguard.instrumentation._misuse import misuses
from spanguard.instrumentation.httpx_retries import HttpxRetriesInstrumentor
from support import Span, Telemetry

httpx = pytest.importorskip("httpx")
httpx_retries = pytest.importorskip("httpx_retries")
pytestmark = pytest.mark.foreign


@pytest.fixture(autouse=True)
def _instrumented(instrument: Any) -> None:
    instrument(HttpxRetriesInstrumentor)


class Client:
    """Asks the server once, as far as the program knows, in one of the two ways."""

    def __init__(self, url: str, kind: str) -> None:
        self._url = url
        self._kind = kind

    def ask(self, method: str = "GET", **options: Any) -> int:
        """Ask, with a policy of three attempts, and return the status."""
        retry = httpx_retries.Retry(**{"total": 2, **options})
        return self._sync(method, retry) if self._kind == "sync" else asyncio.run(self._async(method, retry))

    def _sync(self, method: str, retry: Any) -> int:
        transport = httpx_retries.RetryTransport(transport=httpx.HTTPTransport(), retry=retry)
        with httpx.Client(transport=transport) as client:
            return int(client.request(method, self._url).status_code)

    async def _async(self, method: str, retry: Any) -> int:
        transport = httpx_retries.RetryTransport(transport=httpx.AsyncHTTPTransport(), retry=retry)
        async with httpx.AsyncClient(transport=transport) as client:
            status = int((await client.request(method, self._url)).status_code)
        assert trace.get_current_span() is trace.INVALID_SPAN
        return status


@pytest.fixture(params=["sync", "async"])
def client(request: pytest.FixtureRequest, server: Any) -> Client:
    """A client of the server."""
    return Client(server.url, request.param)


def operation(telemetry: Telemetry) -> Span:
    """Return the one operation."""
    (found,) = [span for span in telemetry.spans if span.name.startswith("retry ")]
    return found


def test_a_request_that_recovers(telemetry: Telemetry, client: Client, server: Any) -> None:
    """One operation, named for the function that asks; an attempt for each time that it was sent."""
    server.script = [(503, {}), (502, {})]
    assert client.ask() == 200
    whole, *attempts = telemetry.spans
    assert whole["resilience.operation.outcome"] == "recovered"
    assert (
        whole["resilience.operation.attempt_count"] == len(server.asked) == whole["resilience.operation.attempt_limit"] == 3
    )
    assert whole["resilience.policy.name"].endswith(("._sync", "._async"))
    assert whole["resilience.library.name"] == "httpx-retries"
    assert [each.attributes.get("error.type") for each in attempts] == ["503", "502", None]


def test_a_request_that_is_given_up(telemetry: Telemetry, client: Client, server: Any) -> None:
    """It is exhausted; the program gets the last answer."""
    server.script = [(503, {})] * 3
    assert client.ask() == 503
    assert operation(telemetry)["resilience.operation.outcome"] == "exhausted"


def test_a_status_that_is_no_reason_to_retry(telemetry: Telemetry, client: Client, server: Any) -> None:
    """Is an answer like any other."""
    server.script = [(404, {})]
    assert client.ask() == 404
    assert operation(telemetry)["resilience.operation.outcome"] == "success"


@pytest.mark.parametrize(("headers", "source"), [({}, "backoff"), ({"Retry-After": "1"}, "retry_after")])
def test_waits_are_told(telemetry: Telemetry, client: Client, server: Any, headers: dict[str, str], source: str) -> None:
    """With who chose them."""
    server.script = [(503, headers)]
    client.ask(backoff_factor=0.001, backoff_jitter=0)
    ((by, value),) = telemetry.metrics()["resilience.retry.delay"]
    assert by["resilience.retry.delay.source"] == source
    assert value == ((1, 0.002) if source == "backoff" else (1, 1.0))


def test_an_error_of_the_connection_is_an_attempt(telemetry: Telemetry, client: Client, server: Any) -> None:
    """And leaves the operation when there is none left."""
    server.close()
    with pytest.raises(httpx.ConnectError):
        client.ask()
    assert operation(telemetry)["resilience.operation.outcome"] == "exhausted"
    assert operation(telemetry)["resilience.operation.attempt_count"] == 3
    assert {span["error.type"] for span in telemetry.spans} == {"httpx.ConnectError"}


def test_post_is_not_retried_and_that_is_told(telemetry: Telemetry, client: Client, server: Any) -> None:
    """Not of an answer that would not have been retried anyway."""
    server.script = [(404, {}), (503, {}), (503, {}), (503, {})]
    assert client.ask("POST") == 404
    assert misuses() == ()
    assert client.ask("POST") == 503
    assert [(each.kind, each.library) for each in misuses()] == [("retry_excludes_method", "httpx-retries")]
    assert client.ask("POST", allowed_methods=["POST"]) == 200
    assert len(misuses()) == 1
    assert operation(telemetry)["resilience.operation.attempt_count"] == 3


def test_an_answer_that_is_refused_is_invalid(telemetry: Telemetry, client: Client, server: Any) -> None:
    """By the program's own validator, which newer versions ask."""
    if "validate_response" not in inspect.signature(httpx_retries.Retry).parameters:
        pytest.skip("this version has none")
    seen = []

    def _validate(response: Any) -> None:
        seen.append(response.status_code)
        if len(seen) == 1:
            raise httpx.NetworkError("x")

    assert client.ask(validate_response=_validate) == 200
    outcomes = [span["resilience.attempt.outcome"] for span in telemetry.spans if span.name == "attempt"]
    assert outcomes == ["invalid", "success"]


def test_a_request_that_is_cancelled(telemetry: Telemetry, server: Any) -> None:
    """Ends the operation as cancelled; where a task runs the client alone, its name is the library's."""
    server.script = [(503, {"Retry-After": "60"})]

    async def main() -> None:
        async with httpx.AsyncClient(transport=httpx_retries.RetryTransport()) as client:
            await cancel(client.get(server.url), lambda: bool(server.asked))

    asyncio.run(main())
    assert operation(telemetry)["resilience.operation.outcome"] == "cancelled"
    assert operation(telemetry)["resilience.policy.name"] == "httpx-retries"


def test_uninstrument_restores_everything() -> None:
    """Every function is again what it was."""
    HttpxRetriesInstrumentor().uninstrument()
    transport = httpx_retries.transport
    new = tuple(map(int, version("httpx-retries").split(".")[:2])) >= (0, 6)
    owner = transport if new else transport.RetryTransport
    for found in (vars(owner)["_retry_operation"], vars(owner)["_retry_operation_async"]):
        assert inspect.isfunction(found)
    for name in ("handle_request", "handle_async_request"):
        assert inspect.isfunction(vars(transport.RetryTransport)[name])
