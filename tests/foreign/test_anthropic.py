"""The real anthropic SDK: its input excludes what came from the cache, ours includes it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import wire

from spanguard import settings, traced_llm_call
from spanguard.settings import Settings
from support import Telemetry

anthropic = pytest.importorskip("anthropic", reason="anthropic is not installed")
pytestmark = pytest.mark.foreign
ASKED: Any = {"model": "claude-opus-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "the secret"}]}


@pytest.fixture
def client(provider: Any) -> Iterator[Any]:
    """The SDK's client."""
    provider.body, provider.events = wire.ANTHROPIC, wire.ANTHROPIC_EVENTS
    with anthropic.Anthropic(base_url=provider.url, api_key="x", max_retries=0) as made:
        yield made


def check(telemetry: Telemetry) -> None:
    """Compare with what the provider sent. The SDK makes a span of its own too, named otherwise."""
    span = telemetry.span("chat claude-opus-4-5")
    assert span["gen_ai.provider.name"] == "anthropic"
    assert (span["gen_ai.usage.input_tokens"], span["gen_ai.usage.output_tokens"]) == (20, 6)
    assert (span["gen_ai.usage.cache_read.input_tokens"], span["gen_ai.usage.reasoning.output_tokens"]) == (7, 2)
    assert span["gen_ai.usage.cache_creation.input_tokens"] == 3
    assert (span["gen_ai.response.model"], span["gen_ai.response.finish_reasons"]) == ("claude-opus-4-5", ("end_turn",))
    assert span["gen_ai.response.id"].startswith("h:")
    assert "secret" not in repr(span)


def test_a_message(telemetry: Telemetry, client: Any) -> None:
    """A message that is returned whole."""
    traced_llm_call(client.messages.create)(**ASKED)
    check(telemetry)


def test_a_message_of_the_beta(telemetry: Telemetry, client: Any) -> None:
    """The beta interface has classes of its own with the same fields."""
    traced_llm_call(client.beta.messages.create)(**ASKED)
    check(telemetry)


def test_a_raw_response(telemetry: Telemetry, client: Any) -> None:
    """`with_raw_response`: the program parses it, the reader does not."""
    raw = traced_llm_call(client.messages.with_raw_response.create)(**ASKED)
    check(telemetry)
    assert raw.parse().id == wire.ANTHROPIC["id"]


def test_a_stream(telemetry: Telemetry, client: Any) -> None:
    """`stream=True`: what `message_start` says of the input holds, what `message_delta` says of the output counts."""
    stream = traced_llm_call(client.messages.create)(**ASKED, stream=True)
    assert isinstance(stream, anthropic.Stream)
    assert len(list(stream)) > 20
    check(telemetry)


def test_a_message_stream(telemetry: Telemetry, client: Any) -> None:
    """The events of `messages.stream`, handed on by a generator."""

    @traced_llm_call(model="claude-opus-4-5")
    def ask() -> Iterator[Any]:
        with client.messages.stream(**ASKED) as stream:
            yield from stream

    assert len(list(ask())) > 20
    check(telemetry)


def test_an_async_stream(telemetry: Telemetry, client: Any, provider: Any) -> None:
    """The same through the asynchronous client."""

    async def main() -> None:
        async with anthropic.AsyncAnthropic(base_url=provider.url, api_key="x", max_retries=0) as own:
            stream = await traced_llm_call(own.messages.create)(**ASKED, stream=True)
            assert len([event async for event in stream]) > 20

    asyncio.run(main())
    check(telemetry)


def test_the_newer_generation(telemetry: Telemetry, client: Any) -> None:
    """All kinds of token are counted by the metrics of dev-2026-10."""
    settings.use(Settings(semconv="dev-2026-10"))
    traced_llm_call(client.messages.create)(**ASKED)
    points = telemetry.metrics()
    counted = {name.removeprefix("gen_ai.client.inference.usage."): found[0][1] for name, found in points.items()}
    expected = {"input_tokens": 20, "output_tokens": 6, "cache_read.input_tokens": 7, "cache_write.input_tokens": 3}
    assert counted.items() >= {**expected, "reasoning.output_tokens": 2}.items()
