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
from types import AsyncGeneratorType, CoroutineType, GeneratorType, MethodType
from typing import Any, Final, Protocol

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
    if _whole.get(id(cls)) is not cls:
        followed = _follow(result, scope)
        if followed is not None:
            return followed
    scope.returned(result)
    scope.finish()
    return result


_Follower = Callable[[Any, Scope], object]
# By identity, as the hash of a class is a metaclass's to tell.
_whole: Final[dict[int, type]] = {}
"""Classes whose objects are no work that is still to be done."""
_followers: Final[dict[int, tuple[type, _Follower]]] = {}
"""The others, with what follows their objects."""


@quiet  # also as a metaclass may raise what it likes
def _follow(result: object, scope: Scope) -> object:
    """Return what to hand out instead of a result that works on, or None for a result that is complete."""
    cls = type(result)  # not what an object says of its class
    known = _followers.get(id(cls))
    follower = known[1] if known is not None and known[0] is cls else _follower(cls)
    return None if follower is None else follower(result, scope)


def _follower(cls: type) -> _Follower | None:
    """Return what follows objects of the class, if they can be work that is still to be done; it is remembered."""
    follower: _Follower | None = None
    if cls in _GENERATORS:
        follower = _follow_generator
    elif cls is CoroutineType:
        follower = _follow_coroutine
    elif hasattr(cls, "add_done_callback") and hasattr(cls, "cancelled"):
        follower = _follow_future
    elif hasattr(cls, "__next__") or hasattr(cls, "__anext__"):
        follower = _follow_object
    if len(_whole) + len(_followers) < _MOST_CLASSES:
        if follower is None:
            _whole[id(cls)] = cls
        else:
            _followers[id(cls)] = cls, follower
    return follower


def _follow_generator(result: object, scope: Scope) -> object:
    return _driven(result, Hold(scope))


def _follow_coroutine(result: Coroutine[Any, Any, object], scope: Scope) -> object:
    return _alike(result, _wait(result, Hold(scope, chunks=False)))


def _follow_future(result: _Future, scope: Scope) -> object:
    result.add_done_callback(lambda future: _done(future, scope))
    return result


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
    scope, number, wants = hold.scope, 0, 0
    keep, look = reader.listen(lambda: number)
    run = copy_context().run
    run(switch()[1], scope.inner)
    steps: Iterable[Callable[[], Any]] = repeat(inner.__next__)
    while True:
        try:
            for item in map(run, steps):
                number += 1
                if number > wants:
                    wants = look(number)
                keep(item)
                yield item
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


def _hear_close(inside: dict[str, Any], own: Callable[..., Any] | None, followed: object, hold: Hold) -> None:
    """End the scope when the program closes the stream, by `close` or at the end of a ``with``.

    That closes the connection and not the generator, which holds the stream that holds it: only the collector would end it.
    """
    if own is None:
        return
    way = _aclose if type(followed) is AsyncGeneratorType and inspect.iscoroutinefunction(own) else _close
    close: Any = functools.partial(way, own, followed, hold.scope)  # a third of what functions made for each stream cost
    if type(own) is MethodType:
        close.__name__, close.__doc__ = own.__name__, own.__doc__
    hold.undo = functools.partial(_let_go_of_close, inside, close, inside.get("close"))
    inside["close"] = close


def _close(own: Callable[..., object], followed: object, scope: Scope, /, *args: Any, **kwargs: Any) -> object:
    try:
        return own(*args, **kwargs)
    finally:
        _closed(followed, scope)


async def _aclose(own: Callable[..., Any], followed: object, scope: Scope, /, *args: Any, **kwargs: Any) -> object:
    try:
        return await own(*args, **kwargs)
    finally:
        _closed(followed, scope)


def _closed(followed: object, scope: Scope) -> None:
    # The generator closes the stream itself, too, when it has read all.
    if not getattr(followed, "gi_running", False) and not getattr(followed, "ag_running", False):
        scope.stopped_early(GeneratorExit())


def _let_go_of_close(inside: dict[str, Any], close: object, before: object) -> None:
    # Otherwise the stream would hold itself, with all of its response, until a collector comes.
    if inside.get("close") is close:
        del inside["close"]
        if before is not None:
            inside["close"] = before


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
