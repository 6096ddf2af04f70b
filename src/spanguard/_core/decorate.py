"""Decorate a function of any kind: the one module that asks what kind of function it was given.

The result is a plain function of the same kind, made with `functools.wraps`: it pickles, keeps its signature, and
`inspect.iscoroutinefunction` and its sisters say of it what they said before.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator
from typing import Any, ParamSpec, TypeVar, cast

from spanguard._core.scope import SILENT, Scope
from spanguard._core.stream import async_driver, conclude, drive

P = ParamSpec("P")
R = TypeVar("R")
Function = Callable[..., Any]
Opener = Callable[[tuple[Any, ...], dict[str, Any]], Scope | None]
"""Starts the scope of one call from its arguments; None when the call is not to be traced."""


def decorate(function: Callable[P, R], opener: Callable[[Function], Opener]) -> Callable[P, R]:
    """Return the function with a scope around each of its calls; ``opener`` is told the function and makes the scopes."""
    if isinstance(function, (staticmethod, classmethod)):
        kind = type(function)
        return cast("Callable[P, R]", kind(decorate(function.__func__, opener)))
    if not callable(function):
        raise TypeError(f"a verb decorates functions, not {type(function).__name__}")
    begin = opener(function)
    if _is(inspect.iscoroutinefunction, function):
        traced = _coroutine(function, begin)
    elif _is(inspect.isasyncgenfunction, function):
        traced = _async_generator(function, begin)
    elif _is(inspect.isgeneratorfunction, function):
        traced = _generator(function, begin)
    else:
        traced = _plain(function, begin)
    return cast("Callable[P, R]", functools.wraps(function)(traced))


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


def _generator(function: Function, begin: Opener) -> Function:
    def _traced(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        inner = function(*args, **kwargs)
        scope = begin(args, kwargs)
        return (yield from (inner if scope is None else drive(inner, scope)))

    return _traced


def _async_generator(function: Function, begin: Opener) -> Function:
    return async_driver(lambda *args, **kwargs: (function(*args, **kwargs), begin(args, kwargs) or SILENT))
