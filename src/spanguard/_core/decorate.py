"""Decorate a function of any kind: the one module that asks what kind of function it was given.

The result is a plain function of the same kind, made with `functools.wraps`: it pickles, keeps its signature, and
`inspect.iscoroutinefunction` and its sisters say of it what they said before.
One thing shows: a coroutine or generator function is called when it first runs, so that wrong arguments are a TypeError then.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar, cast

from spanguard._core.leaving import Hold
from spanguard._core.scope import SILENT, Scope
from spanguard._core.stream import Start, async_driver, conclude, driver

P = ParamSpec("P")
R = TypeVar("R")
Function = Callable[..., Any]
Opener = Callable[[tuple[Any, ...], dict[str, Any]], Scope | None]
"""Starts the scope of one call from its arguments; None when the call is not to be traced."""


def decorate(function: Callable[P, R], opener: Callable[[Function], Opener]) -> Callable[P, R]:
    """Return the function with a scope around each of its calls; ``opener`` is told the function and makes the scopes."""
    rebuild = _DESCRIPTORS.get(type(function))
    if rebuild is not None:
        return cast("Callable[P, R]", rebuild(function, lambda inner: decorate(inner, opener)))
    if not callable(function):
        raise TypeError(f"a verb decorates functions, not {type(function).__name__}")
    begin = opener(function)
    if _is(inspect.iscoroutinefunction, function):
        traced = _coroutine(function, begin)
    elif _is(inspect.isasyncgenfunction, function):
        traced = async_driver(_start(function, begin))
    elif _is(inspect.isgeneratorfunction, function):
        traced = driver(_start(function, begin))
        if inspect.CO_ITERABLE_COROUTINE & getattr(getattr(function, "__code__", None), "co_flags", 0):
            traced = types.coroutine(traced)
    else:
        traced = _plain(function, begin)
    return cast("Callable[P, R]", functools.wraps(function)(traced))


# What stands in a class body around a function: the same again, around the traced function.
_DESCRIPTORS: Final[dict[type, Callable[[Any, Callable[[Function], Function]], object]]] = {
    staticmethod: lambda found, trace: staticmethod(trace(found.__func__)),
    classmethod: lambda found, trace: classmethod(trace(found.__func__)),
    property: lambda found, trace: found.getter(trace(found.fget)),
    functools.cached_property: lambda found, trace: functools.cached_property(trace(found.func)),
    functools.partialmethod: lambda found, trace: functools.partialmethod(trace(found.func), *found.args, **found.keywords),
}


def _is(kind: Callable[[object], bool], function: Function) -> bool:
    return kind(function) or kind(getattr(type(function), "__call__", None))  # noqa: B004 - not whether, but of what kind


def _plain(function: Function, begin: Opener) -> Function:
    def _traced(*args: Any, **kwargs: Any) -> Any:
        scope = begin(args, kwargs)
        if scope is None:
            return function(*args, **kwargs)
        scope.resume()
        try:
            return conclude(function(*args, **kwargs), scope)
        except BaseException as error:
            scope.finish(error)
            raise
        finally:
            scope.suspend()

    return _traced


def _coroutine(function: Function, begin: Opener) -> Function:
    async def _traced(*args: Any, **kwargs: Any) -> Any:
        scope = begin(args, kwargs)
        if scope is None:
            return await function(*args, **kwargs)
        scope.resume()
        try:
            return conclude(await function(*args, **kwargs), scope)
        except BaseException as error:
            scope.finish(error)
            raise
        finally:
            scope.suspend()

    return _traced


def _start(function: Function, begin: Opener) -> Start:
    def start(*args: Any, **kwargs: Any) -> tuple[Any, Hold]:
        return function(*args, **kwargs), Hold(begin(args, kwargs) or SILENT)

    return start
