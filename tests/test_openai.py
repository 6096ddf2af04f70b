"""The real openai SDK over real HTTP: usage, model, id and finish reasons are read from what it returns."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from spanguard import settings, traced_llm_call, traced_repair
from spanguard.cli.demo.server import DemoServer, Step
from spanguard.settings import Settings
from support import Telemetry

JOB = {"metadata": {"job": "job"}}
ASKED: Any = {"chat": {"messages": [{"role": "user", "content": "the secret"}]}, "responses": {"input": "the secret"}}


@pytest.fixture
def server() -> Iterator[DemoServer]:
    """A server that answers twenty times, and then a fault each."""
    running = DemoServer({"job": [Step("one two three four", delay=0)] * 20})
    yield running
    running.close()


@pytest.fixture(params=["chat", "responses"])
def api(request: pytest.FixtureRequest) -> str:
    """Both of OpenAI's interfaces."""
    return str(request.param)


def create(client: Any, api: str) -> Any:
    """Return the SDK's method for an interface."""
    return client.chat.completions.create if api == "chat" else client.responses.create


def arguments(api: str, *, stream: bool) -> dict[str, Any]:
    """Return the arguments of a call."""
    more: dict[str, Any] = {"stream": True} if stream else {}
    if stream and api == "chat":
        more["stream_options"] = {"include_usage": True}
    return {"model": "gpt-5.2", **ASKED[api], **JOB, **more}


def check(telemetry: Telemetry, server: DemoServer, api: str, *, stream: bool) -> None:
    """Compare the one span with the server's ledger."""
    server.close()
    (entry,) = server.ledger.entries
    (span,) = telemetry.spans
    assert (span.name, span.status) == ("chat gpt-5.2", "UNSET")
    assert span["gen_ai.provider.name"] == "openai"
    assert span["gen_ai.response.model"].startswith("gpt-5.2")
    assert span["gen_ai.response.id"].startswith("h:")
    assert span["gen_ai.response.finish_reasons"] == ("stop" if api == "chat" else "completed",)
    assert span["gen_ai.usage.input_tokens"] == entry.input_tokens > 0
    assert span["gen_ai.usage.output_tokens"] == entry.output_tokens > 0
    assert span["resilience.usage.cost"] == entry.cost > 0
    assert (
        span.attributes.get("resilience.stream.chunks", 0) > 2
        if stream
        else "resilience.stream.chunks" not in span.attributes
    )
    assert "secret" not in repr(span)


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_is_read(telemetry: Telemetry, server: DemoServer, api: str, stream: bool) -> None:
    """Chat completions and responses, whole and streamed; a stream stays the SDK's own object."""
    with openai.OpenAI(base_url=server.base_url, api_key="x", max_retries=0) as client:
        ask = traced_llm_call(create(client, api))
        answer = ask(**arguments(api, stream=stream))
        if stream:
            assert isinstance(answer, openai.Stream)
            assert len(list(answer)) > 2
    check(telemetry, server, api, stream=stream)


@pytest.mark.parametrize("stream", [False, True])
def test_an_async_call_is_read(telemetry: Telemetry, server: DemoServer, api: str, stream: bool) -> None:
    """The same through the asynchronous client."""

    async def main() -> None:
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key="x", max_retries=0) as client:

            @traced_llm_call
            async def ask(**kwargs: Any) -> Any:
                return await create(client, api)(**kwargs)

            answer = await ask(**arguments(api, stream=stream))
            if stream:
                assert isinstance(answer, openai.AsyncStream)
                assert len([chunk async for chunk in answer]) > 2

    asyncio.run(main())
    check(telemetry, server, api, stream=stream)


def test_the_newer_generation_reads_the_same(telemetry: Telemetry, server: DemoServer, api: str) -> None:
    """Both generations come from one table: the same numbers under other names."""
    settings.use(Settings(semconv="dev-2026-10"))
    with openai.OpenAI(base_url=server.base_url, api_key="x", max_retries=0) as client:
        traced_llm_call(create(client, api))(**arguments(api, stream=False))
    server.close()
    points = telemetry.metrics()
    counted = [points[f"gen_ai.client.inference.usage.{kind}_tokens"][0][1] for kind in ("input", "output")]
    assert counted == [server.ledger.entries[0].input_tokens, server.ledger.entries[0].output_tokens]


def closed_early(telemetry: Telemetry) -> tuple[object, ...]:
    """Return how the one span of a call says that its stream was left."""
    span = telemetry.span("chat gpt-5.2")
    return span["resilience.stream.closed_early"], span["resilience.stream.chunks"], span["error.type"]


def test_a_stream_that_is_closed_ends_the_call(telemetry: Telemetry, server: DemoServer) -> None:
    """At the end of its ``with``, or by `close`: at once, though the SDK's own generator waits for the collector."""
    with openai.OpenAI(base_url=server.base_url, api_key="x", max_retries=0) as client:
        with traced_llm_call(client.chat.completions.create)(**arguments("chat", stream=True)) as stream:
            next(stream)
        assert closed_early(telemetry) == (True, 1, "GeneratorExit")
        stream.close()
    assert len(telemetry.spans) == 1


def test_an_async_stream_that_is_closed_ends_the_call(telemetry: Telemetry, server: DemoServer) -> None:
    """The same through the asynchronous client."""

    async def main() -> None:
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key="x", max_retries=0) as client:
            ask = traced_llm_call(client.chat.completions.create)
            async with await ask(**arguments("chat", stream=True)) as stream:
                async for _ in stream:
                    break
            assert closed_early(telemetry) == (True, 1, "GeneratorExit")

    asyncio.run(main())
    assert len(telemetry.spans) == 1


@pytest.mark.parametrize(
    ("fault", "error_type", "category"),
    [
        ("rate_limited", "openai.RateLimitError", "rate_limited"),
        ("server_error", "openai.InternalServerError", "backend_error"),
    ],
)
def test_the_sdks_errors_are_told_by_class_and_category(
    telemetry: Telemetry, fault: Any, error_type: str, category: str
) -> None:
    """Never by their message, which echoes the request."""
    server = DemoServer({"job": [Step("", fault, delay=0)]})
    with openai.OpenAI(base_url=server.base_url, api_key="x", max_retries=0) as client, pytest.raises(openai.APIStatusError):
        traced_llm_call(create(client, "chat"))(**arguments("chat", stream=False))
    server.close()
    span = telemetry.span("chat gpt-5.2")
    assert (span["error.type"], span["resilience.error.category"], span.description) == (error_type, category, None)


def test_a_timeout_is_a_timeout(telemetry: Telemetry) -> None:
    """A server that hangs past the client's timeout."""
    server = DemoServer({"job": [Step("", "hang")]})
    client = openai.OpenAI(base_url=server.base_url, api_key="x", max_retries=0, timeout=0.1)
    with client, pytest.raises(openai.APITimeoutError):
        traced_llm_call(create(client, "chat"))(**arguments("chat", stream=False))
    server.close()
    assert telemetry.span("chat gpt-5.2")["resilience.error.category"] == "timeout"


def test_a_repair_loop_sums_to_the_servers_ledger(telemetry: Telemetry, server: DemoServer) -> None:
    """Useful and wasted tokens and cost of a real loop are what the server counted."""
    with openai.OpenAI(base_url=server.base_url, api_key="x", max_retries=0) as client:
        ask = traced_llm_call(client.chat.completions.create)
        with traced_repair("invoice") as repair:
            for attempt in repair.attempts(3):
                with attempt:
                    ask(**arguments("chat", stream=False))
                    attempt.validated("schema", passed=attempt.number == 3)
    server.close()
    span = telemetry.span("repair invoice")
    counted = server.ledger.totals()["answered"]
    assert counted["answers"] == 3
    for kind in ("input_tokens", "output_tokens"):
        assert span[f"resilience.usage.useful.{kind}"] + span[f"resilience.usage.wasted.{kind}"] == counted[kind]
    assert span["resilience.usage.useful.cost"] + span["resilience.usage.wasted.cost"] == pytest.approx(counted["cost"])
