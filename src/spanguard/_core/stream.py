"""Follow a stream to its end: the scope is current while the stream works, and never while its consumer does.

The stream stays what it was. A generator becomes a generator with the whole protocol (send, throw, close, return value); an
SDK's stream object is the same object, followed inside.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import Any

from spanguard._core.border import quiet
from spanguard._core.scope import Scope


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
    if isinstance(result, GeneratorType):
        return drive(result, scope)
    if isinstance(result, AsyncGeneratorType):
        return async_driver(lambda: (result, scope))()
    if isinstance(result, CoroutineType):
        return wait(result, scope)
    # The streams of the openai and anthropic SDKs iterate over a generator in `_iterator`, whoever iterates over them.
    cls = type(result)
    if hasattr(cls, "__next__") or hasattr(cls, "__anext__"):
        inner: object = getattr(result, "_iterator", None)
        if isinstance(inner, GeneratorType):
            result._iterator = drive(inner, scope)  # type: ignore[attr-defined]
            return result
        if isinstance(inner, AsyncGeneratorType):
            result._iterator = async_driver(lambda: (inner, scope))()  # type: ignore[attr-defined]
            return result
    return None


async def wait(inner: Coroutine[Any, Any, object], scope: Scope) -> object:
    """Await a coroutine inside the scope, which ends with it."""
    scope.resume()
    try:
        return conclude(await inner, scope)
    except BaseException as error:
        scope.finish(error)
        raise
    finally:
        scope.suspend()


def drive(inner: Generator[Any, Any, Any], scope: Scope) -> Generator[Any, Any, Any]:
    """Run a generator inside the scope, which ends with it."""
    scope.follow()
    value: object = None
    error: BaseException | None = None
    while True:
        scope.resume()
        try:
            item = inner.send(value) if error is None else inner.throw(error)
        except StopIteration as stop:
            scope.returned(stop.value)
            scope.finish()
            return stop.value
        except BaseException as raised:
            scope.finish(raised)
            raise
        finally:
            scope.suspend()
        scope.chunk(item)
        error = None
        try:
            value = yield item
        except GeneratorExit as stopped:
            return _close(inner, scope, stopped)
        except BaseException as thrown:  # it goes to the generator that it was meant for
            error = thrown


def _close(inner: Generator[Any, Any, Any], scope: Scope, stopped: GeneratorExit) -> object:
    scope.resume()
    try:
        last: object = inner.close()  # type: ignore[func-returns-value]  # a value since Python 3.13
    except BaseException as raised:
        scope.finish(raised)
        raise
    finally:
        scope.suspend()
    scope.stopped_early(stopped)
    return last


def async_driver(
    start: Callable[..., tuple[AsyncGenerator[Any, Any], Scope]],
) -> Callable[..., AsyncGenerator[Any, Any]]:
    """Return an async generator function that runs, inside a scope, the generator that ``start`` gives it with the scope.

    A function that makes generators, and not one generator: an async generator cannot delegate to another one.
    """

    async def adrive(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        inner, scope = start(*args, **kwargs)
        scope.follow()
        value: object = None
        error: BaseException | None = None
        while True:
            scope.resume()
            try:
                item = await (inner.asend(value) if error is None else inner.athrow(error))
            except StopAsyncIteration:
                scope.finish()
                return
            except BaseException as raised:
                scope.finish(raised)
                raise
            finally:
                scope.suspend()
            scope.chunk(item)
            error = None
            try:
                value = yield item
            except GeneratorExit as stopped:
                await _aclose(inner, scope, stopped)
                raise
            except BaseException as thrown:  # it goes to the generator that it was meant for
                error = thrown

    return adrive


async def _aclose(inner: AsyncGenerator[Any, Any], scope: Scope, stopped: GeneratorExit) -> None:
    scope.resume()
    try:
        await inner.aclose()
    except BaseException as raised:
        scope.finish(raised)
        raise
    finally:
        scope.suspend()
    scope.stopped_early(stopped)
