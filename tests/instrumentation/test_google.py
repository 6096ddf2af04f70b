"""google-genai, the real SDK against a server that fails by a script: its retries, which run on tenacity."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import wire

from scripted import Fault, ScriptedProvider, cancel
from spanguard import traced_llm_call, traced_repair
from spanguard.instrumentation._misuse import Misuse, misuses
from spanguard.instrumentation.tenacity import TenacityInstrumentor
from support import Span, Telemetry

genai = pytest.importorskip("google.genai")
pytestmark = [pytest.mark.foreign, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

ANSWERS = wire.GOOGLE, wire.GOOGLE_EVENTS
ASKED: Any = {"model": "gemini-2.5-pro", "contents": "the secret"}
RETRIES = {"attempts": 3, "initial_delay": 0.02, "max_delay": 0.02}
BUSY, DOWN = Fault(429), Fault(503)


class Client:
    """The SDK's client, used in one of four ways."""

    def __init__(self, kind: str, provider: ScriptedProvider) -> None:
        self.is_async, self.streams = kind.startswith("async"), kind.endswith("stream")
        self._provider = provider

    def ask(self, retries: dict[str, Any] | None = RETRIES, **options: Any) -> Any:
        """Generate content."""
        given = {"base_url": self._provider.url, **({"retry_options": retries} if retries else {}), **options}
        made = genai.Client(api_key="x", http_options=given)
        return asyncio.run(self._aask(made)) if self.is_async else self._ask(made)

    def _ask(self, made: Any) -> Any:
        try:
            if self.streams:
                return list(made.models.generate_content_stream(**ASKED))
            return made.models.generate_content(**ASKED)
        finally:
            if hasattr(made, "close"):
                made.close()

    async def _aask(self, made: Any) -> Any:
        try:
            if self.streams:
                return [chunk async for chunk in await made.aio.models.generate_content_stream(**ASKED)]
            return await made.aio.models.generate_content(**ASKED)
        finally:
            if hasattr(made.aio, "aclose"):
                await made.aio.aclose()


@pytest.fixture(params=["sync", "async", "sync stream", "async stream"])
def client(request: pytest.FixtureRequest, provider: ScriptedProvider) -> Client:
    """All four ways."""
    return Client(str(request.param), provider)


@pytest.fixture(autouse=True)
def _instrumented(instrument: Any) -> None:
    instrument(TenacityInstrumentor)


def retry(telemetry: Telemetry) -> Span:
    """Return the one operation."""
    return telemetry.span("retry google-genai")


def attempts(telemetry: Telemetry) -> list[Span]:
    """Return its attempts."""
    return [span for span in telemetry.spans if span.name == "attempt"]


def test_each_attempt_and_each_wait_is_told(telemetry: Telemetry, client: Client, provider: ScriptedProvider) -> None:
    """As google-genai's, for that is the name that its users know; whole and streamed."""
    provider.script = [BUSY, DOWN]
    client.ask()
    assert provider.statuses == [429, 503, 200]
    span = retry(telemetry)
    assert (span["resilience.library.name"], span["resilience.operation.outcome"]) == ("google-genai", "recovered")
    assert (span["resilience.operation.attempt_count"], span["resilience.operation.attempt_limit"]) == (3, 3)
    assert [each.attributes.get("resilience.error.category") for each in attempts(telemetry)] == [
        "rate_limited",
        "overloaded",
        None,
    ]
    waits = [each["resilience.retry.delay"] for name, each in span.events if name == "resilience.retry.scheduled"]
    assert waits == [0.02, 0.02]
    assert "secret" not in repr(telemetry.spans) + repr(telemetry.logs)


def test_retries_in_vain_are_exhausted(telemetry: Telemetry, client: Client, provider: ScriptedProvider) -> None:
    """The SDK's error passes."""
    provider.script = [DOWN] * 3
    with pytest.raises(genai.errors.ServerError):
        client.ask()
    assert retry(telemetry)["resilience.operation.outcome"] == "exhausted"
    assert provider.statuses == [503] * 3


def test_an_error_that_is_not_retried_is_a_failure(telemetry: Telemetry, client: Client, provider: ScriptedProvider) -> None:
    """One attempt, and nothing was wrong with the policy."""
    provider.script = [Fault(400)]
    with pytest.raises(genai.errors.ClientError):
        client.ask()
    assert retry(telemetry)["resilience.operation.outcome"] == "failed"
    assert retry(telemetry)["resilience.operation.attempt_count"] == 1
    assert misuses() == ()


def test_by_default_nothing_is_retried_and_that_is_told(
    telemetry: Telemetry, client: Client, provider: ScriptedProvider
) -> None:
    """Of an error that another attempt might have mended; without one nothing is said."""
    client.ask(retries=None)
    assert misuses() == ()
    provider.script = [DOWN]
    with pytest.raises(genai.errors.ServerError):
        client.ask(retries=None)
    assert provider.statuses == [200, 503]
    assert misuses() == (Misuse("retry_not_configured", "retry", "google-genai", "google-genai"),)
    assert [each[0] for each in telemetry.logs] == ["resilience.misuse.detected"]


def test_an_error_that_no_retry_would_mend_is_not_told(telemetry: Telemetry, provider: ScriptedProvider) -> None:
    """A client that is closed stays closed, however often one asks."""
    closed = genai.Client(api_key="x", http_options={"base_url": provider.url})
    if not hasattr(closed, "close"):
        pytest.skip("this version's clients cannot be closed")
    closed.close()
    with pytest.raises(RuntimeError):
        closed.models.generate_content(model="gemini-2.5-flash", contents="x")
    assert misuses() == ()


def test_a_call_cancelled_between_attempts_is_cancelled(telemetry: Telemetry, provider: ScriptedProvider) -> None:
    """While tenacity sleeps."""
    provider.script = [DOWN]
    made = genai.Client(
        api_key="x",
        http_options={"base_url": provider.url, "retry_options": {**RETRIES, "initial_delay": 60, "max_delay": 60}},
    )

    async def main() -> None:
        await cancel(made.aio.models.generate_content(**ASKED), lambda: "resilience.retry.delay" in telemetry.metrics())
        if hasattr(made.aio, "aclose"):
            await made.aio.aclose()

    asyncio.run(main())
    assert retry(telemetry)["resilience.operation.outcome"] == "cancelled"


def test_a_call_of_the_program_serves_the_retrys_operation(
    telemetry: Telemetry, client: Client, provider: ScriptedProvider
) -> None:
    """`traced_llm_call` makes the span of the call; the retries stand below it, and what it used is counted once."""
    provider.script = [BUSY]
    with traced_repair("letter"):
        traced_llm_call(client.ask)()
    assert retry(telemetry).parent.startswith("chat")
    assert telemetry.span("repair letter")["resilience.operation.outcome"] == "success"


@pytest.fixture
def _official(telemetry: Telemetry) -> Iterator[None]:
    module = pytest.importorskip("opentelemetry.instrumentation.google_genai")
    made = module.GoogleGenAiSdkInstrumentor()
    made.instrument(skip_dep_check=True)  # as opentelemetry-instrument does
    yield
    made.uninstrument()


@pytest.mark.usefixtures("_official")
def test_under_the_official_span_there_is_no_second_one(
    telemetry: Telemetry, client: Client, provider: ScriptedProvider
) -> None:
    """One span of the call, whose retries are inside."""
    provider.script = [BUSY]
    client.ask()
    (call,) = [span for span in telemetry.spans if "gen_ai.operation.name" in span.attributes]
    assert call.scope != "spanguard.genai"
    assert (retry(telemetry).parent, retry(telemetry)["resilience.operation.attempt_count"]) == (call.name, 2)


def test_uninstrument_restores_everything(telemetry: Telemetry, client: Client, provider: ScriptedProvider) -> None:
    """The same requests, and not a word."""
    TenacityInstrumentor().uninstrument()
    provider.script = [BUSY]
    client.ask()
    assert provider.statuses == [429, 200]
    assert telemetry.spans == []
