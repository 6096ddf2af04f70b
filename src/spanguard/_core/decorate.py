"""Decorate a function of any kind: the one module that asks what kind of function it was given.

The result is a plain function of the same kind, made with `functools.wraps`: it pickles, keeps its signature, and
`inspect.iscoroutinefunction` and its sisters say of it what they said before.
"""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable
from typing import Any, Final, ParamSpec, TypeVar, cast

from spanguard._core.drivers import Start, async_driver, coroutine_driver, driver
from spanguard._core.leaving import Hold
from spanguard._core.scope import SILENT, Scope
from spanguard._core.stream import conclude

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
        traced = coroutine_driver(begin, function, conclude)
    elif _is(inspect.isasyncgenfunction, function):
        traced = async_driver(_start(function, begin), function)
    elif _is(inspect.isgeneratorfunction, function):
        traced = driver(_start(function, begin), function)
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

_INNER: Final = {
    staticmethod: "__func__",
    classmethod: "__func__",
    types.MethodType: "__func__",
    property: "fget",
    functools.cached_property: "func",
    functools.partialmethod: "func",
    functools.partial: "func",
}


def is_function(given: object) -> bool:
    """Whether it is something to decorate, rather than the name that a verb is given."""
    return callable(given) or type(given) in _DESCRIPTORS


def function_name(function: Any) -> str:
    """Return the name of what is decorated, in the program's own words."""
    while (inner := _INNER.get(type(function))) is not None:
        function = getattr(function, inner)
    return function.__code__.co_name if type(function) is types.FunctionType else type(function).__name__


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


def _start(function: Function, begin: Opener) -> Start:
    def start(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Hold]:
        return function(*args, **kwargs), Hold(begin(args, kwargs) or SILENT)

    return start
