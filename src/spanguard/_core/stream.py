"""Follow a stream to its end: the scope is current while the stream works, and never while its consumer does.

The stream stays what it was. A generator becomes a generator with the whole protocol (send, throw, close, return value); an
SDK's stream object, an iterator, a task or a future is the same object, followed inside.

The drivers hand whatever they are sent or thrown to the generator that it was meant for, `GeneratorExit` included, so that
Python's own rules hold for what it answers. They keep the context of the generator between chunks, with whatever spans it
has opened by itself, and leave their consumer's untouched.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, Protocol, cast

from spanguard._core.border import quiet
from spanguard._core.iterator import follow_iterator
from spanguard._core.leaving import Hold, aleft, left
from spanguard._core.scope import Scope
from spanguard._core.switch import PASSING, leave, switch


class _Future(Protocol):
    def add_done_callback(self, callback: Callable[[_Future], object], /) -> object: ...

    def cancelled(self) -> bool: ...

    def exception(self) -> BaseException | None: ...

    def result(self) -> object: ...


def conclude(result: object, scope: Scope) -> object:
    """Return the result of a traced function; its scope ends now, or with the stream if the result is one."""
    followed = _follow(result, scope)
    if followed is not None:
        return followed
    scope.returned(result)
    scope.finish()
    return result


@quiet
def _follow(result: object, scope: Scope) -> object:
    """Return what to hand out instead of a result that works on, or None for a result that is complete."""
    if isinstance(result, (GeneratorType, AsyncGeneratorType)):
        hold = Hold(scope)
        drive = driver if isinstance(result, GeneratorType) else async_driver
        return _alike(result, drive(lambda: (result, hold))())
    if isinstance(result, CoroutineType):
        return _alike(result, _wait(result, Hold(scope, chunks=False)))
    cls = type(result)
    if hasattr(cls, "add_done_callback") and hasattr(cls, "cancelled"):
        cast("_Future", result).add_done_callback(lambda future: _done(future, scope))
        return result
    return _follow_object(result, scope) if hasattr(cls, "__next__") or hasattr(cls, "__anext__") else None


def _follow_object(result: object, scope: Scope) -> object:
    # The streams of the openai and anthropic SDKs iterate over a generator in `_iterator`, whoever iterates over them.
    inner: object = getattr(result, "_iterator", None)
    if isinstance(inner, (GeneratorType, AsyncGeneratorType)):
        result._iterator = _follow(inner, scope)  # type: ignore[attr-defined]
        return result
    return result if follow_iterator(result, scope, _follow) else None


def _alike(original: Any, followed: Any) -> object:
    # The names are what "coroutine 'ask' was never awaited" says.
    followed.__name__, followed.__qualname__ = original.__name__, original.__qualname__
    return followed


async def _wait(inner: Coroutine[Any, Any, object], hold: Hold) -> object:
    """Await a coroutine inside the scope, which ends with it, or with the stream that it resolves to."""
    scope = hold.scope
    scope.resume()
    try:
        result = conclude(await inner, scope)
    except BaseException as error:
        scope.finish(error)
        raise
    else:
        hold.release()  # a stream has a hold of its own
        return result
    finally:
        scope.suspend()


@quiet
def _done(future: _Future, scope: Scope) -> None:
    if future.cancelled():
        home = "asyncio" if hasattr(future, "get_loop") else "concurrent.futures"
        scope.finish(importlib.import_module(home).CancelledError())
        return
    # `exception()` would tell asyncio that somebody has seen the error, and it would no longer warn of one that nobody saw.
    error: BaseException | None = getattr(future, "_exception", None)
    if error is None:
        try:
            scope.returned(future.result())
        except BaseException as raised:
            error = raised
    scope.finish(error)


Start = Callable[..., tuple[Any, Hold]]
"""Gives a generator, and what holds the scope that it runs in."""


def driver(start: Start) -> Callable[..., Generator[Any, Any, Any]]:
    """Return a generator function that runs, inside a scope, the generator that ``start`` gives it."""

    def drive(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        inner, hold = start(*args, **kwargs)
        scope, take = hold.scope, hold.take
        context = scope.inner
        current, put, back = switch() if scope.started else PASSING
        send, throw, argument, closing = inner.send, inner.throw, None, None
        step = send
        while True:
            token = put(context)
            try:
                item = step(argument)
            except StopIteration as stop:
                scope.returned(stop.value)
                _end(scope, None, closing and left(closing))
                return stop.value
            except BaseException as raised:
                _end(scope, raised, closing and left(closing))
                raise
            finally:
                argument = closing = None
                context = current()
                back(token)
            if take is not None:
                take(item)
            try:
                argument = yield item
                step = send
            # It goes to the generator that it was meant for.
            except GeneratorExit as thrown:
                step, argument, closing = throw, thrown, thrown
            except BaseException as thrown:
                step, argument = throw, thrown

    return drive


def async_driver(start: Start) -> Callable[..., AsyncGenerator[Any, Any]]:
    """Return an async generator function that runs, inside a scope, the async generator that ``start`` gives it.

    A function that makes generators, and not one generator: an async generator cannot delegate to another one.
    """

    async def adrive(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        inner, hold = start(*args, **kwargs)
        scope, take = hold.scope, hold.take
        context = scope.inner
        switching = switch() if scope.started else PASSING
        put, closing = switching[1], None
        pending: Any = _first(inner)
        while True:
            token = hold.token = put(context)
            try:
                item = await pending
            except StopAsyncIteration:
                _end(scope, None, closing and aleft(closing))
                return
            except BaseException as raised:
                _end(scope, raised, closing and aleft(closing))
                raise
            finally:
                closing = pending = None
                context = leave(switching, token, context)
            if take is not None:
                take(item)
            try:
                pending = inner.asend((yield item))
            # It goes to the generator that it was meant for.
            except GeneratorExit as thrown:
                pending, closing = inner.athrow(thrown), thrown
            except BaseException as thrown:
                pending = inner.athrow(thrown)

    return adrive


def _first(inner: AsyncGenerator[Any, Any]) -> Awaitable[Any]:
    # Of two generators the event loop, and the collector, would close both, and they collide: the inner one is ours to close.
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, _leave)
    try:
        return inner.asend(None)
    finally:
        sys.set_asyncgen_hooks(*hooks)


def _leave(_inner: object) -> None:
    """Do nothing, when the collector finds an inner generator."""


def _end(scope: Scope, error: BaseException | None, closing: GeneratorExit | None) -> None:
    """End the scope of a stream: with an error of its own, because it was closed, or because it was complete."""
    if closing is not None and (error is None or issubclass(type(error), GeneratorExit)):
        scope.stopped_early(closing)
    else:
        scope.finish(error)
