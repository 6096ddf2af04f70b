"""What a function returns and works on: SDK streams, iterators of any class, coroutines, tasks, futures; the same objects."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import copy
import gc
import inspect
import io
import pickle
import threading
import weakref
from abc import ABCMeta
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Generic, TypeVar

import pytest
from opentelemetry import trace

from spanguard import traced_llm_call, traced_repair
from support import Clock, Telemetry, completion

T = TypeVar("T")
ask = traced_llm_call(model="gpt-5.2")


def current() -> str:
    """Name of the current span, or nothing."""
    return getattr(trace.get_current_span(), "name", "")


def ending(telemetry: Telemetry) -> tuple[Any, ...]:
    """Tell how the one call ended, and after how many chunks."""
    (span,) = telemetry.spans
    attributes = span.attributes
    outcome, error = attributes.get("resilience.operation.outcome"), attributes.get("error.type")
    return span.status, outcome, error, attributes.get("resilience.stream.chunks")


class Counter:
    """An iterator as anybody writes it."""

    def __init__(self, chunks: list[Any]) -> None:
        self.chunks = chunks
        self.closed = False

    def __iter__(self) -> Counter:
        return self

    def __next__(self) -> Any:
        if not self.chunks:
            raise StopIteration
        chunk = self.chunks.pop(0)
        if isinstance(chunk, BaseException):
            raise chunk
        return chunk() if callable(chunk) else chunk

    def close(self) -> str:
        self.closed = True
        return "closed"

    def __enter__(self) -> Counter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Slotted(Counter):
    """Has slots besides."""

    __slots__ = ("more",)


class Typed(Counter, Generic[T]):
    """Is generic."""


class Registered(Counter):
    """Registers its subclasses."""

    known: list[str] = []

    def __init_subclass__(cls) -> None:
        cls.known.append(cls.__name__)


class Small:
    """Has no dictionary and cannot be referred to weakly."""

    __slots__ = ("left",)

    def __init__(self, chunks: list[Any]) -> None:
        self.left = list(chunks)

    def __iter__(self) -> Small:
        return self

    def __next__(self) -> Any:
        if self.left:
            return self.left.pop(0)
        raise StopIteration

    def __setattr__(self, name: str, value: object) -> None:
        if name != "left":
            raise AttributeError("frozen")
        object.__setattr__(self, name, value)


class Handing(Counter):
    """Hands out a generator to iterate over."""

    def __iter__(self) -> Any:
        while self.chunks:
            yield self.chunks.pop(0)


class Generating(Counter):
    """Iterates over a generator in `_iterator`, as the streams of openai and anthropic do."""

    def __init__(self, chunks: list[Any]) -> None:
        super().__init__(chunks)
        self._iterator: Any = (chunk() if callable(chunk) else chunk for chunk in chunks)

    def __next__(self) -> Any:
        return next(self._iterator)


ITERATORS = [Counter, Slotted, Typed, Small, Handing, Generating]


@pytest.mark.parametrize("kind", ITERATORS)
def test_an_iterator_is_followed_and_stays_the_same_object(telemetry: Telemetry, kind: Any) -> None:
    """To its last chunk, where its usage is; then it is in every respect what it was."""
    stream = kind([1, 2, completion(10, 5)])
    returned = ask(lambda: stream)()
    assert returned is stream
    assert isinstance(returned, kind)
    assert returned.__class__ is kind
    assert (type(returned).__name__, type(returned).__module__) == (kind.__name__, __name__)
    assert telemetry.spans == []
    assert len(list(returned)) == 3
    assert type(stream) is kind
    assert ending(telemetry) == ("UNSET", None, None, 3)
    assert telemetry.spans[0]["gen_ai.usage.output_tokens"] == 5


def test_a_class_that_registers_its_subclasses_is_left_alone(telemetry: Telemetry) -> None:
    """A subclass of ours would stand in its registry; the call ends with the function."""
    assert list(ask(lambda: Registered([1]))()) == [1]
    assert Registered.known == []
    assert ending(telemetry) == ("UNSET", None, None, None)


def test_the_span_is_current_in_an_iterator_and_not_in_its_consumer(telemetry: Telemetry) -> None:
    """For each chunk anew."""
    stream = ask(lambda: Counter([current, current]))()
    assert (next(stream), current(), next(stream), current()) == ("chat gpt-5.2", "", "chat gpt-5.2", "")


_SEEN: contextvars.ContextVar[str] = contextvars.ContextVar("_SEEN", default="")


def test_the_generator_inside_an_sdks_stream_works_in_the_call_and_leaves_its_consumers_context_alone(
    telemetry: Telemetry,
) -> None:
    """It sees what was set when it was first read, and sets nothing outside."""

    def within() -> tuple[str, str]:
        seen = _SEEN.get()
        _SEEN.set("within")
        return current(), seen

    stream = ask(lambda: Generating([within, within]))()
    _SEEN.set("before")
    assert (next(stream), current()) == (("chat gpt-5.2", "before"), "")
    _SEEN.set("after")
    assert (next(stream), current()) == (("chat gpt-5.2", "within"), "")
    assert list(stream) == []
    assert _SEEN.get() == "after"


def answering(stream: Any) -> Iterator[Any]:
    """Answer what is thrown in with one more chunk, and what is thrown in next with an error of its own."""
    try:
        yield 1
    except KeyError:
        yield current()
        stream.closed = True
    yield 3


def test_what_is_thrown_into_an_sdks_stream_is_for_the_generator_inside(telemetry: Telemetry) -> None:
    """It may go on, and ends with what it lets through."""
    stream = Generating([])
    stream._iterator = answering(stream)
    assert next(ask(lambda: stream)()) == 1
    assert (stream._iterator.throw(KeyError()), current()) == ("chat gpt-5.2", "")
    assert (next(stream), stream.closed) == (3, True)
    with pytest.raises(ZeroDivisionError):
        stream._iterator.throw(ZeroDivisionError())
    assert ending(telemetry) == ("ERROR", "failed", "ZeroDivisionError", 3)


def stubborn() -> Iterator[int]:
    """Refuse to be closed."""
    while True:
        try:
            yield 1
        except GeneratorExit:
            yield 2


def test_a_generator_inside_an_sdks_stream_that_refuses_to_be_closed_says_so(telemetry: Telemetry) -> None:
    """By Python's own error."""
    stream = Generating([])
    stream._iterator = stubborn()
    next(ask(lambda: stream)())
    with pytest.raises(RuntimeError, match="ignored GeneratorExit"):
        stream._iterator.close()
    assert ending(telemetry) == ("ERROR", "failed", "RuntimeError", 1)


def by_close(stream: Any) -> None:
    """Call close."""
    assert stream.close() == "closed"


def by_with(stream: Any) -> None:
    """Use it in a with statement."""
    with stream:
        pass


def by_exit_of_an_error(stream: Any) -> None:
    """Leave the with statement by an exception."""
    with pytest.raises(KeyError), stream:
        raise KeyError


@pytest.mark.parametrize("way_out", [by_close, by_with, by_exit_of_an_error])
def test_closing_an_iterator_ends_the_call(telemetry: Telemetry, way_out: Callable[[Any], None]) -> None:
    """Once, as closed early by its consumer; the iterator can be used on, and is followed no more."""
    stream = ask(lambda: Counter([1, 2, 3]))()
    next(stream)
    way_out(stream)
    assert stream.closed
    assert type(stream) is Counter
    assert list(stream) == [2, 3]
    assert ending(telemetry) == ("UNSET", "cancelled", "GeneratorExit", 1)


def test_an_iterator_that_raises_has_failed(telemetry: Telemetry) -> None:
    """The same exception reaches the consumer."""
    error = ConnectionError("secret")
    stream = ask(lambda: Counter([1, error]))()
    with pytest.raises(ConnectionError) as caught:
        list(stream)
    assert caught.value is error
    assert ending(telemetry) == ("ERROR", "failed", "ConnectionError", 1)


@pytest.mark.parametrize("kind", [Counter, Small])
def test_an_iterator_that_is_dropped_ends_the_call(telemetry: Telemetry, kind: Any) -> None:
    """By its consumer, or by the collector, which found it in a cycle."""
    stream = ask(lambda: kind([1, 2]))()
    next(stream)
    del stream
    assert ending(telemetry) == ("UNSET", "cancelled", "GeneratorExit", 1)


def test_an_iterator_in_a_cycle_is_abandoned(telemetry: Telemetry) -> None:
    """The collector found it."""
    stream = ask(lambda: Counter([1, 2]))()
    stream.chunks.append(stream)
    del stream
    gc.collect()
    assert ending(telemetry) == ("UNSET", "cancelled", "stream_abandoned", 0)


def test_a_followed_iterator_is_copied_and_pickled_as_what_it_was(telemetry: Telemetry) -> None:
    """The copies are followed by nobody."""
    stream = ask(lambda: Counter([1, 2]))()
    for again in (copy.copy(stream), copy.deepcopy(stream), pickle.loads(pickle.dumps(stream))):
        assert type(again) is Counter
        assert again.chunks == [1, 2]
    assert list(stream) == [1, 2]
    assert ending(telemetry) == ("UNSET", None, None, 2)


@pytest.mark.parametrize("result", [iter([1, 2]), map(str, [1, 2]), io.StringIO("text")], ids=lambda r: type(r).__name__)
def test_an_iterator_that_cannot_be_followed_is_returned_as_it_is(telemetry: Telemetry, result: Any) -> None:
    """Those of Python itself: the call ends with the function."""
    kind = type(result)
    assert ask(lambda: result)() is result
    assert type(result) is kind
    assert ending(telemetry) == ("UNSET", None, None, None)


def test_other_verbs_leave_an_iterator_alone(telemetry: Telemetry) -> None:
    """Only what a model answers is a stream of a call."""
    stream = Counter([1])
    assert type(traced_repair("invoice")(lambda: stream)()) is Counter


class Introspective(Counter):
    """Asks what it is while it works, counts in its class, and calls up by its type."""

    served = 0

    def __next__(self) -> Any:
        assert type(self) is self.__class__ is Introspective
        type(self).served += 1
        return super(type(self), self).__next__()

    def close(self, *, reason: str = "") -> str:  # type: ignore[override]
        return f"{type(self).__name__} {reason}"


def test_an_iterator_is_what_it_is_while_its_own_code_runs(telemetry: Telemetry) -> None:
    """Its type, its place in the order of classes, and what it keeps in its class are its own."""
    Introspective.served = 0
    stream = ask(lambda: Introspective([1, 2, 3]))()
    assert [next(stream), next(stream)] == [1, 2]
    assert Introspective.served == 2
    assert stream.close(reason="done") == "Introspective done"
    assert ending(telemetry) == ("UNSET", "cancelled", "GeneratorExit", 2)


class Ended(Counter):
    """What a stream may become."""


class Changing(Counter):
    """Becomes something else when it has given its last chunk."""

    def __next__(self) -> Any:
        chunk = super().__next__()
        if not self.chunks:
            self.__class__ = Ended  # type: ignore[assignment]
        return chunk


def test_an_iterator_may_change_its_class(telemetry: Telemetry) -> None:
    """Itself or by others: it is followed no more, and stays what it has become."""
    stream = ask(lambda: Changing([1, 2]))()
    assert list(stream) == [1, 2]
    assert type(stream) is Ended
    assert ending(telemetry) == ("UNSET", None, None, 2)
    telemetry.clear()
    stream = ask(lambda: Counter([1, 2]))()
    stream.__class__ = Ended
    assert type(stream) is Ended
    assert ending(telemetry) == ("UNSET", None, None, 0)


def test_a_method_that_is_exchanged_later_is_the_one_that_runs(telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    """As other instrumentations do with the streams of SDKs."""
    list(ask(lambda: Counter([1]))())
    stream = ask(lambda: Counter([1, 2]))()
    monkeypatch.setattr(Counter, "__next__", lambda self: self.chunks.pop() * 10)
    assert next(stream) == 20


class Registering(ABCMeta):
    """Keeps a registry of its classes."""

    known: list[str] = []

    def __init__(cls, name: str, *args: Any) -> None:
        super().__init__(name, *args)
        Registering.known.append(name)


class Known(Counter, metaclass=Registering):
    """Is registered."""


def test_a_metaclass_that_may_keep_a_registry_gets_no_class_of_ours(telemetry: Telemetry) -> None:
    """The call ends with the function."""
    assert list(ask(lambda: Known([1]))()) == [1]
    assert Registering.known == ["Known"]
    assert ending(telemetry) == ("UNSET", None, None, None)


class Pointing(Counter):
    """Hands out another iterator."""

    other: Any = None

    def __iter__(self) -> Any:
        return self.other


@pytest.mark.parametrize(("other", "chunks"), [(lambda: Counter([1, 2]), 2), (lambda: iter([1, 2]), None)])
def test_an_iterator_that_hands_out_another_is_followed_there(telemetry: Telemetry, other: Any, chunks: int | None) -> None:
    """Or, where that one cannot be followed, no further than to there."""
    stream = Pointing([])
    stream.other = other()
    assert list(ask(lambda: stream)()) == [1, 2]
    assert (type(stream), type(stream.other)) == (Pointing, type(other()))
    outcome = ending(telemetry)
    assert (outcome[0], outcome[1], outcome[2]) == ("UNSET", None, None)


class Waiting(Counter):
    """Waits for a signal in the middle of a step."""

    def __init__(self) -> None:
        super().__init__([])
        self.entered, self.go = threading.Event(), threading.Event()

    def __next__(self) -> Any:
        if self.closed:
            raise StopIteration
        if not self.entered.is_set():
            self.entered.set()
            assert self.go.wait(10)
            return 1
        return 2


def test_an_iterator_may_be_stepped_by_several_threads(telemetry: Telemetry) -> None:
    """What one thread does while another is inside is not heard, and disturbs neither."""
    stream = ask(Waiting)()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        first = pool.submit(next, stream)
        assert stream.entered.wait(10)
        assert next(stream) == 2
        stream.go.set()
        assert first.result() == 1
    assert (next(stream), current()) == (2, "")
    stream.closed = True
    assert list(stream) == []
    assert type(stream) is Waiting
    assert ending(telemetry) == ("UNSET", None, None, 2)


def test_an_iterator_is_followed_once_however_often_it_is_returned(telemetry: Telemetry) -> None:
    """The first call follows it; the second ends with the function."""
    stream = Counter([1, 2])
    assert ask(lambda: ask(lambda: stream)())() is stream
    assert len(telemetry.spans) == 1
    assert list(stream) == [1, 2]
    assert len(telemetry.spans) == 2


def test_a_frozen_object_around_a_generator_is_followed(telemetry: Telemetry) -> None:
    """Its own `__setattr__` is not asked."""

    class Frozen(Generating):
        def __setattr__(self, name: str, value: object) -> None:
            if name in vars(self):
                raise AttributeError("frozen")
            object.__setattr__(self, name, value)

    assert list(ask(lambda: Frozen([1, 2]))()) == [1, 2]
    assert ending(telemetry) == ("UNSET", None, None, 2)


class AsyncCounter:
    """The same for `async for`."""

    def __init__(self, chunks: list[Any]) -> None:
        self.chunks = chunks

    def __aiter__(self) -> AsyncCounter:
        return self

    async def __anext__(self) -> Any:
        await asyncio.sleep(0)
        if not self.chunks:
            raise StopAsyncIteration
        return self.chunks.pop(0)

    async def close(self) -> None:
        await asyncio.sleep(0)

    async def __aenter__(self) -> AsyncCounter:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class AsyncGenerating(AsyncCounter):
    """Iterates over an async generator in `_iterator`, as the async streams of openai and anthropic do."""

    def __init__(self, chunks: list[Any]) -> None:
        super().__init__(chunks)
        self._iterator = self._generate()

    async def _generate(self) -> AsyncIterator[Any]:
        while self.chunks:
            yield self.chunks.pop(0)

    async def __anext__(self) -> Any:
        return await self._iterator.__anext__()  # type: ignore[attr-defined]


class AsyncHanding(AsyncCounter):
    """Hands out an async generator."""

    async def _generate(self) -> AsyncIterator[Any]:
        while self.chunks:
            yield self.chunks.pop(0)

    def __aiter__(self) -> Any:
        return self._generate()


@pytest.mark.parametrize("way_out", ["read", "closed"])
def test_an_object_around_a_generator_has_its_own_close_again(telemetry: Telemetry, way_out: str) -> None:
    """When its stream has ended; it is freed as soon as nobody has it, and not by the collector."""
    stream: Any = ask(lambda: Generating([1, 2]))()
    assert (stream.close.__name__, stream.close.__doc__) == ("close", Generating.close.__doc__)
    if way_out == "closed":
        next(stream)
        assert stream.close() == "closed"
    assert list(stream) == ([2] if way_out == "closed" else [1, 2])
    assert "close" not in vars(stream)
    freed = weakref.ref(stream)
    gc.disable()
    try:
        del stream
        assert freed() is None
    finally:
        gc.enable()


def test_an_object_with_a_close_of_its_own_keeps_it(telemetry: Telemetry) -> None:
    """One that somebody put there, on this object alone."""
    stream: Any = Generating([1, 2])
    stream.close = own = lambda: "own"
    assert ask(lambda: stream)() is stream
    assert stream.close() == "own"
    assert ending(telemetry) == ("UNSET", "cancelled", "GeneratorExit", 0)
    assert list(stream) == [1, 2]
    assert stream.close is own


@pytest.mark.parametrize("kind", [AsyncCounter, AsyncGenerating, AsyncHanding])
def test_an_async_iterator_is_followed_and_stays_the_same_object(telemetry: Telemetry, kind: Any) -> None:
    """Returned by a `def` or by an `async def`."""

    async def main() -> None:
        for way in (_now, _later):
            telemetry.clear()
            stream = kind([1, 2, completion(10, 5)])
            returned = ask(way(stream))()
            returned = await returned if inspect.isawaitable(returned) else returned
            assert returned is stream
            assert len([chunk async for chunk in returned]) == 3
            assert type(stream) is kind
            assert ending(telemetry) == ("UNSET", None, None, 3)
            assert current() == ""

    asyncio.run(main())


def _now(result: Any) -> Callable[[], Any]:
    return lambda: result


def _later(result: Any) -> Callable[[], Any]:
    async def later() -> Any:
        return result

    return later


def test_closing_an_async_iterator_ends_the_call(telemetry: Telemetry) -> None:
    """By `async with`, or by `await close()`."""

    async def main() -> None:
        async with ask(lambda: AsyncCounter([1, 2]))() as stream:
            await stream.__anext__()

    asyncio.run(main())
    assert ending(telemetry) == ("UNSET", "cancelled", "GeneratorExit", 1)


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning")
def test_a_coroutine_that_is_never_awaited_is_abandoned(telemetry: Telemetry) -> None:
    """Python warns of it under its own name, and the call does not stay open."""

    async def work() -> None: ...

    coroutine = ask(lambda: work())()
    assert coroutine.__qualname__ == work.__qualname__
    del coroutine
    assert ending(telemetry)[:3] == ("UNSET", "cancelled", "stream_abandoned")


@pytest.mark.parametrize("make", [asyncio.create_task, asyncio.ensure_future, lambda work: asyncio.gather(work)])
def test_a_task_is_the_same_task_and_ends_the_call(telemetry: Telemetry, clock: Clock, make: Callable[..., Any]) -> None:
    """Whether it is awaited or not; what it does is inside the call."""
    seen: list[Any] = []

    async def work() -> Any:
        await asyncio.sleep(0)
        clock.move(2)
        return completion(10, 5), current()

    def start() -> Any:
        seen.append(make(work()))
        return seen[0]

    async def main() -> None:
        task = traced_llm_call(model="gpt-5.2", reader=lambda result: result[0])(start)()
        assert task is seen[0]
        await task

    asyncio.run(main())
    assert telemetry.span("chat gpt-5.2").end == 2.0


@pytest.mark.parametrize(("how", "expected"), [("raise", ("ERROR", "failed")), ("cancel", ("UNSET", "cancelled"))])
def test_a_task_that_fails_or_is_cancelled_says_so(telemetry: Telemetry, how: str, expected: tuple[str, str]) -> None:
    """And asyncio still warns of an exception that nobody retrieved."""
    warned: list[Any] = []

    async def work() -> None:
        await asyncio.sleep(0)
        raise ConnectionError("secret")

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: warned.append(context["message"]))
        task = ask(lambda: asyncio.create_task(work()))()
        if how == "cancel":
            task.cancel("why")
        await asyncio.wait([task])
        await asyncio.sleep(0)

    asyncio.run(main())
    gc.collect()
    assert ending(telemetry)[:2] == expected
    assert warned == (["Task exception was never retrieved"] if how == "raise" else [])


@pytest.mark.parametrize("how", ["return", "raise", "cancel"])
def test_a_future_of_a_pool_ends_the_call(telemetry: Telemetry, how: str) -> None:
    """It is the pool's own object; its work may run in the call's context."""

    def work() -> Any:
        if how == "raise":
            raise ConnectionError("secret")
        return completion(10, 5)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        future = ask(lambda: concurrent.futures.Future() if how == "cancel" else pool.submit(_in_context(work)))()
        assert type(future) is concurrent.futures.Future
        if how == "cancel":
            assert future.cancel()
    (span,) = telemetry.spans
    expected = {"return": ("UNSET", None), "raise": ("ERROR", "failed"), "cancel": ("UNSET", "cancelled")}[how]
    assert (span.status, span.attributes.get("resilience.operation.outcome")) == expected


def _in_context(work: Callable[[], Any]) -> Callable[[], Any]:
    context = contextvars.copy_context()
    return lambda: context.run(work)


@pytest.mark.parametrize("way", ["thread", "pool", "to_thread", "executor"])
def test_work_in_another_thread_is_inside_the_call(telemetry: Telemetry, way: str) -> None:
    """Wherever the context goes, as everywhere in OpenTelemetry: `to_thread` takes it along, a pool is given it."""

    @ask
    async def call() -> str:
        loop, context = asyncio.get_running_loop(), contextvars.copy_context()
        if way == "to_thread":
            return await asyncio.to_thread(current)
        if way == "executor":
            return await loop.run_in_executor(None, context.run, current)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            if way == "pool":
                return pool.submit(context.run, current).result()
            return pool.submit(context.copy().run, current).result()

    assert asyncio.run(call()) == "chat gpt-5.2"
    assert current() == ""


def test_a_stream_that_was_iterated_over_before_is_followed_from_there(telemetry: Telemetry) -> None:
    """What a function returns need not be fresh."""

    def started() -> Iterator[int]:
        chunks = (number for number in range(3))
        next(chunks)
        return chunks

    assert list(ask(started)()) == [1, 2]
    assert ending(telemetry) == ("UNSET", None, None, 2)


class SdkStream:
    """As the SDKs' async streams are."""

    def __init__(self) -> None:
        self._iterator = self._chunks()

    async def _chunks(self) -> AsyncIterator[Any]:
        for number in range(3):
            await asyncio.sleep(0)
            yield {**completion(10, 5), "usage": completion(10, 5)["usage"] if number == 2 else None}

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._iterator

    async def __anext__(self) -> Any:
        return await self._iterator.__anext__()


def test_a_coroutine_that_resolves_to_a_stream_is_followed_to_the_streams_end(telemetry: Telemetry) -> None:
    """As the async clients of SDKs do whose `create` is a plain function."""

    async def make() -> SdkStream:
        await asyncio.sleep(0)
        return SdkStream()

    async def main() -> None:
        stream = await traced_llm_call(model="gpt-5.2")(lambda: make())()
        gc.collect()
        assert len([chunk async for chunk in stream]) == 3

    asyncio.run(main())
    assert ending(telemetry) == ("UNSET", None, None, 3)
    assert telemetry.span("chat gpt-5.2")["gen_ai.usage.output_tokens"] == 5
