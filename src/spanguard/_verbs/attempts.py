"""`traced_repair` and `traced_retry`: operations that try more than once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType
from typing import ParamSpec, TypeVar, overload

from spanguard._core.names import policy_name
from spanguard._core.operation import Operation
from spanguard._core.verb import Verb, named

P = ParamSpec("P")
R = TypeVar("R")


class Repeated(Verb[Operation]):
    """What `traced_repair` and `traced_retry` return: a decorator, and a context manager that gives an `Operation`."""

    def __init__(self, code: CodeType, policy: str, name: object, limit: int | None) -> None:
        super().__init__(code)
        self._limit = limit
        self._policy = policy
        self._name = policy_name(policy, name, code)

    def make(self) -> Operation:
        """Make one operation."""
        return Operation(self._policy, self._name, self._limit)

    def begin(self, scope: Operation) -> None:
        """Start one operation."""
        scope.start()


@overload
def traced_repair(name: str, *, limit: int | None = None) -> Repeated: ...
@overload
def traced_repair(name: Callable[P, R], /) -> Callable[P, R]: ...
def traced_repair(name: str | Callable[P, R], *, limit: int | None = None) -> Repeated | Callable[P, R]:
    """Trace a repair loop, which asks a model again until its answer is valid: ``with traced_repair("invoice") as repair``.

    Makes one INTERNAL span ``repair {name}``, with a span ``attempt`` for each try of ``repair.attempts(3)``, and says in
    the end how it went (``success``, ``recovered``, ``exhausted`` ...) and how many tokens were useful and how many wasted.
    As a decorator it surrounds the whole function, which finds its operation with `spanguard.current_operation`; bare, it
    takes the function's name.

    ``name`` is a name of the program: shown in clear when it is a literal or was passed to `spanguard.declare`. ``limit`` is
    how many attempts are allowed, where ``attempts`` does not say it (default: not known).
    """
    return named(name, sys._getframe(1).f_code, lambda label, code: Repeated(code, "repair", label, limit))


@overload
def traced_retry(name: str, *, limit: int | None = None) -> Repeated: ...
@overload
def traced_retry(name: Callable[P, R], /) -> Callable[P, R]: ...
def traced_retry(name: str | Callable[P, R], *, limit: int | None = None) -> Repeated | Callable[P, R]:
    """Trace a retry loop, which tries again after an error: ``with traced_retry("quote") as retry``.

    As `traced_repair`, with two differences. Inside another span it makes no span of its own unless the first attempt
    fails; then the span ``retry {name}`` is backdated and links to what ran in the first attempt. And
    ``retry.scheduled(delay)`` tells how long the program will wait.
    """
    return named(name, sys._getframe(1).f_code, lambda label, code: Repeated(code, "retry", label, limit))
