"""Async generators: the same protocol, cancellation and timeouts, event loops that end, servers that stream."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from opentelemetry import trace

from spanguard import association, traced_llm_call, traced_repair
from support import Clock, Telemetry, completion

VERBS: dict[str, Callable[[Any], Any]] = {
    "bare call": traced_llm_call,
    "call": traced_llm_call(model="gpt-5.2"),
    "repair": traced_repair("invoice"),
    "association": association(role="planner"),
    "returned": lambda function: traced_llm_call(model="gpt-5.2")(lambda *args: function(*args)),
}
CLOSED = ("UNSET", "cancelled", "GeneratorExit", True)
ABANDONED = ("UNSET", "cancelled", "stream_abandoned", True)
CANCELLED = ("UNSET", "cancelled", "asyncio.exceptions.CancelledError", False)


def ending(telemetry: Telemetry) -> tuple[Any, ...]:
    """Tell how the one call ended."""
    (span,) = telemetry.spans
    attributes = span.attributes
    early = attributes.get("resilience.stream.closed_early", False)
    return span.status, attributes.get("resilience.operation.outcome"), attributes.get("error.type"), early


async def obstinate() -> AsyncGenerator[Any, Any]:
    """Answers everything: values, exceptions, and even being closed, once."""
    heard: Any = "began"
    refused = False
    while True:
        try:
            heard = yield heard
            await asyncio.sleep(0)
            if heard == "stop":
                return
            if heard == "break":
                raise LookupError("secret")
        except GeneratorExit:
            if refused:
                raise
            heard, refused = "refused", True
        except ValueError as error:
            heard = type(error).__name__


async def polite() -> AsyncGenerator[int, None]:
    """Takes its time to end when it is closed."""
    try:
        while True:
            yield 1
            await asyncio.sleep(0)
    except GeneratorExit:
        await asyncio.sleep(0)


async def rude() -> AsyncGenerator[int, None]:
    """Raises when it is closed."""
    try:
        yield 1
    finally:
        await asyncio.sleep(0)
        raise LookupError("secret")


Step = Callable[[Any], Awaitable[Any]]
NEXT: Step = lambda stream: stream.__anext__()  # noqa: E731
SEND: Callable[[Any], Step] = lambda value: lambda stream: stream.asend(value)  # noqa: E731
THROW: Callable[[Any], Step] = lambda error: lambda stream: stream.athrow(error)  # noqa: E731
CLOSE: Step = lambda stream: stream.aclose()  # noqa: E731

PROGRAMS: dict[str, tuple[Callable[[], Any], list[Step]]] = {
    "next and send": (obstinate, [NEXT, SEND("a"), SEND("stop"), NEXT, NEXT]),
    "exhausted twice": (obstinate, [NEXT, SEND("stop"), NEXT, CLOSE, NEXT]),
    "send before the start": (obstinate, [SEND("a"), NEXT]),
    "throw that is caught": (obstinate, [NEXT, THROW(ValueError()), SEND("a")]),
    "throw of a class": (obstinate, [NEXT, THROW(ValueError), NEXT]),
    "throw that is not caught": (obstinate, [NEXT, THROW(KeyError("x")), NEXT]),
    "throw before the start": (obstinate, [THROW(KeyError("x")), NEXT]),
    "throw of StopAsyncIteration": (obstinate, [NEXT, THROW(StopAsyncIteration()), NEXT]),
    "throw of GeneratorExit that is caught": (obstinate, [NEXT, THROW(GeneratorExit()), NEXT, SEND("stop")]),
    "throw of GeneratorExit": (rude, [NEXT, THROW(GeneratorExit()), NEXT]),
    "send of an exception": (obstinate, [NEXT, SEND(GeneratorExit()), SEND("stop")]),
    "close": (polite, [NEXT, CLOSE, NEXT]),
    "close before the start": (polite, [CLOSE, NEXT]),
    "close twice": (polite, [NEXT, CLOSE, CLOSE]),
    "close that is refused": (obstinate, [NEXT, CLOSE, NEXT, SEND("stop")]),
    "close that raises": (rude, [NEXT, CLOSE, NEXT]),
    "an error": (obstinate, [NEXT, SEND("break"), NEXT]),
}


async def outcomes(stream: Any, program: list[Step]) -> list[Any]:
    """Take each step, and tell what came of it: a value, or an exception with all that it carries."""
    found: list[Any] = []
    for step in (*program, CLOSE, CLOSE):
        try:
            found.append(await step(stream))
        except BaseException as error:
            found.append((type(error), repr(error), type(error.__cause__), type(error.__context__)))
    return found


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_every_step_comes_out_as_without_the_decorator(telemetry: Telemetry, verb: str, name: str) -> None:
    """Values, exceptions with cause and context, Python's own complaints."""
    body, program = PROGRAMS[name]
    bare = asyncio.run(outcomes(body(), program))
    assert asyncio.run(outcomes(VERBS[verb](body)(), program)) == bare
    assert len(telemetry.spans) <= 1


async def closed(stream: AsyncGenerator[int, None]) -> None:
    """Leave early, and close."""
    async with contextlib.aclosing(stream):
        async for _ in stream:
            break


async def left(stream: AsyncGenerator[int, None]) -> None:
    """Leave early, and close nothing."""
    async for _ in stream:
        break
    del stream
    await asyncio.sleep(0.01)


async def kept(stream: AsyncGenerator[int, None]) -> None:
    """Keep it until after the loop."""
    kept_streams.append(stream)
    await stream.__anext__()


async def cycled(stream: AsyncGenerator[int, None]) -> None:
    """Drop it in a reference cycle."""
    holder: list[Any] = [stream]
    holder.append(holder)
    await stream.__anext__()
    del holder, stream
    gc.collect()
    await asyncio.sleep(0.01)


async def cancelled(stream: AsyncGenerator[int, None]) -> None:
    """Cancel the task that iterates."""

    async def consume() -> None:
        async for _ in stream:
            pass

    task = asyncio.create_task(consume())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def timed_out(stream: AsyncGenerator[int, None]) -> None:
    """Give up waiting."""

    async def consume() -> None:
        async for _ in stream:
            pass

    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(consume(), 0.01)


async def endless() -> AsyncGenerator[int, None]:
    """Waits for ever before its second chunk."""
    yield 1
    await asyncio.sleep(60)


kept_streams: list[Any] = []
WAYS_OUT: list[tuple[Callable[[Any], Awaitable[None]], Callable[[], Any], tuple[Any, ...]]] = [
    (closed, polite, CLOSED),
    (left, polite, ABANDONED),
    (cycled, polite, ABANDONED),
    (kept, polite, ABANDONED),
    (cancelled, endless, CANCELLED),
    (timed_out, endless, CANCELLED),
]


@pytest.mark.parametrize("verb", ["call", "returned"])
@pytest.mark.parametrize(("way_out", "body", "expected"), WAYS_OUT, ids=lambda value: getattr(value, "__name__", ""))
def test_each_stream_ends_once_with_its_own_outcome(
    telemetry: Telemetry, verb: str, way_out: Callable[[Any], Awaitable[None]], body: Any, expected: tuple[Any, ...]
) -> None:
    """Closed by its consumer, left to the event loop or to its shutdown, cancelled: told apart, and told once."""

    async def main() -> None:
        await way_out(VERBS[verb](body)())

    asyncio.run(main())
    kept_streams.clear()
    gc.collect()
    assert ending(telemetry) == expected
    ((_, (count, _)),) = telemetry.metrics()["gen_ai.client.operation.duration"]
    assert count == 1


def test_aclose_returns_when_the_body_has_ended(telemetry: Telemetry) -> None:
    """So that its connection is back in the pool."""
    ended: list[str] = []

    @traced_llm_call(model="gpt-5.2")
    async def ask() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(0.001)
            ended.append(current())

    async def main() -> None:
        stream: Any = ask()
        await stream.__anext__()
        await stream.aclose()
        assert ended == ["chat gpt-5.2"]

    asyncio.run(main())


def current() -> str:
    """Name of the current span, or nothing."""
    return getattr(trace.get_current_span(), "name", "")


def test_the_end_of_a_loop_closes_every_stream_without_a_complaint(telemetry: Telemetry, caplog: Any) -> None:
    """`asyncio.run` closes all generators at once; the one inside ours is not closed twice."""
    streams: list[Any] = []

    async def main() -> None:
        for _ in range(20):
            streams.append(traced_llm_call(model="gpt-5.2")(polite)())
            await streams[-1].__anext__()

    asyncio.run(main())
    assert {span["error.type"] for span in telemetry.spans} == {"stream_abandoned"}
    assert len(telemetry.spans) == 20
    assert caplog.records == []


def test_a_stream_dropped_after_its_loop_is_abandoned(telemetry: Telemetry) -> None:
    """Without a loop nobody can close it; its call ends when it is collected."""
    streams: list[Any] = [traced_llm_call(model="gpt-5.2")(polite)()]

    async def first() -> Any:
        return await streams[0].__anext__()

    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(first()) == 1
    loop.close()
    streams.clear()
    gc.collect()
    assert ending(telemetry) == ABANDONED


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_stream_that_cannot_be_closed_leaves_nothing_current(telemetry: Telemetry) -> None:
    """Its body waits while it is closed and no loop runs: Python complains, as without the decorator, and takes it away."""
    stream: Any = traced_llm_call(model="gpt-5.2")(polite)()
    with pytest.raises(StopIteration):
        stream.asend(None).send(None)
    del stream
    gc.collect()
    assert current() == ""
    assert ending(telemetry) == ABANDONED


def test_a_stream_without_any_loop_is_followed(telemetry: Telemetry) -> None:
    """Driven by hand; dropped, its body is closed by Python itself."""
    ended: list[str] = []

    @traced_llm_call(model="gpt-5.2")
    async def ask() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            ended.append(current())

    stream: Any = ask()
    with pytest.raises(StopIteration):
        stream.asend(None).send(None)
    del stream
    assert ended == ["chat gpt-5.2"]
    assert ending(telemetry) == ABANDONED


def test_a_stream_whose_consumer_is_destroyed_is_cancelled(telemetry: Telemetry) -> None:
    """A task that is never resumed, as at the end of a loop that was not run to its end."""

    async def consume() -> None:
        async for _ in traced_llm_call(model="gpt-5.2")(endless)():
            pass

    async def main() -> None:
        consumer = consume()
        contextvars.Context().run(consumer.send, None)
        contextvars.Context().run(consumer.close)
        del consumer
        gc.collect()
        await asyncio.sleep(0.01)

    asyncio.run(main())
    assert ending(telemetry)[:2] == ("UNSET", "cancelled")


def test_each_chunk_may_be_awaited_in_another_task(telemetry: Telemetry) -> None:
    """The body always sees its call, and the tasks never do."""

    @traced_llm_call(model="gpt-5.2")
    async def ask() -> AsyncIterator[str]:
        for _ in range(5):
            await asyncio.sleep(0)
            yield current()

    async def main() -> list[str]:
        stream: Any = ask()

        async def one() -> str:
            return f"{await stream.__anext__()}, then {current() or 'nothing'}"

        return [await asyncio.create_task(one()) for _ in range(5)]

    assert asyncio.run(main()) == ["chat gpt-5.2, then nothing"] * 5


def test_a_span_that_the_body_opens_stays_in_the_body(telemetry: Telemetry, caplog: Any) -> None:
    """Closed by another task than it was opened in, at that: no "Failed to detach context"."""
    tracer = trace.get_tracer("test")

    @traced_llm_call(model="gpt-5.2")
    async def ask() -> AsyncIterator[str]:
        with tracer.start_as_current_span("inside"):
            yield current()
            await asyncio.sleep(0)
            yield current()

    async def main() -> list[str]:
        return [f"{chunk}, then {current() or 'nothing'}" async for chunk in ask()]

    assert asyncio.run(main()) == ["inside, then nothing"] * 2
    assert ("inside", "chat gpt-5.2") in telemetry.tree
    assert caplog.records == []


@pytest.mark.parametrize("way_out", [closed, left, kept], ids=lambda value: value.__name__)
def test_a_later_span_is_no_child_of_a_stream(telemetry: Telemetry, way_out: Any) -> None:
    """However the stream was left, in the same task."""

    async def main() -> None:
        await way_out(traced_llm_call(model="gpt-5.2")(polite)())
        trace.get_tracer("test").start_span("later").end()

    asyncio.run(main())
    kept_streams.clear()
    assert telemetry.span("later").parent is None


def test_streams_interleave_in_one_task_and_in_many(telemetry: Telemetry) -> None:
    """Each body sees its own call."""

    @traced_llm_call
    async def ask(model: str) -> AsyncIterator[str]:
        for _ in range(3):
            await asyncio.sleep(0)
            yield current()

    async def collect(model: str) -> list[str]:
        return [chunk async for chunk in ask(model)]

    async def main() -> None:
        first: Any = ask("gpt-5.2")
        second: Any = ask("gpt-5.2-mini")
        seen = [await stream.__anext__() for stream in (first, second, first, second)]
        assert seen == ["chat gpt-5.2", "chat gpt-5.2-mini"] * 2
        await asyncio.gather(first.aclose(), second.aclose())
        many = await asyncio.gather(*(collect(model) for model in ("gpt-5.2", "gpt-5.2-mini") * 5))
        assert many == [["chat gpt-5.2"] * 3, ["chat gpt-5.2-mini"] * 3] * 5

    asyncio.run(main())
    assert len(telemetry.spans) == 12


VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def test_context_variables_behave_as_without_the_decorator(telemetry: Telemetry) -> None:
    """What a body sets its consumer sees, and the other way round."""

    async def body() -> AsyncIterator[str]:
        VARIABLE.set("body")
        yield VARIABLE.get()
        yield VARIABLE.get()

    async def run(function: Callable[[], Any]) -> list[str]:
        stream = function()
        seen = [await stream.__anext__(), VARIABLE.get()]
        VARIABLE.set("consumer")
        return [*seen, await stream.__anext__(), *[each async for each in stream]]

    assert asyncio.run(run(traced_llm_call(body))) == asyncio.run(run(body)) == ["body", "body", "consumer"]


def test_chunks_are_counted_and_timed(telemetry: Telemetry, clock: Clock) -> None:
    """As those of generators are, with the usage of the last."""

    @traced_llm_call(model="gpt-5.2")
    async def ask() -> AsyncIterator[Any]:
        clock.move(2)
        for _ in range(99):
            yield "text"
            clock.move(1)
        yield completion(10, 99)

    async def main() -> int:
        return len([chunk async for chunk in ask()])

    assert asyncio.run(main()) == 100
    span = telemetry.span("chat gpt-5.2")
    assert (span["resilience.stream.chunks"], span["gen_ai.usage.output_tokens"]) == (100, 99)
    assert span["gen_ai.response.time_to_first_chunk"] == 2.0
    assert telemetry.metrics()["gen_ai.client.operation.time_per_output_chunk"][0][1] == (1, 1.0)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.timeout came with Python 3.11")
def test_a_timeout_around_the_iteration_cancels_the_call(telemetry: Telemetry) -> None:
    """`asyncio.timeout` as the openai SDK's users write it."""

    async def main() -> None:
        async def consume() -> None:
            async with asyncio.timeout(0.01):
                async for _ in traced_llm_call(model="gpt-5.2")(endless)():
                    pass

        with pytest.raises(TimeoutError):
            await consume()

    asyncio.run(main())
    assert ending(telemetry) == CANCELLED


def test_a_task_group_that_is_cancelled_cancels_the_call(telemetry: Telemetry) -> None:
    """The same for anyio's cancel scopes."""
    anyio = pytest.importorskip("anyio")

    async def main() -> None:
        async def consume() -> None:
            async for _ in traced_llm_call(model="gpt-5.2")(endless)():
                pass

        async with anyio.create_task_group() as group:
            group.start_soon(consume)
            await anyio.sleep(0.01)
            group.cancel_scope.cancel()

    anyio.run(main)
    assert ending(telemetry) == CANCELLED


async def served(app: Any, *, leave_after: int) -> list[bytes]:
    """Be the server of an ASGI application, whose client leaves after some chunks."""
    chunks: list[bytes] = []
    left = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body" and message.get("body"):
            chunks.append(message["body"])
            if len(chunks) == leave_after:
                left.set()
                await asyncio.sleep(0.01)

    await app({"type": "http", "method": "GET", "path": "/", "headers": [], "asgi": {"spec_version": "2.3"}}, receive, send)
    return chunks


def application(stream: Callable[[], AsyncIterator[bytes]]) -> Any:
    """Return an ASGI application that streams, and stops when its client has left."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def respond() -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            async for chunk in stream():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})

        tasks = [asyncio.create_task(respond()), asyncio.create_task(receive())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    return app


def starlette(stream: Callable[[], AsyncIterator[bytes]]) -> Any:
    """Return the same, made by Starlette."""
    responses = pytest.importorskip("starlette.responses")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await responses.StreamingResponse(stream())(scope, receive, send)

    return app


@traced_llm_call(model="gpt-5.2")
async def five() -> AsyncIterator[bytes]:
    """Give five chunks."""
    for number in range(5):
        await asyncio.sleep(0)
        yield b"%d" % number


@pytest.mark.parametrize("server", [application, starlette])
def test_a_streaming_response_is_one_call_to_its_last_chunk(telemetry: Telemetry, server: Any) -> None:
    """The handler has long returned when the body is streamed."""
    assert len(asyncio.run(served(server(five), leave_after=99))) == 5
    assert ending(telemetry) == ("UNSET", None, None, False)
    assert telemetry.span("chat gpt-5.2")["resilience.stream.chunks"] == 5


@pytest.mark.parametrize("server", [application, starlette])
def test_a_client_that_leaves_ends_the_call(telemetry: Telemetry, server: Any) -> None:
    """The stream is closed with the response, and counted as far as it went."""
    asyncio.run(served(server(five), leave_after=2))
    assert ending(telemetry)[1] == "cancelled"
    assert telemetry.span("chat gpt-5.2")["resilience.stream.chunks"] == 2


def test_the_first_iteration_tells_the_loop_of_one_generator(telemetry: Telemetry) -> None:
    """Its own, which it may close; the hooks are as they were."""
    seen: list[Any] = []
    sys.set_asyncgen_hooks(firstiter=seen.append)
    try:
        stream: Any = traced_llm_call(polite)()
        with pytest.raises(StopIteration):
            stream.asend(None).send(None)
        assert [each is stream for each in seen] == [True]
        assert sys.get_asyncgen_hooks().firstiter is not None
    finally:
        sys.set_asyncgen_hooks(None, None)
    step = stream.aclose()
    step.send(None)
    with pytest.raises(StopIteration):
        step.send(None)


def test_a_traced_stream_without_an_sdk_is_the_same_stream() -> None:
    """With no provider set the protocol holds as well, and what is current is the consumer's."""
    program = """
import asyncio, contextlib, spanguard
from opentelemetry import baggage, context
@spanguard.traced_llm_call
async def ask():
    while True:
        yield baggage.get_baggage("who")
@spanguard.traced_llm_call
def sask():
    heard = None
    while True:
        heard = yield baggage.get_baggage("who"), heard
async def main():
    context.attach(baggage.set_baggage("who", "first"))
    async with contextlib.aclosing(ask()) as stream:
        print(await anext(stream))
        context.attach(baggage.set_baggage("who", "second"))
        print(await anext(stream))
    plain = sask()
    print(next(plain), plain.send(1))
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout.split("\n"), done.stderr) == (["first", "second", "('second', None) ('second', 1)", ""], "")
