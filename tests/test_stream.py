"""Streams: generators of both kinds, and the stream objects of SDKs, followed to their end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncGenerator, Generator, Iterator
from typing import Any

import pytest
from opentelemetry import trace

from spanguard import traced_llm_call
from support import Clock, Telemetry, completion


def chunks(clock: Clock, count: int) -> Iterator[dict[str, Any]]:
    """Chunks as OpenAI streams them: a second before each, usage in the last."""
    for number in range(count):
        clock.move(1)
        last = number == count - 1
        whole = completion(10, count)
        yield {**whole, "usage": whole["usage"] if last else None, "choices": whole["choices"] if number == count - 2 else []}


def test_a_stream_is_timed_and_its_usage_read_from_its_chunks(telemetry: Telemetry, clock: Clock) -> None:
    """The span lasts to the last chunk; time to the first chunk and the mean gap between chunks are measured."""

    @traced_llm_call(model="gpt-5.2")
    def ask() -> Iterator[dict[str, Any]]:
        yield from chunks(clock, 5)

    assert len(list(ask())) == 5
    span = telemetry.span("chat gpt-5.2")
    assert span.end == 5.0
    assert (
        span.attributes.items()
        >= {
            "gen_ai.response.time_to_first_chunk": 1.0,
            "resilience.stream.chunks": 5,
            "gen_ai.usage.output_tokens": 5,
            "gen_ai.response.finish_reasons": ("stop",),
        }.items()
    )
    points = telemetry.metrics()
    assert points["gen_ai.client.operation.time_to_first_chunk"][0][1] == (1, 1.0)
    assert points["gen_ai.client.operation.time_per_output_chunk"][0][1] == (1, 1.0)


def current() -> str:
    """Name of the current span, or nothing."""
    return getattr(trace.get_current_span(), "name", "")


def test_the_span_is_current_in_the_generator_and_never_in_its_consumer(telemetry: Telemetry) -> None:
    """Between chunks the consumer's own context holds, also after a stream that was left early."""

    @traced_llm_call(model="gpt-5.2")
    def ask() -> Iterator[str]:
        while True:
            yield current()

    stream = ask()
    assert (next(stream), current(), next(stream), current()) == ("chat gpt-5.2", "", "chat gpt-5.2", "")
    stream.close()  # type: ignore[attr-defined]
    assert current() == ""
    with trace.get_tracer("test").start_as_current_span("later"):
        pass
    assert telemetry.span("later").parent is None


def talker() -> Generator[str, str, str]:
    """A generator that uses the whole protocol."""
    heard = ""
    while True:
        try:
            said = yield heard
        except LookupError as error:
            heard = f"caught {type(error).__name__}"
        else:
            if said == "stop":
                return "done"
            heard = f"heard {said}"


def test_a_generator_keeps_the_whole_protocol(telemetry: Telemetry) -> None:
    """Send, throw and the return value reach the body and its caller."""
    stream = traced_llm_call(talker)()
    assert next(stream) == ""
    assert stream.send("hello") == "heard hello"
    assert stream.throw(KeyError()) == "caught KeyError"
    with pytest.raises(StopIteration) as stopped:
        stream.send("stop")
    assert stopped.value.value == "done"
    assert telemetry.span("chat").status == "UNSET"


def test_an_async_generator_keeps_the_whole_protocol(telemetry: Telemetry) -> None:
    """Asend, athrow and aclose reach the body; aclose returns when the body has ended."""
    ended: list[str] = []

    @traced_llm_call
    async def talk() -> AsyncGenerator[str, str]:
        heard = ""
        try:
            while True:
                try:
                    heard = f"heard {yield heard}"
                except LookupError:
                    heard = "caught"
        finally:
            await asyncio.sleep(0)
            ended.append("body")

    async def main() -> None:
        stream = talk()
        assert await stream.asend(None) == ""  # type: ignore[arg-type]
        assert await stream.asend("hello") == "heard hello"
        assert await stream.athrow(KeyError()) == "caught"
        async with contextlib.aclosing(stream):
            pass
        assert ended == ["body"]

    asyncio.run(main())
    assert telemetry.span("chat")["resilience.stream.closed_early"] is True


@pytest.mark.parametrize("way_out", ["close", "garbage collection"])
def test_a_stream_left_early_ends_once_and_is_no_error(telemetry: Telemetry, way_out: str) -> None:
    """Closed or dropped, the call ends as cancelled, with what it had counted until then."""

    @traced_llm_call(model="gpt-5.2")
    def ask() -> Iterator[int]:
        yield from range(10)

    stream = ask()
    next(stream)
    next(stream)
    if way_out == "close":
        stream.close()  # type: ignore[attr-defined]
        stream.close()  # type: ignore[attr-defined]
    del stream
    gc.collect()
    span = telemetry.span("chat gpt-5.2")
    assert (span.status, span["resilience.operation.outcome"]) == ("UNSET", "cancelled")
    assert (span["resilience.stream.closed_early"], span["resilience.stream.chunks"]) == (True, 2)


def test_a_generator_that_never_runs_leaves_nothing(telemetry: Telemetry) -> None:
    """The call begins with the first chunk that is asked for, as the body does."""
    traced_llm_call(talker)().close()
    assert telemetry.spans == []


def test_a_stream_that_breaks_is_a_failed_call(telemetry: Telemetry) -> None:
    """An error between chunks is the call's error, and the same object reaches the consumer."""
    error = ConnectionError("secret")

    @traced_llm_call(model="gpt-5.2")
    def ask() -> Iterator[int]:
        yield 1
        raise error

    with pytest.raises(ConnectionError) as caught:
        list(ask())
    assert caught.value is error
    span = telemetry.span("chat gpt-5.2")
    assert (span.status, span["error.type"], span["resilience.error.category"]) == ("ERROR", "ConnectionError", "connection")


def test_a_generator_returned_by_a_plain_function_is_followed(telemetry: Telemetry, clock: Clock) -> None:
    """The call of a `def` that returns a generator lasts until the generator ends."""
    stream = traced_llm_call(model="gpt-5.2")(lambda: chunks(clock, 3))()
    clock.move(2)
    assert len(list(stream)) == 3
    assert telemetry.span("chat gpt-5.2").end == 5.0


def test_a_stream_passed_on_is_counted_once(telemetry: Telemetry, clock: Clock) -> None:
    """A traced generator around a traced generator: the inner call has the tokens."""

    @traced_llm_call(model="gpt-5.2-mini")
    def inner() -> Iterator[dict[str, Any]]:
        yield from chunks(clock, 3)

    list(traced_llm_call(model="gpt-5.2")(lambda: (chunk for chunk in inner()))())
    assert sorted(value for _, value in telemetry.metrics()["gen_ai.client.token.usage"]) == [(1, 3), (1, 10)]
