"""What every verb is: a context manager and a decorator, made once and used any number of times, from any thread or task."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import CodeType, TracebackType
from typing import Any, Final, Generic, ParamSpec, TypeVar, cast

from spanguard._core.border import swallow
from spanguard._core.decorate import Function, Opener, decorate, function_name, is_function
from spanguard._core.recorder import on
from spanguard._core.scope import Scope, current_scope
from spanguard.vocabulary.declared import LONGEST, declare

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound=Scope)
V = TypeVar("V", bound="Verb[Any]")
_NO_CODE: Final = compile("", "", "exec")
"""Has no literals: names that a copied verb is told later are pseudonyms, unless they are known already."""


class Verb(Generic[S]):
    """One verb with its arguments; ``with`` gives the scope of one use, and calling it decorates a function."""

    def __init__(self, code: CodeType) -> None:
        self._code = code
        self._running: list[tuple[int, S]] = []

    def __getstate__(self) -> dict[str, object]:
        # What keeps a verb may be copied and sent to other processes, which code and those who are inside cannot be.
        return {**vars(self), "_code": None, "_running": []}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state, _code=_NO_CODE)

    def make(self) -> S:
        """Make the scope of one use; it is started by `begin`."""
        raise NotImplementedError

    def begin(self, scope: S) -> None:
        """Start the scope of one use as a context manager."""
        raise NotImplementedError

    def opener(self, _function: Function) -> Callable[[tuple[object, ...], Mapping[str, object]], S]:
        """Return what makes and starts the scope of one call of the function from its arguments."""

        def open_(_args: tuple[object, ...], _kwargs: Mapping[str, object]) -> S:
            scope = self.make()
            self.begin(scope)
            return scope

        return open_

    def __enter__(self) -> S:
        scope = self.make()
        self.begin(scope)
        self._running.append((id(sys._getframe(1)), scope))
        scope.resume()
        return scope

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        # One verb may be entered many times at once, by generators, tasks and threads: a `with` is left where it was
        # entered. An `ExitStack` is not, and leaves what is current; with no SDK nothing is, and all are alike.
        frame, scope = id(sys._getframe(1)), current_scope()
        running = self._running[::-1]
        mine = [each for each in running if each[0] == frame] or [each for each in running if each[1] is scope] or running
        for each in mine[:1]:
            self._running.remove(each)
            each[1].finish(error)
            each[1].suspend()

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """Decorate a function, coroutine function, generator function or async generator function."""
        return decorate(function, self._guarded)

    def _guarded(self, function: Function) -> Opener:
        open_ = self.opener(function)

        def begin(args: tuple[object, ...], kwargs: Mapping[str, object]) -> S | None:
            if not on():
                return None
            try:
                return open_(args, kwargs)
            except Exception as error:
                swallow(open_, error)
                return None

        return begin


def named(name: str | Callable[P, R], code: CodeType, make: Callable[[object, CodeType], V]) -> V | Callable[P, R]:
    """Make the verb of that name; where the verb is a bare decorator, of the function's name, and decorate the function."""
    if not is_function(name):
        return make(name, code)
    label = function_name(name)[:LONGEST]
    declare(label)  # the name of a function or class is the program's own
    return make(label, code)(cast("Callable[P, R]", name))
