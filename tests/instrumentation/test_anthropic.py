"""anthropic, the real SDK against a server that fails by a script: its retries, under the span that it makes itself."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from email.utils import formatdate
from typing import Any

import pytest
import wire
from opentelemetry import trace

from scripted import MILLISECONDS, Fault, ScriptedProvider, Sdk, cancel
from spanguard import traced_llm_call, traced_repair
from spanguard.instrumentation.anthropic import AnthropicInstrumentor
from support import Span, Telemetry

anthropic = pytest.importorskip("anthropic")
pytestmark = pytest.mark.foreign

ANSWERS = wire.ANTHROPIC, wire.ANTHROPIC_EVENTS

ASKED: Any = {"model": "claude-opus-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "the secret"}]}
NATIVE = "anthropic.messages.create"


@pytest.fixture(autouse=True)
def _instrumented(instrument: Any) -> None:
    instrument(AnthropicInstrumentor)


@pytest.fixture(params=["sync", "async"])
def sdk(request: pytest.FixtureRequest, provider: ScriptedProvider) -> Sdk:
    """Both kinds of client."""
    return Sdk(str(request.param), anthropic.Anthropic, anthropic.AsyncAnthropic, base_url=provider.url, api_key="x")


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


@pytest.mark.parametrize("native", ["true", "false"])
@pytest.mark.parametrize("ask", [message, stream])
def test_the_call_has_the_metrics_that_the_sdk_does_not_make(
    telemetry: Telemetry, sdk: Sdk, monkeypatch: pytest.MonkeyPatch, ask: Any, native: str
) -> None:
    """Whoever makes its span."""
    monkeypatch.setenv("ANTHROPIC_OPEN_TELEMETRY", native)
    sdk.run(ask)
    metrics = telemetry.metrics()
    ((labels, _),) = metrics["gen_ai.client.operation.duration"]
    assert (labels["gen_ai.provider.name"], labels["gen_ai.request.model"]) == ("anthropic", ASKED["model"])
    used = {by["gen_ai.token.type"]: total for by, total in metrics["gen_ai.client.token.usage"]}
    assert used == {"input": (1, 20), "output": (1, 6)}


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
            await cancel(message(client), lambda: "resilience.retry.delay" in telemetry.metrics())

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


def test_a_streaming_response_is_read_when_it_is_parsed(telemetry: Telemetry, sdk: Sdk) -> None:
    """`with_streaming_response`, whose body is not there yet when the call returns."""

    def ask(client: Any) -> Any:
        with client.messages.with_streaming_response.create(**ASKED) as response:
            return response.parse()

    async def aask(client: Any) -> Any:
        async with client.messages.with_streaming_response.create(**ASKED) as response:
            return await response.parse()

    with traced_repair("letter"):
        assert sdk.run(aask if sdk.is_async else ask).content[0].text == "the secret"
    assert telemetry.span("repair letter")["resilience.usage.useful.output_tokens"] == 6


@pytest.mark.parametrize("leave", ["break", "close"])
def test_a_stream_that_is_left_is_cancelled(
    telemetry: Telemetry, sdk: Sdk, monkeypatch: pytest.MonkeyPatch, leave: str
) -> None:
    """By `close()` or by letting it go: not an error."""
    monkeypatch.setenv("ANTHROPIC_OPEN_TELEMETRY", "false")

    def ask(client: Any) -> None:
        answer = stream(client)
        next(answer)
        if leave == "close":
            answer.close()

    async def aask(client: Any) -> None:
        answer = await stream(client)
        await anext(answer)
        if leave == "close":
            await answer.close()

    sdk.run(aask if sdk.is_async else ask)
    gc.collect()
    (span,) = ours(telemetry)
    assert (span.status, span["resilience.operation.outcome"]) == ("UNSET", "cancelled")
    assert span["resilience.stream.closed_early"] is True


def test_a_stream_that_breaks_is_not_sent_for_again(
    telemetry: Telemetry, sdk: Sdk, provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call has failed, after the SDK's retries had succeeded."""
    monkeypatch.setenv("ANTHROPIC_OPEN_TELEMETRY", "false")
    provider.cut = 3
    with pytest.raises(Exception) as raised:
        sdk.run(stream)
    (span,) = ours(telemetry)
    assert raised.value is not None
    assert (span.status, provider.statuses) == ("ERROR", [200])


def test_a_stream_whose_reader_is_cancelled(
    telemetry: Telemetry, provider: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it waits for the next event."""
    monkeypatch.setenv("ANTHROPIC_OPEN_TELEMETRY", "false")
    provider.stalls = 4
    events: list[Any] = []

    async def read() -> None:
        async with anthropic.AsyncAnthropic(base_url=provider.url, api_key="x") as client:
            async for event in await stream(client):
                events.append(event)  # noqa: PERF401 - seen from outside

    asyncio.run(cancel(read(), lambda: events))
    (span,) = ours(telemetry)
    assert (span.status, span["resilience.operation.outcome"]) == ("UNSET", "cancelled")


def test_a_cancelled_call_is_cancelled(telemetry: Telemetry, provider: ScriptedProvider) -> None:
    """While it waits for the answer."""
    provider.hangs = True

    async def main() -> None:
        async with anthropic.AsyncAnthropic(base_url=provider.url, api_key="x") as client:
            await cancel(message(client), provider.asked.is_set)

    asyncio.run(main())
    counted = [by["resilience.operation.outcome"] for by, _ in telemetry.metrics()["resilience.operation.attempts"]]
    assert counted == ["cancelled"]


@pytest.mark.parametrize(
    "asked", [{"retry-after-ms": "30"}, {"retry-after": "0.03"}, {"retry-after": "date"}, {"retry-after": "soon"}]
)
def test_who_chose_the_wait_is_told(telemetry: Telemetry, sdk: Sdk, provider: ScriptedProvider, asked: Any) -> None:
    """The server in milliseconds, in seconds or by a date; what the SDK cannot read leaves it its own backoff."""
    ((header, value),) = asked.items()
    provider.script = [Fault(529, {header: formatdate(time.time() + 2, usegmt=True) if value == "date" else value})]
    sdk.run(message)
    event = telemetry.span("retry messages").event("resilience.retry.scheduled")
    assert event["resilience.retry.delay.source"] == ("backoff" if value == "soon" else "retry_after")
    delay = float(str(event["resilience.retry.delay"]))
    assert delay == 0.03 if value in ("30", "0.03") else 0 < delay <= 2


def test_the_limit_may_be_given_with_the_call(telemetry: Telemetry, sdk: Sdk, provider: ScriptedProvider) -> None:
    """`with_options(max_retries=...)`, for more and for none."""
    provider.script = [Fault(529)] * 4
    sdk.run(lambda client: client.with_options(max_retries=4).messages.create(**ASKED))
    retry = telemetry.span("retry messages")
    assert (retry["resilience.operation.attempt_count"], retry["resilience.operation.attempt_limit"]) == (5, 5)
    telemetry.clear()
    sdk.run(lambda client: client.with_options(max_retries=0).messages.create(**ASKED))
    assert "resilience.operation.attempts" not in telemetry.metrics()


def test_a_server_that_is_not_there_is_an_error_of_the_connection(telemetry: Telemetry, sdk: Sdk) -> None:
    """Nobody listens, each time that it is tried."""
    with pytest.raises(anthropic.APIConnectionError):
        sdk.run(message, base_url="http://127.0.0.1:9", max_retries=1)
    attempts = [span for span in telemetry.spans if span.name == "attempt"]
    assert [span["resilience.error.category"] for span in attempts] == ["connection"] * 2
    assert telemetry.span("retry messages")["resilience.operation.outcome"] == "exhausted"


@pytest.fixture(params=["after", "before"])
def _official(request: pytest.FixtureRequest, telemetry: Telemetry) -> Iterator[None]:
    module = pytest.importorskip("opentelemetry.instrumentation.genai.anthropic")
    made = module.AnthropicInstrumentor()
    if request.param == "before":
        AnthropicInstrumentor().uninstrument()
    made.instrument()
    if request.param == "before":
        AnthropicInstrumentor().instrument()
    yield
    made.uninstrument()


@pytest.fixture(params=["true", "false"])
def _native(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_OPEN_TELEMETRY", str(request.param))


@pytest.mark.usefixtures("_official", "_native")
@pytest.mark.parametrize("ask", [message, stream])
def test_with_the_official_instrumentation_there_is_no_span_of_ours(
    telemetry: Telemetry, sdk: Sdk, provider: ScriptedProvider, ask: Any
) -> None:
    """Whether the SDK makes one or not; usage flows to the operation around it, and retries stand below the call."""
    provider.script = [Fault(529)]
    with traced_repair("letter"):
        sdk.run(ask)
    spans = telemetry.spans
    assert [span for span in spans if span.scope == "spanguard.genai"] == []
    made = [span for span in spans if span.attributes.get("gen_ai.operation.name") == "chat"]
    assert len([span for span in made if span.name != NATIVE]) == 1
    assert telemetry.span("repair letter")["resilience.usage.useful.input_tokens"] == 20
    assert telemetry.span("retry messages").parent in {span.name for span in made}
    assert len(telemetry.metrics()["gen_ai.client.operation.duration"]) == 1


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
