"""anthropic, the real SDK against a server that fails by a script: its retries, under the span that it makes itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import wire
from opentelemetry import trace

from scripted import MILLISECONDS, Fault, ScriptedProvider
from spanguard import traced_llm_call, traced_repair
from spanguard.instrumentation.anthropic import AnthropicInstrumentor
from support import Span, Telemetry

anthropic = pytest.importorskip("anthropic")
pytestmark = pytest.mark.foreign

ASKED: Any = {"model": "claude-opus-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "the secret"}]}
NATIVE = "anthropic.messages.create"


@pytest.fixture(autouse=True)
def _instrumented(instrument: Any) -> None:
    instrument(AnthropicInstrumentor)


@pytest.fixture
def provider() -> Iterator[ScriptedProvider]:
    """A provider on this machine."""
    running = ScriptedProvider(wire.ANTHROPIC, wire.ANTHROPIC_EVENTS)
    yield running
    running.close()


class Sdk:
    """The client of one kind, driven in the same way whichever it is."""

    def __init__(self, kind: str, provider: ScriptedProvider) -> None:
        self.is_async = kind == "async"
        self._made = anthropic.AsyncAnthropic if self.is_async else anthropic.Anthropic
        self._provider = provider

    def run(self, use: Callable[[Any], Any], **options: Any) -> Any:
        """Hand a client to a function, and return what comes of it: of a stream the list of its events."""
        given = {"base_url": self._provider.url, "api_key": "x", **options}
        if self.is_async:
            return asyncio.run(self._run(use, given))
        with self._made(**given) as client:
            result = use(client)
            return list(result) if hasattr(result, "__next__") else result

    async def _run(self, use: Callable[[Any], Any], given: dict[str, Any]) -> Any:
        async with self._made(**given) as client:
            result = await use(client)
            return [event async for event in result] if hasattr(result, "__anext__") else result


@pytest.fixture(params=["sync", "async"])
def sdk(request: pytest.FixtureRequest, provider: ScriptedProvider) -> Sdk:
    """Both kinds of client."""
    return Sdk(str(request.param), provider)


def message(client: Any) -> Any:
    """Ask for a message."""
    return client.messages.create(**ASKED)


def stream(client: Any) -> Any:
    """Ask for a message in events."""
    return client.messages.create(**ASKED, stream=True)


def ours(telemetry: Telemetry) -> list[Span]:
    """Return all spans but the SDK's own, and those of HTTP."""
    return [span for span in telemetry.spans if span.name not in (NATIVE, "POST")]


@pytest.mark.parametrize("ask", [message, stream])
def test_the_sdks_span_stays_the_only_one_of_the_call(telemetry: Telemetry, sdk: Sdk, ask: Any) -> None:
    """What the call used is counted for the operation around it."""
    with traced_repair("letter"):
        sdk.run(ask)
    (repair,) = ours(telemetry)
    assert (repair["resilience.usage.useful.input_tokens"], repair["resilience.usage.useful.output_tokens"]) == (20, 6)
    assert telemetry.span(NATIVE)["gen_ai.operation.name"] == "chat"
    assert "gen_ai.client.token.usage" not in telemetry.metrics()


@pytest.mark.parametrize("ask", [message, stream])
def test_retries_stand_under_the_sdks_span(telemetry: Telemetry, sdk: Sdk, provider: ScriptedProvider, ask: Any) -> None:
    """Each attempt with its status, each wait with who chose it."""
    provider.script = [Fault(429), Fault(529)]
    sdk.run(ask)
    assert provider.statuses == [429, 529, 200]
    retry = telemetry.span("retry messages")
    assert (retry.parent, retry.status, retry["resilience.operation.outcome"]) == (NATIVE, "UNSET", "recovered")
    attempts = [span for span in telemetry.spans if span.name == "attempt"]
    assert [span.attributes.get("error.type") for span in attempts] == ["429", "529", None]
    assert attempts[1]["resilience.error.category"] == "overloaded"
    waits = [attributes for name, attributes in retry.events if name == "resilience.retry.scheduled"]
    assert [each["resilience.retry.delay"] for each in waits] == [MILLISECONDS / 1000] * 2
    assert {each["resilience.retry.delay.source"] for each in waits} == {"retry_after"}


@pytest.mark.parametrize("ask", [message, stream])
def test_without_its_span_the_call_has_ours(
    telemetry: Telemetry, sdk: Sdk, monkeypatch: pytest.MonkeyPatch, ask: Any
) -> None:
    """Input includes what came from the cache, as in the conventions."""
    monkeypatch.setenv("ANTHROPIC_OPEN_TELEMETRY", "false")
    sdk.run(ask)
    (span,) = ours(telemetry)
    assert span.name == "chat claude-opus-4-5"
    assert span["gen_ai.provider.name"] == "anthropic"
    assert (span["gen_ai.usage.input_tokens"], span["gen_ai.usage.output_tokens"]) == (20, 6)
    assert "secret" not in repr(span)


def test_a_call_that_is_not_sampled_is_not_doubled(telemetry: Telemetry, sdk: Sdk) -> None:
    """The SDK's span does not record then, and ours is not made in its place."""
    dropped = trace.SpanContext(1, 2, is_remote=False)
    with trace.use_span(trace.NonRecordingSpan(dropped)):
        sdk.run(message)
    assert ours(telemetry) == []


def test_retries_in_vain_are_exhausted(telemetry: Telemetry, sdk: Sdk, provider: ScriptedProvider) -> None:
    """The SDK's error passes."""
    provider.script = [Fault(500)] * 3
    with pytest.raises(anthropic.InternalServerError):
        sdk.run(message)
    retry = telemetry.span("retry messages")
    assert (retry.status, retry["resilience.operation.outcome"]) == ("ERROR", "exhausted")
    assert retry["resilience.operation.attempt_count"] == len(provider.ledger) == 3


def test_an_error_that_is_not_retried_is_a_failure(telemetry: Telemetry, sdk: Sdk, provider: ScriptedProvider) -> None:
    """One attempt, whose status says why."""
    provider.script = [Fault(401)]
    with pytest.raises(anthropic.AuthenticationError):
        sdk.run(message)
    assert telemetry.span("retry messages")["resilience.operation.outcome"] == "failed"
    assert telemetry.span("attempt")["resilience.error.category"] == "authentication"


def test_a_timeout_is_an_error_of_the_attempt(telemetry: Telemetry, sdk: Sdk, provider: ScriptedProvider) -> None:
    """The wait after it is the SDK's own."""
    provider.hangs = True
    with pytest.raises(anthropic.APITimeoutError):
        sdk.run(message, timeout=0.1, max_retries=1)
    first, second = [span for span in telemetry.spans if span.name == "attempt"]
    assert first["resilience.error.category"] == second["resilience.error.category"] == "timeout"
    event = telemetry.span("retry messages").event("resilience.retry.scheduled")
    assert event["resilience.retry.delay.source"] == "backoff"


def test_a_call_cancelled_between_attempts_is_cancelled(telemetry: Telemetry, provider: ScriptedProvider) -> None:
    """While the SDK sleeps."""
    provider.script = [Fault(529, {"retry-after": "60"})]

    async def main() -> None:
        async with anthropic.AsyncAnthropic(base_url=provider.url, api_key="x") as client:
            with pytest.raises(TimeoutError if hasattr(asyncio, "timeout") else asyncio.TimeoutError):
                await asyncio.wait_for(message(client), 0.3)

    asyncio.run(main())
    retry = telemetry.span("retry messages")
    assert (retry["resilience.operation.outcome"], retry["resilience.operation.attempt_count"]) == ("cancelled", 1)


@pytest.mark.parametrize("streams", [False, True])
def test_raw_responses_are_read(telemetry: Telemetry, sdk: Sdk, streams: bool) -> None:
    """`with_raw_response`, whose stream is followed once the program asks for it."""

    def ask(client: Any) -> Any:
        return client.messages.with_raw_response.create(**ASKED, stream=streams).parse()

    async def aask(client: Any) -> Any:
        return await (await client.messages.with_raw_response.create(**ASKED, stream=streams)).parse()

    with traced_repair("letter"):
        sdk.run(aask if sdk.is_async else ask)
    assert telemetry.span("repair letter")["resilience.usage.useful.output_tokens"] == 6


def test_middleware_of_the_program_sees_what_it_saw(telemetry: Telemetry, provider: ScriptedProvider) -> None:
    """It runs once for each attempt, inside it."""
    provider.script = [Fault(429)]
    seen: list[Any] = []

    def middleware(request: Any, call_next: Any) -> Any:
        seen.append(request.retries_taken)
        return call_next(request)

    with anthropic.Anthropic(base_url=provider.url, api_key="x", middleware=[middleware]) as client:
        message(client)
    assert seen == [0, 1]
    assert telemetry.span("retry messages")["resilience.operation.attempt_count"] == 2


def test_the_helper_for_streams_is_one_call(telemetry: Telemetry, provider: ScriptedProvider) -> None:
    """`messages.stream`, in which the SDK adds the events up."""
    with (
        anthropic.Anthropic(base_url=provider.url, api_key="x") as client,
        traced_repair("letter"),
        client.messages.stream(**ASKED) as events,
    ):
        events.until_done()
    assert telemetry.span("repair letter")["resilience.usage.useful.output_tokens"] == 6


def test_a_call_of_the_program_has_the_usage(telemetry: Telemetry, provider: ScriptedProvider) -> None:
    """Within `traced_llm_call`, also where the function returns something else."""
    with anthropic.Anthropic(base_url=provider.url, api_key="x") as client, traced_llm_call(model="claude-opus-4-5"):
        assert message(client).content[0].text == "the secret"
    assert telemetry.span("chat claude-opus-4-5")["gen_ai.usage.input_tokens"] == 20


def test_uninstrument_restores_everything(telemetry: Telemetry, sdk: Sdk) -> None:
    """Each method is what it was."""
    instrumentor, base = AnthropicInstrumentor(), anthropic._base_client
    classes = (base.SyncAPIClient, base.AsyncAPIClient, base.BaseClient, anthropic.APIResponse, anthropic.AsyncAPIResponse)
    instrumentor.uninstrument()
    before = [dict(vars(cls)) for cls in classes]
    instrumentor.instrument()
    assert vars(base.SyncAPIClient)["_request"] is not before[0]["_request"]
    instrumentor.uninstrument()
    assert [dict(vars(cls)) for cls in classes] == before
    sdk.run(message)
    assert ours(telemetry) == []
