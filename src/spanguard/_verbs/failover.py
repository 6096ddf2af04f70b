"""`traced_failover`: one candidate after another."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType
from typing import ParamSpec, TypeVar, overload

from spanguard._core.failover import Failover
from spanguard._core.names import policy_name
from spanguard._core.verb import Verb, named

P = ParamSpec("P")
R = TypeVar("R")


class FailoverVerb(Verb[Failover]):
    """What `traced_failover` returns: a decorator, and a context manager that gives a `Failover`."""

    def __init__(self, code: CodeType, name: object, work: str | None, artifact: str | None) -> None:
        super().__init__(code)
        self._name = policy_name("failover", name, code)
        self._work = work
        self._artifact = artifact

    def make(self) -> Failover:
        """Make one operation."""
        return Failover(self._name, self._work, self._artifact)

    def begin(self, scope: Failover) -> None:
        """Start one operation."""
        scope.start()


@overload
def traced_failover(name: str, *, work: str | None = None, artifact: str | None = None) -> FailoverVerb: ...
@overload
def traced_failover(name: Callable[P, R], /) -> Callable[P, R]: ...
def traced_failover(
    name: str | Callable[P, R], *, work: str | None = None, artifact: str | None = None
) -> FailoverVerb | Callable[P, R]:
    """Trace a failover, which asks one candidate after another: ``with traced_failover("summarise") as failover``.

    Makes one INTERNAL span ``failover {name}`` with a span ``attempt {candidate}`` for each of
    ``failover.candidates("primary", "backup")`` or ``failover.candidate("primary", provider=..., model=...)``, and an event
    and a count for each hop from a candidate that failed to the next. ``failover.degraded()`` says that the caller gets a
    stub. ``work`` and ``artifact`` identify what is tried, as pseudonyms. Repeats nothing and decides nothing itself.
    As a bare decorator it takes the function's name.
    """
    return named(name, sys._getframe(1).f_code, lambda label, code: FailoverVerb(code, label, work, artifact))
