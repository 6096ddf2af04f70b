"""Generators: the decorated one behaves like the bare one, step for step, and its call ends exactly once."""

from __future__ import annotations

import contextlib
import contextvars
import gc
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry import trace

from spanguard import association, traced_llm_call, traced_repair
from spanguard._core.leaving import apart
from support import Clock, Telemetry, completion

VERBS: dict[str, Callable[[Any], Any]] = {
    "bare call": traced_llm_call,
    "call": traced_llm_call(model="gpt-5.2"),
    "repair": traced_repair("invoice"),
    "association": association(role="planner"),
    "returned": lambda function: traced_llm_call(model="gpt-5.2")(lambda *args: function(*args)),
}


def obstinate() -> Generator[Any, Any, Any]:
    """Answers everything: values, exceptions, and even being closed, once."""
    heard: Any = "began"
    refused = False
    while True:
        try:
            heard = yield heard
            if heard == "stop":
                return "done"
            if heard == "break":
                raise LookupError("secret")
        except GeneratorExit:
            if refused:
                raise
            heard, refused = "refused", True
        except ValueError as error:
            heard = type(error).__name__


def polite() -> Generator[Any, Any, Any]:
    """Returns a value when it is closed."""
    try:
        while True:
            yield 1
    except GeneratorExit:
        return "closed"


def rude() -> Generator[Any, Any, Any]:
    """Raises when it is closed."""
    try:
        yield 1
    finally:
        raise LookupError("secret")


def delegating() -> Generator[Any, Any, Any]:
    """Hands everything on."""
    return (yield from obstinate())


def broken() -> Generator[Any, Any, Any]:
    """Raises at once."""
    raise StopIteration(7)  # noqa: PLR1708 - Python makes a RuntimeError of it
    yield


Step = Callable[[Any], Any]
SEND: Callable[[Any], Step] = lambda value: lambda stream: stream.send(value)  # noqa: E731
THROW: Callable[[Any], Step] = lambda error: lambda stream: stream.throw(error)  # noqa: E731
CLOSE: Step = lambda stream: stream.close()  # noqa: E731

PROGRAMS: dict[str, tuple[Callable[[], Any], list[Step]]] = {
    "next and send": (obstinate, [next, SEND("a"), SEND("stop"), next, next]),
    "exhausted twice": (polite, [next, CLOSE, next, next, CLOSE]),
    "send before the start": (obstinate, [SEND("a"), next]),
    "throw that is caught": (obstinate, [next, THROW(ValueError()), SEND("a")]),
    "throw of a class": (obstinate, [next, THROW(ValueError), next]),
    "throw that is not caught": (obstinate, [next, THROW(KeyError("x")), next]),
    "throw before the start": (obstinate, [THROW(KeyError("x")), next]),
    "throw of StopIteration": (obstinate, [next, THROW(StopIteration(7)), next]),
    "throw of GeneratorExit that is caught": (obstinate, [next, THROW(GeneratorExit()), next, SEND("stop")]),
    "throw of GeneratorExit": (rude, [next, THROW(GeneratorExit()), next]),
    "throw of GeneratorExit that is answered by a return": (polite, [next, THROW(GeneratorExit())]),
    "throw of no exception": (obstinate, [next, THROW(7), next]),
    "send of an exception": (obstinate, [next, SEND(GeneratorExit()), SEND("stop")]),
    "close": (polite, [next, CLOSE]),
    "close before the start": (polite, [CLOSE, next]),
    "close twice": (polite, [next, CLOSE, CLOSE]),
    "close that is refused": (obstinate, [next, CLOSE, next, SEND("a"), CLOSE, SEND("stop")]),
    "close that raises": (rude, [next, CLOSE, next]),
    "yield from": (delegating, [next, SEND("a"), THROW(ValueError()), SEND("stop")]),
    "yield from that is closed": (delegating, [next, CLOSE, next]),
    "an error": (obstinate, [next, SEND("break"), next]),
    "StopIteration raised inside": (broken, [next, next]),
    "an iteration": (lambda: (n for n in range(3)), [list, list]),
}


def outcomes(stream: Any, program: list[Step], *, leave: bool = False) -> list[Any]:
    """Take each step, and tell what came of it: a value, or an exception with all that it carries."""
    found: list[Any] = []
    for step in program if leave else (*program, CLOSE, CLOSE):  # no refusal is left to the collector, which complains
        try:
            found.append(step(stream))
        except BaseException as error:
            value = getattr(error, "value", None)
            found.append((type(error), repr(error), value, type(error.__cause__), type(error.__context__)))
    return found


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("name", PROGRAMS)
def test_every_step_comes_out_as_without_the_decorator(telemetry: Telemetry, verb: str, name: str) -> None:
    """Values, exceptions with cause and context, return values, Python's own complaints."""
    body, program = PROGRAMS[name]
    assert outcomes(VERBS[verb](body)(), program) == outcomes(body(), program)
    gc.collect()
    assert len(telemetry.spans) <= 1


@pytest.mark.parametrize("verb", VERBS)
def test_yield_from_a_traced_generator_hands_everything_on(telemetry: Telemetry, verb: str) -> None:
    """Also where the traced generator is the inner one."""
    traced = VERBS[verb](obstinate)

    def outer() -> Generator[Any, Any, Any]:
        return (yield from traced())

    program = [next, SEND("a"), THROW(ValueError()), SEND("stop")]
    assert outcomes(outer(), program) == outcomes(obstinate(), program)


ENDINGS: dict[str, tuple[Callable[[], Any], list[Step], tuple[str, str | None, str | None, bool]]] = {
    "completed": (obstinate, [next, SEND("stop")], ("UNSET", None, None, False)),
    "failed": (obstinate, [next, SEND("break")], ("ERROR", "failed", "LookupError", False)),
    "thrown into": (obstinate, [next, THROW(KeyError())], ("ERROR", "failed", "KeyError", False)),
    "closed": (polite, [next, CLOSE], ("UNSET", "cancelled", "GeneratorExit", True)),
    "dropped": (polite, [next], ("UNSET", "cancelled", "GeneratorExit", True)),
    "failed while closing": (rude, [next, CLOSE], ("ERROR", "failed", "LookupError", False)),
    "interrupted": (obstinate, [next, THROW(KeyboardInterrupt())], ("UNSET", "cancelled", "KeyboardInterrupt", False)),
    "refused to close": (obstinate, [next, CLOSE, SEND("stop")], ("UNSET", None, None, False)),
}


@pytest.mark.parametrize("name", ENDINGS)
@pytest.mark.parametrize("verb", ["call", "returned"])
def test_each_stream_ends_once_with_its_own_outcome(telemetry: Telemetry, verb: str, name: str) -> None:
    """Completed, failed, cancelled, closed early: told apart, and told once."""
    body, program, expected = ENDINGS[name]
    stream = VERBS[verb](body)()
    outcomes(stream, program, leave=True)
    del stream
    (span,) = telemetry.spans
    attributes = span.attributes
    early = attributes.get("resilience.stream.closed_early", False)
    found = span.status, attributes.get("resilience.operation.outcome"), attributes.get("error.type"), early
    assert found == expected
    ((_, (count, _)),) = telemetry.metrics()["gen_ai.client.operation.duration"]
    assert count == 1


def test_a_stream_that_is_never_iterated_leaves_nothing(telemetry: Telemetry) -> None:
    """The body of a generator function has not begun, and neither has its call."""
    stream = traced_llm_call(polite)()
    del stream
    assert telemetry.spans == []


def test_a_returned_stream_that_is_never_iterated_is_abandoned(telemetry: Telemetry) -> None:
    """The function ran, so the call began; nobody ever asked for a chunk."""
    stream = traced_llm_call(model="gpt-5.2")(lambda: polite())()
    assert telemetry.spans == []
    del stream
    span = telemetry.span("chat gpt-5.2")
    assert (span["error.type"], span["resilience.stream.chunks"]) == ("stream_abandoned", 0)


def test_a_stream_in_a_reference_cycle_is_abandoned(telemetry: Telemetry) -> None:
    """The collector found it: that is told apart from a consumer that stopped."""
    holder: list[Any] = [traced_llm_call(model="gpt-5.2")(polite)()]
    next(holder[0])
    holder.append(holder)
    del holder
    gc.collect()
    span = telemetry.span("chat gpt-5.2")
    assert (span["error.type"], span["resilience.error.category"]) == ("stream_abandoned", "cancelled")
    assert (span.status, span["resilience.operation.outcome"]) == ("UNSET", "cancelled")
    assert span["resilience.stream.closed_early"] is True


def test_a_break_closes_the_stream(telemetry: Telemetry) -> None:
    """CPython closes a generator that nobody refers to at once."""
    for _ in traced_llm_call(model="gpt-5.2")(polite)():
        break
    assert telemetry.span("chat gpt-5.2")["error.type"] == "GeneratorExit"


def test_a_stream_open_at_exit_is_told() -> None:
    """It is ended before the providers shut down, and nothing is printed."""
    program = """
import spanguard
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(ConsoleSpanExporter(formatter=lambda s: s.attributes["error.type"] + "\\n")))
trace.set_tracer_provider(provider)
@spanguard.traced_llm_call(model="gpt-5.2")
def ask():
    try:
        yield 1
        yield 2
    finally:
        pass
@spanguard.traced_llm_call(model="gpt-5.2")
async def aask():
    yield 1
stream = ask()
next(stream)
astream = aask()
try:
    astream.asend(None).send(None)
except StopIteration:
    pass
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("stream_abandoned\nstream_abandoned\n", "")


def current() -> str:
    """Name of the current span, or nothing."""
    return getattr(trace.get_current_span(), "name", "")


def test_what_the_collector_sweeps_sets_no_context_variable(telemetry: Telemetry) -> None:
    """Before Python 3.12 a collection in the middle of `ContextVar.set` would crash the interpreter a little later."""
    variable = contextvars.ContextVar("variable", default="untouched")
    seen: list[str] = []

    class Ending:
        def __del__(self) -> None:
            apart(variable.set, "by a processor of spans, say")

    @traced_llm_call(model="gpt-5.2")
    def body() -> Iterator[int]:
        try:
            yield 1
        finally:
            seen.append(current())

    holder: list[Any] = [body(), Ending()]
    next(holder[0])
    holder.append(holder)
    del holder
    gc.collect()
    assert (seen, variable.get(), current()) == ([""], "untouched", "")
    assert telemetry.span("chat gpt-5.2")["error.type"] == "stream_abandoned"


def test_a_span_that_the_body_opens_stays_in_the_body(telemetry: Telemetry) -> None:
    """Across chunks it is current in the body and its children are its own; the consumer sees neither it nor the call's."""
    tracer = trace.get_tracer("test")

    @traced_llm_call(model="gpt-5.2")
    def ask() -> Iterator[str]:
        with tracer.start_as_current_span("inside"):
            yield current()
            yield current()
        yield current()

    seen: list[str] = []
    with tracer.start_as_current_span("consumer"):
        for chunk in ask():
            seen += [chunk, current()]
    assert seen == ["inside", "consumer", "inside", "consumer", "chat gpt-5.2", "consumer"]
    assert ("inside", "chat gpt-5.2") in telemetry.tree


@pytest.mark.parametrize("end", ["break", "close", "throw", "keep"])
def test_a_later_span_is_no_child_of_a_stream(telemetry: Telemetry, end: str) -> None:
    """However the stream was left, and even with a span of the body's own open in it."""
    tracer = trace.get_tracer("test")

    @traced_llm_call(model="gpt-5.2")
    def ask() -> Iterator[int]:
        with tracer.start_as_current_span("inside"):
            yield 1
            yield 2

    stream: Any = ask()
    next(stream)
    if end == "close":
        stream.close()
    if end == "throw":
        with pytest.raises(KeyError):
            stream.throw(KeyError())
    if end == "break":
        del stream
    tracer.start_span("later").end()
    assert telemetry.span("later").parent is None


def test_two_streams_interleave(telemetry: Telemetry) -> None:
    """Each body sees its own call; in whatever order they end."""

    @traced_llm_call
    def ask(model: str) -> Iterator[str]:
        yield current()
        yield current()

    first, second = ask("gpt-5.2"), ask("gpt-5.2-mini")
    seen = [next(first), next(second), next(first), current(), next(second), list(first), list(second), current()]
    assert seen == ["chat gpt-5.2", "chat gpt-5.2-mini", "chat gpt-5.2", "", "chat gpt-5.2-mini", [], [], ""]
    assert [span.parent for span in telemetry.spans] == [None, None]


VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


def test_context_variables_behave_as_without_the_decorator(telemetry: Telemetry) -> None:
    """What a body sets its consumer sees, as generators have it; what the consumer sets the body sees."""

    def body() -> Iterator[str]:
        VARIABLE.set("body")
        yield VARIABLE.get()
        yield VARIABLE.get()

    def run(function: Callable[[], Iterator[str]]) -> list[str]:
        stream = function()
        seen = [next(stream), VARIABLE.get()]
        VARIABLE.set("consumer")
        return [*seen, next(stream)]

    bare, traced = contextvars.copy_context().run(run, body), contextvars.copy_context().run(run, traced_llm_call(body))
    assert traced == bare == ["body", "body", "consumer"]


def test_a_stream_is_driven_from_several_threads(telemetry: Telemetry) -> None:
    """Each chunk in another thread, as thread pools of web servers do it; the body always sees its call."""

    @traced_llm_call(model="gpt-5.2")
    def ask() -> Iterator[str]:
        for _ in range(20):
            yield current()

    stream, seen = ask(), []
    with ThreadPoolExecutor(4) as pool:
        seen.extend(pool.submit(contextvars.copy_context().run, next, stream).result() for _ in range(20))
        assert pool.submit(current).result() == ""
    assert list(stream) == []
    assert seen == ["chat gpt-5.2"] * 20
    assert telemetry.span("chat gpt-5.2")["resilience.stream.chunks"] == 20


def test_a_running_generator_cannot_be_entered_or_closed(telemetry: Telemetry) -> None:
    """From another thread or from itself: Python's own ValueError, and the stream goes on."""
    inside, leave = threading.Event(), threading.Event()

    @traced_llm_call(model="gpt-5.2")
    def ask() -> Iterator[str]:
        inside.set()
        leave.wait(60)
        yield "one"
        try:
            stream.close()
        except ValueError as error:
            yield str(error)

    stream: Any = ask()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(next, stream)
        inside.wait(60)
        for step in (next, CLOSE):
            with pytest.raises(ValueError, match="generator already executing"):
                step(stream)
        leave.set()
        assert first.result() == "one"
    assert list(stream) == ["generator already executing"]
    assert telemetry.span("chat gpt-5.2").status == "UNSET"


@pytest.mark.parametrize("count", [0, 1, 2, 63, 64, 65, 200])
def test_chunks_are_counted_exactly_and_timed(telemetry: Telemetry, clock: Clock, count: int) -> None:
    """Time to the first chunk, mean time for each of the others; a stream without chunks has neither."""

    @traced_llm_call(model="gpt-5.2")
    def ask() -> Iterator[int]:
        clock.move(2)
        for number in range(count):
            yield number
            clock.move(1)

    assert len(list(ask())) == count
    span, points = telemetry.span("chat gpt-5.2"), telemetry.metrics()
    assert span["resilience.stream.chunks"] == count
    assert span.attributes.get("gen_ai.response.time_to_first_chunk") == (2.0 if count else None)
    assert ("gen_ai.client.operation.time_to_first_chunk" in points) == (count > 0)
    per_chunk = points.get("gen_ai.client.operation.time_per_output_chunk")
    assert per_chunk is None if count < 2 else per_chunk is not None and per_chunk[0][1] == (1, 1.0)


def test_a_recursive_stream_counts_tokens_once(telemetry: Telemetry) -> None:
    """Each level is a call with its chunks; the usage is that of the innermost."""

    @traced_llm_call(model="gpt-5.2")
    def ask(depth: int) -> Iterator[Any]:
        if depth:
            yield from ask(depth - 1)
        else:
            yield completion(10, 5)

    assert len(list(ask(2))) == 1
    assert [span["resilience.stream.chunks"] for span in telemetry.spans] == [1, 1, 1]
    assert sorted(value for _, value in telemetry.metrics()["gen_ai.client.token.usage"]) == [(1, 5), (1, 10)]


def test_an_exception_leaves_no_cycle_behind(telemetry: Telemetry) -> None:
    """What was thrown in and came out is freed when its handler ends, as without the decorator."""

    class Tracked(Exception):
        freed = False

        def __del__(self) -> None:
            type(self).freed = True

    stream: Any = traced_llm_call(model="gpt-5.2")(obstinate)()
    next(stream)
    gc.disable()
    try:
        with contextlib.suppress(Tracked):
            stream.throw(Tracked())
        assert Tracked.freed
    finally:
        gc.enable()
