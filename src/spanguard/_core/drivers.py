"""What stands around a coroutine function, a generator function or an async generator function that is traced.

It has the very parameters of the function, so that wrong arguments are a TypeError at the call, Python's own, and no span is
made. Only code that is compiled for its parameters can have them and still be a coroutine or generator function to `inspect`,
which a plain function that returns a coroutine is not. So it is kept as text, as `dataclasses` keeps the `__init__` it makes.

The drivers of generators hand whatever they are sent or thrown to the generator that it was meant for, `GeneratorExit` too,
so that Python's own rules hold for what it answers. They keep the context of the generator between chunks, with whatever
spans it has opened by itself, and leave their consumer's untouched.
"""

from __future__ import annotations

import builtins
import functools
import inspect
import keyword
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from types import FunctionType, MethodType
from typing import Any, Final

from spanguard._core.leaving import Hold, aleft, apart, collecting, left
from spanguard._core.request import AS_WRITTEN
from spanguard._core.scope import Scope
from spanguard._core.switch import PASSING, switch

Function = Callable[..., Any]
Parameters = inspect.Signature

# Parameters are read in the first line of each, and may have the names of its variables; for those around it, see `_free`.
_COROUTINE: Final = """
def make(_begin, _function, _conclude):
    async def traced({parameters}):
        args, kwargs = {given}
        scope = _begin(args, kwargs)
        if scope is None:
            return await _function(*args, **kwargs)
        scope.resume()
        try:
            return _conclude(await _function(*args, **kwargs), scope)
        except BaseException as error:
            scope.finish(error)
            raise
        finally:
            scope.suspend()
    return traced
"""
# What the templates below have in common, once a chunk is there: `StreamReader.listen` says what it does.
_TAKEN: Final = """\
            if keep is not None:
                number += 1
                if number > wants:
                    wants = look(number)
                keep(item)"""
_GENERATOR: Final = """
def make(_start):
    def traced({parameters}):
        inner, hold = _start{given}
        scope, number, wants = hold.scope, 0, 0
        keep, look = hold.listen(lambda: number)
        context = scope.inner
        current, put, back = _switch() if scope.started else _passing
        send, throw, argument, closing = inner.send, inner.throw, None, None
        step = send
        while True:
            token = put(context)
            try:
                item = step(argument)
            except StopIteration as stop:
                scope.returned(stop.value)
                _end(scope, None, closing and _left(closing))
                return stop.value
            except BaseException as raised:
                _end(scope, raised, closing and _left(closing))
                raise
            finally:
                if argument is not None:
                    argument = closing = None
                context = current()
                back(token)
{taken}
            try:
                argument = yield item
                step = send
            except GeneratorExit as thrown:
                step, argument, closing = throw, thrown, thrown
                if _collecting():
                    current, put, back = _passing
            except BaseException as thrown:
                step, argument = throw, thrown
    return traced
"""
# An async generator cannot delegate to another one.
_ASYNC_GENERATOR: Final = """
def make(_start):
    async def traced({parameters}):
        inner, hold = _start{given}
        scope, number, wants = hold.scope, 0, 0
        keep, look = hold.listen(lambda: number)
        context = scope.inner
        current, put, back = _switch() if scope.started else _passing
        asend, closing = inner.asend, None
        pending = _first(inner)
        while True:
            token = hold.token = put(context)
            try:
                item = await pending
            except StopAsyncIteration:
                _end(scope, None, closing and _aleft(closing))
                return
            except BaseException as raised:
                _end(scope, raised, closing and _aleft(closing))
                raise
            finally:
                closing = pending = None
                left = current()
                try:
                    back(token)
                    context = left
                except (ValueError, RuntimeError):  # closed from elsewhere, where nothing was set
                    pass
{taken}
            try:
                pending = asend((yield item))
            except GeneratorExit as thrown:
                pending, closing = inner.athrow(thrown), thrown
                if _collecting():
                    current, put, back = _passing
            except BaseException as thrown:
                pending = inner.athrow(thrown)
    return traced
"""
_ANY: Final = "*args, **kwargs", "(args, kwargs)"

Start = Callable[[tuple[Any, ...], dict[str, Any]], tuple[Any, Hold]]
"""Gives, for the arguments of a call, a generator and what holds the scope that it runs in."""


def driver(start: Start, function: Function | None = None) -> Function:
    """Return a generator function that runs, inside a scope, the generator that ``start`` gives it."""
    return _made(_GENERATOR, function, start)


def async_driver(start: Start, function: Function | None = None) -> Function:
    """Return an async generator function that runs, inside a scope, the async generator that ``start`` gives it."""
    return _made(_ASYNC_GENERATOR, function, start)


def coroutine_driver(
    begin: Callable[[tuple[Any, ...], dict[str, Any]], Scope | None],
    function: Function,
    conclude: Callable[[object, Scope], object],
) -> Function:
    """Return a coroutine function that runs the function inside the scope that ``begin`` gives it."""
    return _made(_COROUTINE, function, begin, function, conclude)


def _made(template: str, function: Function | None, *around: object) -> Function:
    """Fill a template in with the parameters of the function, or with any where it does not tell them."""
    known = None if function is None else _parameters(function)
    text = None if known is None else _written(known)
    if known is None or text is None or not _free(template, known):
        return _compiled(template, *_ANY)(*around)
    made = _compiled(template, *text)(*around)
    empty = inspect.Parameter.empty
    defaults = [each for each in known.parameters.values() if each.default is not empty]
    made.__defaults__ = tuple(each.default for each in defaults if each.kind is not each.KEYWORD_ONLY)
    made.__kwdefaults__ = {each.name: each.default for each in defaults if each.kind is each.KEYWORD_ONLY}
    return made


@functools.lru_cache(maxsize=512)
def _compiled(template: str, parameters: str, given: str) -> Callable[..., Function]:
    made: dict[str, Any] = {}
    text = template.format(parameters=parameters, given=given, taken=_TAKEN)
    exec(compile(text, "<spanguard/_core/drivers>", "exec"), globals(), made)  # noqa: S102 - our text, and names of parameters
    return made["make"]  # type: ignore[no-any-return]


def _free(template: str, parameters: inspect.Signature) -> bool:
    """Whether no parameter hides a name that the template needs."""
    code = _compiled(template, *_ANY).__code__
    (inner,) = [each for each in code.co_consts if inspect.iscode(each)]
    used = [name for name in inner.co_names if name in globals() or hasattr(builtins, name)]  # the rest are attributes
    return parameters.parameters.keys().isdisjoint((*used, *inner.co_freevars))


def _parameters(function: Function) -> inspect.Signature | None:
    """Return the parameters that a function really has: those of its code, and not those that it claims to have."""
    root: Any = function
    while isinstance(root, (functools.partial, MethodType)):
        root = root.func if isinstance(root, functools.partial) else root.__func__
    if root is function and not isinstance(root, FunctionType):
        root = inspect.getattr_static(type(function), "__call__", None)
        function = MethodType(root, function) if isinstance(root, FunctionType) else function
    if not isinstance(root, FunctionType) or "__signature__" in vars(root):
        return None
    try:
        return inspect.signature(function, follow_wrapped=False, **AS_WRITTEN)
    except (TypeError, ValueError):  # a partial whose arguments do not fit
        return None


def _written(signature: inspect.Signature) -> tuple[str, str] | None:
    """Return the parameters, and the pair of arguments that they make, as they are written in Python."""
    parameters = signature.parameters.values()
    if not all(each.name.isidentifier() and not keyword.iskeyword(each.name) for each in parameters):
        return None
    shorn = [
        each.replace(annotation=each.empty, default=each.default if each.default is each.empty else _D) for each in parameters
    ]
    args = "".join(
        f"{'*' if each.kind is each.VAR_POSITIONAL else ''}{each.name}, "
        for each in parameters
        if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD, each.VAR_POSITIONAL)
    )
    kwargs = "".join(
        f"**{each.name}, " if each.kind is each.VAR_KEYWORD else f"{each.name!r}: {each.name}, "
        for each in parameters
        if each.kind in (each.KEYWORD_ONLY, each.VAR_KEYWORD)
    )
    return str(inspect.Signature(shorn))[1:-1], f"(({args}), {{{kwargs}}})"


_D: Final = None  # stands for each default, which is set afterwards


def _first(inner: AsyncGenerator[Any, Any]) -> Awaitable[Any]:
    # Of two generators the event loop, and the collector, would close both, and they collide: the inner one is ours to close.
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(None, _ignore)
    try:
        return inner.asend(None)
    finally:
        sys.set_asyncgen_hooks(*hooks)


def _ignore(_inner: object) -> None:
    """Do nothing, when the collector finds an inner generator."""


def end_stream(scope: Scope, error: BaseException | None, closing: GeneratorExit | None) -> None:
    """End the scope of a stream: with an error of its own, because it was closed, or because it was complete."""
    if closing is not None and (error is None or issubclass(type(error), GeneratorExit)):
        apart(scope.stopped_early, closing)
    else:
        apart(scope.finish, error)


# As the templates call them.
_switch, _passing, _left, _aleft, _collecting, _end = switch, PASSING, left, aleft, collecting, end_stream
