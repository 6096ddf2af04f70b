"""Follow a stream to its end: the scope is current while the stream works, and never while its consumer does.

The stream stays what it was. A generator becomes a generator with the whole protocol (send, throw, close, return value); an
SDK's stream object, an iterator, a task or a future is the same object, followed inside.
"""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Callable, Coroutine, Generator, Iterable
from contextvars import copy_context
from itertools import chain, repeat
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any, Final, Protocol, cast

from spanguard._core.border import quiet
from spanguard._core.drivers import async_driver, driver, end_stream
from spanguard._core.iterator import follow_iterator
from spanguard._core.leaving import Hold, left
from spanguard._core.readers.stream import StreamReader
from spanguard._core.scope import Scope
from spanguard._core.switch import in_variables, switch

_MOST_CLASSES: Final = 1000
_GENERATORS: Final = (GeneratorType, AsyncGeneratorType)


class _Future(Protocol):
    def add_done_callback(self, callback: Callable[[_Future], object], /) -> object: ...

    def cancelled(self) -> bool: ...

    def exception(self) -> BaseException | None: ...

    def result(self) -> object: ...


def conclude(result: object, scope: Scope) -> object:
    """Return the result of a traced function; its scope ends now, or with the stream if the result is one."""
    cls = type(result)  # not what an object says of its class
    if _whole.get(id(cls)) is not cls and _works_on(cls):
        followed = _follow(result, scope)
        if followed is not None:
            return followed
    scope.returned(result)
    scope.finish()
    return result


_whole: Final[dict[int, type]] = {}
"""Classes whose objects are no work that is still to be done, by their identity: their own hash is a metaclass's to tell."""


@quiet  # a metaclass may raise what it likes
def _works_on(cls: type) -> bool:
    """Whether objects of the class can be work that is still to be done."""
    if hasattr(cls, "__next__") or hasattr(cls, "__anext__") or cls is CoroutineType or hasattr(cls, "add_done_callback"):
        return True
    if len(_whole) < _MOST_CLASSES:
        _whole[id(cls)] = cls
    return False


@quiet
def _follow(result: object, scope: Scope) -> object:
    """Return what to hand out instead of a result that works on, or None for a result that is complete."""
    cls = type(result)  # not what an object says of its class
    if cls in _GENERATORS:
        return _driven(result, Hold(scope))
    if cls is CoroutineType:
        return _alike(result, _wait(cast("Coroutine[Any, Any, object]", result), Hold(scope, chunks=False)))
    if hasattr(cls, "add_done_callback") and hasattr(cls, "cancelled"):
        cast("_Future", result).add_done_callback(lambda future: _done(future, scope))
        return result
    return _follow_object(result, scope) if hasattr(cls, "__next__") or hasattr(cls, "__anext__") else None


def _follow_object(result: object, scope: Scope) -> object:
    # The streams of the openai and anthropic SDKs iterate over a generator in `_iterator`, whoever iterates over them.
    inside = getattr(result, "__dict__", None)
    if type(inside) is dict and type(inside.get("_iterator")) in _GENERATORS:
        hold = Hold(scope)
        inner = inside["_iterator"]
        reader = hold.reader if type(inner) is GeneratorType and in_variables() else None
        inside["_iterator"] = followed = (
            _driven(inner, hold) if reader is None else _alike(inner, _apart(inner, hold, reader))
        )
        _hear_close(inside, getattr(result, "close", None), followed, hold)
        return result
    return result if follow_iterator(result, scope, _follow) else None


def _driven(inner: object, hold: Hold) -> object:
    """Return a generator that runs another one in the scope that is held."""
    return _alike(inner, _driver(plain=type(inner) is GeneratorType)(inner, hold))


@functools.cache
def _driver(*, plain: bool) -> Callable[[object, Hold], object]:
    return (driver if plain else async_driver)(lambda args, _kwargs: (args[0], args[1]))


def _apart(inner: GeneratorType[Any, Any, Any], hold: Hold, reader: StreamReader) -> Generator[Any, Any, None]:
    """Run the generator inside an SDK's stream in a copy of the context: to enter one costs a tenth of setting a variable.

    What the consumer sets between two chunks is not seen there, where the SDK alone works; and nobody sends it anything.
    """
    scope, number, last, wants = hold.scope, 0, 0, 0
    keep, look, ticks = reader.listen(lambda: (number, last))
    run = copy_context().run
    run(switch()[1], scope.inner)
    steps: Iterable[Callable[[], Any]] = repeat(inner.__next__)
    while True:
        try:
            for item in map(run, steps):
                last = ticks()
                number += 1
                if number > wants:
                    wants = look()
                keep(item)
                yield item
            scope.returned(None)
            end_stream(scope, None, None)
        except BaseException as thrown:
            closing = None
            if inner.gi_frame is not None:  # it was thrown in here, and is the generator's to answer
                if not isinstance(thrown, GeneratorExit):
                    steps = chain((functools.partial(inner.throw, thrown),), repeat(inner.__next__))
                    continue
                closing = left(thrown)
            try:
                run(inner.close)
            except BaseException as raised:
                end_stream(scope, raised, closing)
                raise
            end_stream(scope, thrown, closing)
            raise
        return


def _hear_close(inside: dict[str, Any], own: Callable[..., Any] | None, followed: Any, hold: Hold) -> None:
    """End the scope when the program closes the stream, by `close` or at the end of a ``with``.

    That closes the connection and not the generator, which holds the stream that holds it: only the collector would end it.
    """
    if own is None:
        return
    scope, before = hold.scope, inside.get("close")

    def closed() -> None:
        # The generator closes the stream itself, too, when it has read all.
        if not getattr(followed, "gi_running", False) and not getattr(followed, "ag_running", False):
            scope.stopped_early(GeneratorExit())

    def close_now(*args: Any, **kwargs: Any) -> object:
        try:
            return own(*args, **kwargs)
        finally:
            closed()

    async def aclose_now(*args: Any, **kwargs: Any) -> object:
        try:
            return await own(*args, **kwargs)
        finally:
            closed()

    def undo() -> None:
        # Otherwise the stream would hold itself, with all of its response, until a collector comes.
        if inside.get("close") is close:
            del inside["close"]
            if before is not None:
                inside["close"] = before

    awaited = type(followed) is AsyncGeneratorType and inspect.iscoroutinefunction(own)
    inside["close"] = close = aclose_now if awaited else close_now
    functools.update_wrapper(close, own, ("__name__", "__qualname__", "__doc__"), ())
    hold.undo = undo


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
