"""openai, the real SDK against a server that fails by a script: its calls, its retries, and who makes the span."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import gc
import importlib
import itertools
import json
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest
import wire
from opentelemetry.context import attach, detach, set_value
from opentelemetry.instrumentation.utils import suppress_instrumentation

from scripted import MILLISECONDS, Fault, ScriptedProvider, Sdk, cancel
from spanguard import current_call, current_operation, declare, traced_llm_call, traced_repair
from spanguard._core import http, operation
from spanguard._core.policies import Policy
from spanguard.instrumentation import _misuse, _stainless
from spanguard.instrumentation.openai import OpenAIInstrumentor
from spanguard.vocabulary import pseudonyms
from support import Clock, Span, Telemetry

openai = pytest.importorskip("openai")
pydantic = pytest.importorskip("pydantic")
pytestmark = pytest.mark.foreign

ANSWERS = wire.OPENAI, wire.OPENAI_EVENTS

CHAT: Any = {"model": "gpt-5.2", "messages": [{"role": "user", "content": "the secret"}], "temperature": 0.5}
STREAM: Any = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}
RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 0,
    "status": "completed",
    "model": "gpt-5.2",
    "output": [],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {
        "input_tokens": 20,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 6,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 26,
    },
}
EMBEDDINGS: dict[str, Any] = {
    "object": "list",
    "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
    "model": "text-embedding-3-small",
    "usage": {"prompt_tokens": 20, "total_tokens": 20},
}
IN_VAIN = ["retry chat.completions", "attempt", "attempt", "attempt"]


@pytest.fixture(autouse=True)
def _instrumented(instrument: Any) -> None:
    instrument(OpenAIInstrumentor)


@pytest.fixture(params=["sync", "async"])
def sdk(request: pytest.FixtureRequest, provider: ScriptedProvider) -> Sdk:
    """Both kinds of client."""
    return Sdk(str(request.param), openai.OpenAI, openai.AsyncOpenAI, base_url=f"{provider.url}/v1", api_key="x")


def chat(client: Any) -> Any:
    """Ask for a chat completion."""
    return client.chat.completions.create(**CHAT)


def stream(client: Any) -> Any:
    """Ask for a chat completion in chunks."""
    return client.chat.completions.create(**STREAM)


def ours(telemetry: Telemetry) -> list[Span]:
    """Return all spans but those of HTTP."""
    return [span for span in telemetry.spans if span.name != "POST"]


def statuses(telemetry: Telemetry) -> list[Any]:
    """Return the status of each HTTP request, in the order in which they were sent."""
    sent = [span for span in telemetry.spans if span.name == "POST"]
    return [span["http.response.status_code"] for span in sorted(sent, key=lambda span: span.attributes.get(RESENT, 0))]


RESENT = "http.request.resend_count"


@pytest.mark.parametrize("ask", [chat, stream])
def test_a_call_is_one_span_with_its_usage(telemetry: Telemetry, sdk: Sdk, ask: Any) -> None:
    """Whole or streamed; retries that were not needed leave no span."""
    sdk.run(ask)
    (span,) = ours(telemetry)
    assert (span.name, span.status) == ("chat gpt-5.2", "UNSET")
    assert (span["gen_ai.provider.name"], span["gen_ai.request.temperature"]) == ("openai", 0.5)
    assert (span["gen_ai.usage.input_tokens"], span["gen_ai.usage.output_tokens"]) == (20, 6)
    assert span["gen_ai.response.finish_reasons"] == ("stop",)
    assert "secret" not in repr(telemetry.spans)


def test_the_responses_api_is_a_chat(telemetry: Telemetry, sdk: Sdk, provider: ScriptedProvider) -> None:
    """Its usage has names of its own."""
    provider.body = RESPONSE
    sdk.run(lambda client: client.responses.create(model="gpt-5.2", input="the secret"))
    (span,) = ours(telemetry)
    assert span.name == "chat gpt-5.2"
    assert (span["gen_ai.usage.input_tokens"], span["gen_ai.usage.output_tokens"]) == (20, 6)


def test_the_responses_api_is_streamed(telemetry: Telemetry, sdk: Sdk, provider: ScriptedProvider) -> None:
    """Its last event has the whole response."""
    done = {"type": "response.completed", "sequence_number": 1, "response": RESPONSE}
    provider.events = [("response.completed", done)]
    sdk.run(lambda client: client.responses.create(model="gpt-5.2", input="the secret", stream=True))
    (span,) = ours(telemetry)
    assert (span["gen_ai.usage.input_tokens"], span["gen_ai.usage.output_tokens"]) == (20, 6)


def test_embeddings_have_a_span(telemetry: Telemetry, sdk: Sdk, provider: ScriptedProvider) -> None:
    """They have input alone."""
    provider.body = EMBEDDINGS
    sdk.run(lambda client: client.embeddings.create(model="text-embedding-3-small", input="x", encoding_format="float"))
    (span,) = ours(telemetry)
    assert (span.name, span["gen_ai.usage.input_tokens"]) == ("embeddings text-embedding-3-small", 20)
    assert "gen_ai.usage.output_tokens" not in span.attributes


@pytest.mark.parametrize("ask", [chat, stream])
def test_each_attempt_and_each_wait_is_told(telemetry: Telemetry, sdk: Sdk, provider: ScriptedProvider, ask: Any) -> None:
    """With its status, and who chose the wait; the call that ends well has no error."""
    provider.script = [Fault(429), Fault(500)]
    sdk.run(ask)
    assert provider.statuses == [429, 500, 200] == statuses(telemetry)
    call = telemetry.span("chat gpt-5.2")
    retry = telemetry.span("retry chat.completions")
    assert (call.status, retry.status, retry.parent) == ("UNSET", "UNSET", call.name)
    assert (retry["resilience.operation.outcome"], retry["resilience.operation.attempt_count"]) == ("recovered", 3)
    attempts = [span for span in telemetry.spans if span.name == "attempt"]
    assert [span.attributes.get("error.type") for span in attempts] == ["429", "500", None]
    waits = [attributes for name, attributes in retry.events if name == "resilience.retry.scheduled"]
    assert [each["resilience.retry.delay"] for each in waits] == [MILLISECONDS / 1000] * 2
    assert {each["resilience.retry.delay.source"] for each in waits} == {"retry_after"}


def test_what_is_sent_again_says_how_often(telemetry: Telemetry, sdk: Sdk, provider: ScriptedProvider) -> None:
    """As the conventions of HTTP have it."""
    provider.script = [Fault(503)]
    sdk.run(chat)
    assert sorted(span.attributes.get(RESENT, 0) for span in telemetry.spans if span.name == "POST") == [0, 1]


@pytest.mark.parametrize(
    "asked", [{"retry-after-ms": "30"}, {"retry-after": "0.03"}, {"retry-after": "date"}, {"retry-after": "soon"}]
)
def test_who_chose_the_wait_is_told(telemetry: Telemetry, sdk: Sdk, provider: ScriptedProvider, asked: Any) -> None:
    """The server in milliseconds, in seconds or by a date; what the SDK cannot read leaves it its own backoff."""
    ((header, value),) = asked.items()
    provider.script = [Fault(429, {header: formatdate(time.time() + 2, usegmt=True) if value == "date" else value})]
    sdk.run(chat)
    event = telemetry.span("retry chat.completions").event("resilience.retry.scheduled")
    assert event["resilience.retry.delay.source"] == ("backoff" if value == "soon" else "retry_after")
    delay = float(str(event["resilience.retry.delay"]))
    assert delay == 0.03 if value in ("30", "0.03") else 0 < delay <= 2


def test_the_limit_may_be_given_with_the_call(telemetry: Telemetry, sdk: Sdk, provider: ScriptedProvider) -> None:
    """`with_options(max_retries=...)`, for less and for more."""
    provider.script = [Fault(503)] * 4
    sdk.run(lambda client: client.with_options(max_retries=4).chat.completions.create(**CHAT))
    retry = telemetry.span("retry chat.completions")
    assert (retry["resilience.operation.attempt_count"], retry["resilience.operation.attempt_limit"]) == (5, 5)
    telemetry.clear()
    sdk.run(lambda client: client.with_options(max_retries=0).chat.completions.create(**CHAT))
    assert "resilience.operation.attempts" not in telemetry.metrics()


def test_a_backoff_is_the_sdks_own(telemetry: Telemetry, sdk: Sdk, provider: ScriptedProvider) -> None:
    """Where the server asks for nothing."""
    provider.script = [Fault(0)]
    sdk.run(chat)
    event = telemetry.span("retry chat.completions").event("resilience.retry.scheduled")
    assert event["resilience.retry.delay.source"] == "backoff"
    assert 0.3 < float(str(event["resilience.retry.delay"])) <= 0.5
    assert str(event["error.type"]).endswith("RemoteProtocolError")


def test_retries_in_vain_are_exhausted(telemetry: Telemetry, sdk: Sdk, provider: ScriptedProvider) -> None:
    """The SDK's error passes, and call and operation are told to have failed."""
    provider.script = [Fault(429)] * 3
    with pytest.raises(openai.RateLimitError):
        sdk.run(chat)
    call, retry = telemetry.span("chat gpt-5.2"), telemetry.span("retry chat.completions")
    assert (call.status, call["error.type"]) == ("ERROR", "openai.RateLimitError")
    assert (retry.status, retry["resilience.operation.outcome"]) == ("ERROR", "exhausted")
    assert sorted(span.name for span in ours(telemetry)) == sorted([*IN_VAIN, "chat gpt-5.2"])


def test_an_error_that_is_not_retried_is_a_failure(telemetry: Telemetry, sdk: Sdk, provider: ScriptedProvider) -> None:
    """One attempt, whose status says why."""
    provider.script = [Fault(400)]
    with pytest.raises(openai.BadRequestError):
        sdk.run(chat)
    retry = telemetry.span("retry chat.completions")
    assert (retry["resilience.operation.outcome"], retry["resilience.operation.attempt_count"]) == ("failed", 1)
    assert telemetry.span("attempt")["error.type"] == "400"


def test_a_timeout_is_an_error_of_the_attempt(telemetry: Telemetry, sdk: Sdk, provider: ScriptedProvider) -> None:
    """Told by its class."""
    provider.hangs = True
    with pytest.raises(openai.APITimeoutError):
        sdk.run(chat, timeout=0.1, max_retries=1)
    first, second = [span for span in telemetry.spans if span.name == "attempt"]
    assert first["resilience.error.category"] == second["resilience.error.category"] == "timeout"


def test_a_server_that_is_not_there_is_an_error_of_the_connection(telemetry: Telemetry, sdk: Sdk) -> None:
    """Nobody listens, each time that it is tried."""
    with pytest.raises(openai.APIConnectionError):
        sdk.run(chat, base_url="http://127.0.0.1:9", max_retries=1)
    attempts = [span for span in telemetry.spans if span.name == "attempt"]
    assert [span["resilience.error.category"] for span in attempts] == ["connection"] * 2
    assert telemetry.span("chat gpt-5.2")["resilience.error.category"] == "connection"
    assert telemetry.span("retry chat.completions")["resilience.operation.outcome"] == "exhausted"


def test_a_client_that_never_retries_has_no_policy(telemetry: Telemetry, sdk: Sdk, provider: ScriptedProvider) -> None:
    """With ``max_retries=0`` there is the call alone."""
    provider.script = [Fault(500)]
    with pytest.raises(openai.InternalServerError):
        sdk.run(chat, max_retries=0)
    assert [span.name for span in telemetry.spans] == ["chat gpt-5.2"]
    assert "resilience.operation.attempts" not in telemetry.metrics()


def test_a_limit_that_cannot_be_is_the_sdks_to_refuse(telemetry: Telemetry, sdk: Sdk) -> None:
    """With the error that it has for it."""
    with pytest.raises((TypeError, ValueError)):
        sdk.run(lambda client: client.with_options(max_retries="2").chat.completions.create(**CHAT))
    assert "resilience.operation.attempts" not in telemetry.metrics()


def test_a_stream_that_breaks_is_not_sent_for_again(telemetry: Telemetry, sdk: Sdk, provider: ScriptedProvider) -> None:
    """The call has failed; the SDK's retries had succeeded when the stream began."""
    provider.cut = 3
    with pytest.raises(Exception) as raised:
        sdk.run(stream)
    (span,) = ours(telemetry)
    assert (span.status, span["resilience.stream.chunks"]) == ("ERROR", 3)
    assert raised.value is not None
    assert provider.statuses == [200]


def test_a_stream_keeps_its_class(telemetry: Telemetry, provider: ScriptedProvider) -> None:
    """And what it gives."""
    with openai.OpenAI(base_url=f"{provider.url}/v1", api_key="x") as client:
        answer = stream(client)
        assert type(answer) is openai.Stream
        assert len(list(answer)) == len(wire.OPENAI_EVENTS) - 1
    assert telemetry.span("chat gpt-5.2")["resilience.stream.chunks"] == len(wire.OPENAI_EVENTS) - 1


@pytest.mark.parametrize("asked", [CHAT, STREAM])
def test_raw_responses_are_read(telemetry: Telemetry, sdk: Sdk, asked: Any) -> None:
    """`with_raw_response`, whose stream is followed once the program asks for it."""

    def ask(client: Any) -> Any:
        return client.chat.completions.with_raw_response.create(**asked)

    async def aask(client: Any) -> Any:
        return (await ask(client)).parse()

    sdk.run(aask if sdk.is_async else lambda client: ask(client).parse())
    (span,) = ours(telemetry)
    assert (span["gen_ai.usage.input_tokens"], span["gen_ai.usage.output_tokens"]) == (20, 6)


def test_a_raw_stream_that_nobody_reads_ends_the_call(telemetry: Telemetry, provider: ScriptedProvider) -> None:
    """When the response is let go."""
    with openai.OpenAI(base_url=f"{provider.url}/v1", api_key="x") as client:
        raw = client.chat.completions.with_raw_response.create(**STREAM)
        assert ours(telemetry) == []
        raw.http_response.close()
        del raw
        gc.collect()
    assert telemetry.span("chat gpt-5.2").status == "UNSET"


def test_helpers_of_the_sdk_make_one_span(telemetry: Telemetry, sdk: Sdk) -> None:
    """`chat.completions.stream` calls `create` inside."""

    def ask(client: Any) -> None:
        with client.chat.completions.stream(**CHAT, stream_options={"include_usage": True}) as events:
            events.until_done()

    async def aask(client: Any) -> None:
        async with client.chat.completions.stream(**CHAT, stream_options={"include_usage": True}) as events:
            await events.until_done()

    sdk.run(aask if sdk.is_async else ask)
    (span,) = ours(telemetry)
    assert span["gen_ai.usage.output_tokens"] == 6


def test_what_is_parsed_is_one_call(telemetry: Telemetry, sdk: Sdk, provider: ScriptedProvider) -> None:
    """`parse`, of chat completions and of responses."""

    class Answer(pydantic.BaseModel):  # type: ignore[misc]
        text: str

    text = json.dumps({"text": "the secret"})
    provider.body = copy.deepcopy(wire.OPENAI)
    provider.body["choices"][0]["message"]["content"] = text
    sdk.run(lambda client: client.chat.completions.parse(**CHAT, response_format=Answer))
    message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"}
    output = [{**message, "content": [{"type": "output_text", "text": text, "annotations": []}]}]
    provider.body = {**RESPONSE, "output": output}
    sdk.run(lambda client: client.responses.parse(model="gpt-5.2", input="the secret", text_format=Answer))
    assert [span.name for span in ours(telemetry)] == ["chat gpt-5.2"] * 2
    assert [span["gen_ai.usage.output_tokens"] for span in ours(telemetry)] == [6, 6]


def test_the_helper_for_streamed_responses_is_one_call(telemetry: Telemetry, sdk: Sdk, provider: ScriptedProvider) -> None:
    """`responses.stream`."""
    begun = {
        "type": "response.created",
        "sequence_number": 0,
        "response": {**RESPONSE, "status": "in_progress", "usage": None},
    }
    done = {"type": "response.completed", "sequence_number": 1, "response": RESPONSE}
    provider.events = [("response.created", begun), ("response.completed", done)]

    def ask(client: Any) -> None:
        with client.responses.stream(model="gpt-5.2", input="the secret") as events:
            events.until_done()

    async def aask(client: Any) -> None:
        async with client.responses.stream(model="gpt-5.2", input="the secret") as events:
            await events.until_done()

    sdk.run(aask if sdk.is_async else ask)
    (span,) = ours(telemetry)
    assert (span.name, span["gen_ai.usage.output_tokens"]) == ("chat gpt-5.2", 6)


def test_a_streaming_response_is_read_when_it_is_parsed(telemetry: Telemetry, sdk: Sdk) -> None:
    """`with_streaming_response`, whose body is not there yet when the call returns."""

    def ask(client: Any) -> Any:
        with client.chat.completions.with_streaming_response.create(**CHAT) as response:
            return response.parse()

    async def aask(client: Any) -> Any:
        async with client.chat.completions.with_streaming_response.create(**CHAT) as response:
            return await response.parse()

    assert sdk.run(aask if sdk.is_async else ask).choices[0].message.content == "the secret"
    (span,) = ours(telemetry)
    assert (span.status, span["gen_ai.usage.output_tokens"]) == ("UNSET", 6)


def test_a_streaming_response_that_nobody_parses_ends_the_call(telemetry: Telemetry, sdk: Sdk) -> None:
    """The program reads the bytes itself, and nothing is known of what it used."""

    def ask(client: Any) -> Any:
        with client.chat.completions.with_streaming_response.create(**CHAT) as response:
            return b"".join(response.iter_bytes())

    async def aask(client: Any) -> Any:
        async with client.chat.completions.with_streaming_response.create(**CHAT) as response:
            return b"".join([chunk async for chunk in response.iter_bytes()])

    assert b"the secret" in sdk.run(aask if sdk.is_async else ask)
    gc.collect()
    (span,) = ours(telemetry)
    assert (span.status, "gen_ai.usage.output_tokens" in span.attributes) == ("UNSET", False)


@pytest.mark.parametrize("leave", ["break", "close", "with"])
def test_a_stream_that_is_left_is_cancelled(telemetry: Telemetry, sdk: Sdk, leave: str) -> None:
    """By `close()`, by the end of its block, or by letting it go: not an error, and its usage is not known."""

    def ask(client: Any) -> None:
        answer = stream(client)
        next(answer)
        if leave == "with":
            with answer:
                pass
        elif leave == "close":
            answer.close()

    async def aask(client: Any) -> None:
        answer = await stream(client)
        await anext(answer)
        if leave == "with":
            async with answer:
                pass
        elif leave == "close":
            await answer.close()

    sdk.run(aask if sdk.is_async else ask)
    gc.collect()
    (span,) = ours(telemetry)
    assert (span.status, span["resilience.stream.chunks"]) == ("UNSET", 1)
    assert (span["resilience.operation.outcome"], span["resilience.stream.closed_early"]) == ("cancelled", True)


def test_a_stream_whose_reader_is_cancelled(telemetry: Telemetry, provider: ScriptedProvider) -> None:
    """While it waits for the next chunk."""
    provider.stalls = 2
    chunks: list[Any] = []

    async def read() -> None:
        async with openai.AsyncOpenAI(base_url=f"{provider.url}/v1", api_key="x") as client:
            async for chunk in await stream(client):
                chunks.append(chunk)  # noqa: PERF401 - seen from outside

    asyncio.run(cancel(read(), lambda: len(chunks) == 2))
    (span,) = ours(telemetry)
    assert (span.status, span["resilience.operation.outcome"]) == ("UNSET", "cancelled")
    assert span["resilience.stream.chunks"] == 2


def test_a_cancelled_call_is_cancelled(telemetry: Telemetry, provider: ScriptedProvider) -> None:
    """While it waits for the answer."""
    provider.hangs = True

    async def main() -> None:
        async with openai.AsyncOpenAI(base_url=f"{provider.url}/v1", api_key="x") as client:
            await cancel(chat(client), provider.asked.is_set)

    asyncio.run(main())
    span = telemetry.span("chat gpt-5.2")
    assert (span.status, span["resilience.operation.outcome"]) == ("UNSET", "cancelled")


def test_a_call_cancelled_between_attempts_is_cancelled(telemetry: Telemetry, provider: ScriptedProvider) -> None:
    """While the SDK sleeps."""
    provider.script = [Fault(429, {"retry-after": "60"})]

    async def main() -> None:
        async with openai.AsyncOpenAI(base_url=f"{provider.url}/v1", api_key="x") as client:
            await cancel(chat(client), lambda: "resilience.retry.delay" in telemetry.metrics())

    asyncio.run(main())
    retry = telemetry.span("retry chat.completions")
    assert (retry["resilience.operation.outcome"], retry["resilience.operation.attempt_count"]) == ("cancelled", 1)


def test_calls_at_the_same_time_keep_apart(telemetry: Telemetry, provider: ScriptedProvider) -> None:
    """Each has attempts of its own, whoever comes first."""
    provider.script = [Fault(429)] * 4

    async def main() -> None:
        async with openai.AsyncOpenAI(base_url=f"{provider.url}/v1", api_key="x", max_retries=5) as client:
            await asyncio.gather(*(chat(client) for _ in range(4)))

    asyncio.run(main())
    calls = [span for span in telemetry.spans if span.name == "chat gpt-5.2"]
    retries = [span for span in telemetry.spans if span.name == "retry chat.completions"]
    assert len(calls) == 4
    assert sum(span["resilience.operation.attempt_count"] - 1 for span in retries) == 4
    assert len(provider.ledger) == 8


def test_a_wait_that_is_too_long_is_told(telemetry: Telemetry, sdk: Sdk, provider: ScriptedProvider) -> None:
    """The SDK gives up, or asks again too early, without a word."""
    provider.script = [Fault(429, {"retry-after": "121"})]
    if openai.VERSION.startswith("2.0."):  # which asks again at once
        sdk.run(chat)
    else:
        with pytest.raises(openai.RateLimitError):
            sdk.run(chat)
        assert telemetry.span("retry chat.completions").event("resilience.retry.refused")["error.type"] == "429"
    assert _misuse.misuses() == (_misuse.Misuse("retry_after_too_long", "retry", "chat.completions", "openai"),)


def test_a_server_that_wants_no_retry_is_no_misuse(telemetry: Telemetry, sdk: Sdk, provider: ScriptedProvider) -> None:
    """It says so in a header of its own."""
    provider.script = [Fault(500, {"x-should-retry": "false"})]
    with pytest.raises(openai.InternalServerError):
        sdk.run(chat)
    assert _misuse.misuses() == ()
    assert telemetry.span("retry chat.completions").events == []


def test_a_call_of_the_program_has_the_usage(telemetry: Telemetry, sdk: Sdk) -> None:
    """Within `traced_llm_call` there is no second span, also where the function returns something else."""

    def ask(client: Any) -> Any:
        with traced_llm_call(provider="openai", model="gpt-5.2"):
            return chat(client).choices[0].message.content

    async def aask(client: Any) -> Any:
        with traced_llm_call(provider="openai", model="gpt-5.2"):
            return (await chat(client)).choices[0].message.content

    assert sdk.run(aask if sdk.is_async else ask) == "the secret"
    (span,) = ours(telemetry)
    assert (span["gen_ai.usage.input_tokens"], span["gen_ai.usage.output_tokens"]) == (20, 6)
    assert [value for _, value in telemetry.metrics()["gen_ai.client.token.usage"]] != []


def test_usage_is_counted_once_for_the_attempt(telemetry: Telemetry, provider: ScriptedProvider) -> None:
    """In a repair loop what was refused is wasted, whoever makes the span of the call."""
    with openai.OpenAI(base_url=f"{provider.url}/v1", api_key="x") as client, traced_repair("invoice") as repair:
        for attempt in repair.attempts(2):
            with attempt:
                chat(client)
                attempt.validated("schema", passed=attempt.number == 2)
    span = telemetry.span("repair invoice")
    assert (span["resilience.usage.wasted.input_tokens"], span["resilience.usage.useful.input_tokens"]) == (20, 20)


def test_the_key_of_another_instrumentation_is_honoured(telemetry: Telemetry, sdk: Sdk, provider: ScriptedProvider) -> None:
    """opentelemetry-util-genai says by it that the call has a span; the retries inside are ours to tell."""
    provider.script = [Fault(429)]
    token = attach(set_value("opentelemetry.genai.client.inference.context", object()))
    try:
        with traced_repair("invoice"):
            sdk.run(chat)
    finally:
        detach(token)
    assert "chat gpt-5.2" not in {span.name for span in telemetry.spans}
    assert telemetry.span("retry chat.completions")["resilience.operation.attempt_count"] == 2
    assert telemetry.span("repair invoice")["resilience.usage.useful.output_tokens"] == 6
    assert "gen_ai.client.token.usage" not in telemetry.metrics()


def test_azure_is_told_by_its_client(telemetry: Telemetry, provider: ScriptedProvider, sdk: Sdk) -> None:
    """Its path names the deployment, which does not matter; its retries are the same."""
    provider.script = [Fault(429)]
    azure = Sdk("async" if sdk.is_async else "sync", openai.AzureOpenAI, openai.AsyncAzureOpenAI)
    azure.run(chat, azure_endpoint=provider.url, api_key="x", api_version="2026-01-01")
    assert "/deployments/gpt-5.2/" in provider.ledger[0].path
    assert telemetry.span("chat gpt-5.2")["gen_ai.provider.name"] == "azure.ai.openai"
    assert telemetry.span("retry chat.completions")["resilience.operation.attempt_count"] == 2


def test_other_requests_have_their_retries_alone(telemetry: Telemetry, provider: ScriptedProvider) -> None:
    """A list of files is no call of a model."""
    provider.script, provider.body = [Fault(500)], {"object": "list", "data": [], "has_more": False}
    with openai.OpenAI(base_url=f"{provider.url}/v1", api_key="x") as client:
        list(client.files.list())
    retry = telemetry.span("retry files")
    assert retry["resilience.operation.outcome"] == "recovered"
    assert not [span for span in telemetry.spans if "gen_ai.operation.name" in span.attributes]


def test_suppressed_instrumentation_is_silent(telemetry: Telemetry, sdk: Sdk) -> None:
    """As OpenTelemetry asks for."""
    with suppress_instrumentation():
        sdk.run(chat)
    assert telemetry.spans == []


def test_uninstrument_restores_everything(telemetry: Telemetry, sdk: Sdk) -> None:
    """Each method is what it was."""
    instrumentor = OpenAIInstrumentor()
    base = openai._base_client
    instrumentor.uninstrument()
    before = [dict(vars(cls)) for cls in (base.SyncAPIClient, base.AsyncAPIClient, base.BaseClient)]
    instrumentor.instrument()
    assert vars(base.SyncAPIClient)["request"] is not before[0]["request"]
    instrumentor.uninstrument()
    after = [dict(vars(cls)) for cls in (base.SyncAPIClient, base.AsyncAPIClient, base.BaseClient)]
    assert before == after
    assert not any(hasattr(value, "__wrapped__") and "spanguard" in repr(value) for each in after for value in each.values())
    sdk.run(chat)
    assert telemetry.spans == []


def test_nothing_that_was_said_is_recorded(telemetry: Telemetry, sdk: Sdk, provider: ScriptedProvider) -> None:
    """Neither by the user, nor by the model, nor by an error."""
    provider.script = [Fault(429), Fault(400)]
    with pytest.raises(openai.BadRequestError):
        sdk.run(chat)
    assert "secret" not in json.dumps([span.attributes for span in telemetry.spans], default=str)
    assert "secret" not in repr(telemetry.logs)


# ------------------------------------------------------------------------------------------ what is remembered of requests


def told(telemetry: Telemetry) -> tuple[list[Span], dict[str, list[str]]]:
    """Return all that was recorded but the ids, and forget it."""
    spans = [replace(span, id=0, parent_id=None) for span in telemetry.spans]
    points = {name: sorted(map(repr, points)) for name, points in telemetry.metrics().items()}
    telemetry.clear()
    return spans, points


class Forgetful(Policy):
    """A policy that makes each of its series anew."""

    def measure(self, recorder: Any, metric: Any, value: float, told: Any, within: Any) -> None:
        """Measure as for the first time."""
        self._series = None, {}
        super().measure(recorder, metric, value, told, within)

    def measure_once(self, recorder: Any, tried: float, took: float, within: Any) -> None:
        """Measure as for the first time."""
        self._once = None, ()
        super().measure_once(recorder, tried, took, within)


@pytest.mark.parametrize("ask", [chat, stream])
@pytest.mark.parametrize("script", [[503], [429, 500], [400], [503, 503, 503]])
def test_what_is_remembered_of_a_request_changes_nothing(
    telemetry: Telemetry,
    sdk: Sdk,
    provider: ScriptedProvider,
    monkeypatch: pytest.MonkeyPatch,
    *,
    ask: Any,
    script: list[int],
) -> None:
    """All spans and points of a request are those of one of which everything has to be found out anew."""

    def run() -> tuple[list[Span], dict[str, list[str]]]:
        for faults in ([], script, []):
            provider.script = [Fault(status) for status in faults]
            with contextlib.suppress(openai.APIStatusError):
                sdk.run(ask)
        return told(telemetry)

    run()  # the SDK writes the first value of a series at once
    again = run()
    monkeypatch.setattr(http, "_plain", lambda *_: None)
    for each in (operation, _stainless):
        monkeypatch.setattr(each, "known_policy", Forgetful)
    for each in OpenAIInstrumentor.known:
        each.clear()
    assert run() == again
    spans, points = again
    assert len([span for span in spans if "http.response.status_code" in span.attributes]) == len(provider.ledger) // 3
    assert points["http.client.request.duration"]


@pytest.mark.parametrize("ask", [chat, stream])
def test_a_request_that_succeeds_at_once_is_told_on_the_span_of_its_call(
    telemetry: Telemetry, sdk: Sdk, provider: ScriptedProvider, ask: Any
) -> None:
    """One that is sent again has a span for each time, and then the call's tells none of them."""

    def requests() -> list[tuple[str, int]]:
        return [
            (each.name, each["http.response.status_code"])
            for each in telemetry.spans
            if "http.request.method" in each.attributes
        ]

    sdk.run(ask)
    assert requests() == [("chat gpt-5.2", 200)]
    ((measured, _),) = telemetry.metrics()["http.client.request.duration"]
    assert measured == {"http.request.method": "POST", "http.response.status_code": 200, "server.address": "127.0.0.1"}
    telemetry.clear()
    provider.script = [Fault(503)]
    sdk.run(ask)
    assert requests() == [("POST", 503), ("POST", 200)]


def transport(answer: Callable[[Any], Any], *faults: int) -> Any:
    """Return an HTTP client of the SDK's kind that is answered in the process, with these faults first."""
    client = next(each for each in openai.DefaultHttpxClient.__mro__ if each.__name__ == "Client")
    httpx = importlib.import_module(client.__module__.partition(".")[0])
    statuses = itertools.chain(faults, itertools.repeat(200))
    soon = {"retry-after-ms": "1"}
    return client(
        transport=httpx.MockTransport(lambda request: httpx.Response(next(statuses), headers=soon, json=answer(request)))
    )


def test_a_first_try_that_failed_is_told_as_it_was(telemetry: Telemetry, clock: Clock) -> None:
    """Though nothing was made of it before: when it was sent and answered, and what ran in it, which stands beside it."""

    def answer(_request: object) -> object:
        clock.move(2)
        with traced_repair("inner"):
            clock.move(1)
        return wire.OPENAI

    client = openai.OpenAI(api_key="x", base_url="http://localhost/v1", http_client=transport(answer, 503))
    chat(client)
    call, retry = telemetry.span("chat gpt-5.2"), telemetry.span("retry chat.completions")
    first, second = [span for span in telemetry.spans if span.name == "attempt"]
    assert (call.start, call.end, retry.start, retry.end) == (0, 6, 0, 6)
    assert (first.start, first.end, first.parent, first.links) == (0, 3, retry.name, ["repair inner"])
    assert (second.start, second.end, second.parent, second.links) == (3, 6, retry.name, [])
    assert [span.parent for span in telemetry.spans if span.name == "repair inner"] == [call.name, "attempt"]


def test_a_request_that_succeeds_at_once_counts_as_an_operation_with_one_attempt(telemetry: Telemetry, clock: Clock) -> None:
    """In the metrics; with a client that never retries there is none."""

    def answer(_request: object) -> object:
        clock.move(2)
        return wire.OPENAI

    client = openai.OpenAI(api_key="x", base_url="http://localhost/v1", http_client=transport(answer))
    chat(client.with_options(max_retries=0))
    assert not any(name.startswith("resilience.") for name in telemetry.metrics())
    for _ in range(2):
        chat(client)
    points = telemetry.metrics()
    policy = {
        "resilience.policy.type": "retry",
        "resilience.policy.name": "chat.completions",
        "resilience.library.name": "openai",
    }
    outcome = {**policy, "resilience.operation.outcome": "success"}
    assert points["resilience.operation.attempts"] == [(outcome, (2, 2))]
    assert points["resilience.operation.duration"] == [(outcome, (2, 4.0))]
    assert points["resilience.attempt.duration"] == [({**policy, "resilience.attempt.outcome": "success"}, (2, 4.0))]


def test_an_answer_that_cannot_be_read_fails_an_operation_whose_attempt_succeeded(telemetry: Telemetry) -> None:
    """It was answered, and the SDK does not send it again."""
    client = openai.OpenAI(
        api_key="x",
        base_url="http://localhost/v1",
        http_client=transport(lambda _: {"choices": "secret"}),
        _strict_response_validation=True,
    )
    with pytest.raises(openai.APIResponseValidationError):
        chat(client)
    (span,) = telemetry.spans
    assert (span["http.response.status_code"], span["error.type"]) == (200, "openai.APIResponseValidationError")
    points = telemetry.metrics()
    ((operation, _),) = points["resilience.operation.duration"]
    ((attempt, _),) = points["resilience.attempt.duration"]
    assert (operation["resilience.operation.outcome"], attempt["resilience.attempt.outcome"]) == ("failed", "success")
    assert [count for _, (count, _) in points["http.client.request.duration"]] == [1]


def test_a_host_is_clear_from_when_it_is_declared(telemetry: Telemetry) -> None:
    """What is remembered of the requests before is not told of those after it."""
    client = openai.OpenAI(api_key="x", base_url="https://gateway.example/v1", http_client=transport(lambda _: wire.OPENAI))
    for _ in range(2):
        chat(client)
    declare("gateway.example")
    chat(client)
    hosts = [span["server.address"] for span in telemetry.spans]
    assert [host.startswith("h:") for host in hosts] == [True, True, False]
    assert hosts[2] == "gateway.example"


def test_a_new_key_makes_new_pseudonyms(telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what was told before it, too."""
    client = openai.OpenAI(api_key="x", base_url="https://other.example/v1", http_client=transport(lambda _: wire.OPENAI))
    kept = pseudonyms._key, pseudonyms._number
    chat(client)
    pseudonyms.use_key(b"k" * 32, 3)
    try:
        chat(client)
    finally:
        pseudonyms.use_key(*kept)
    before, after = telemetry.spans
    assert before["resilience.url.id"] != after["resilience.url.id"]
    assert before["server.address"] != after["server.address"]


@pytest.mark.parametrize("faults", [[], [503]])
def test_a_request_that_has_ended_needs_no_garbage_collector(telemetry: Telemetry, faults: list[int]) -> None:
    """Neither the call, nor its retries, nor the attempt: cycles cost the program, not us."""
    kept: list[weakref.ref[object]] = []

    def answer(_request: object) -> object:
        running = current_operation()
        kept.extend(map(weakref.ref, (running, running.current_attempt, current_call())))
        return wire.OPENAI

    client = openai.OpenAI(api_key="x", base_url="http://localhost/v1", http_client=transport(answer, *faults))
    gc.disable()
    try:
        chat(client)
        assert [each() for each in kept] == [None] * 3 * (len(faults) + 1)
    finally:
        gc.enable()
