"""`traced_breaker`, `traced_rate_limit`, `traced_cache`, `traced_validation`: what a call has to pass.

As bare decorators (``@traced_cache``) they take the function's name.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import CodeType
from typing import ParamSpec, TypeVar, overload

from spanguard import semconv
from spanguard._core.border import quiet, report
from spanguard._core.breaker import BreakerCall, transition
from spanguard._core.gate import SECOND
from spanguard._core.limiter import Wait
from spanguard._core.lookup import Lookup
from spanguard._core.names import clear, policy_name
from spanguard._core.usage import amount
from spanguard._core.validation import Validation
from spanguard._core.verb import Verb, named

P = ParamSpec("P")
R = TypeVar("R")


class Breaker(Verb[BreakerCall]):
    """What `traced_breaker` returns: a decorator, a context manager that gives a `BreakerCall`, and `on_transition`."""

    def __init__(
        self,
        code: CodeType,
        name: object,
        *,
        state: str | None,
        scope: str | None,
        reset_timeout: float | None,
        rejections: tuple[type[BaseException], ...],
    ) -> None:
        super().__init__(code)
        self._name = policy_name("circuit_breaker", name, code)
        self._state = state
        self._scope = clear("traced_breaker", scope, code)
        self._reset_timeout = reset_timeout
        self._rejections = rejections

    def make(self) -> BreakerCall:
        """Make one call."""
        return BreakerCall(self._name, self._state, self._rejections)

    def begin(self, scope: BreakerCall) -> None:
        """Start one call."""
        scope.start()

    def on_transition(self, old: str, new: str, *, failures: int | None = None, reset_timeout: float | None = None) -> None:
        """Report that the breaker went from one state to another: ``closed``, ``half_open``, ``open``.

        ``failures`` is how many led to it, ``reset_timeout`` how many seconds it stays open. A callback for breakers that
        know nothing of telemetry; quick, and safe under the breaker's own lock.
        """
        timeout = self._reset_timeout if reset_timeout is None else reset_timeout
        transition(self._name, old, new, failures=failures, reset_timeout=timeout, scope=self._scope)


@overload
def traced_breaker(
    name: str,
    *,
    state: str | None = None,
    scope: str | None = None,
    reset_timeout: float | None = None,
    rejections: tuple[type[BaseException], ...] = (),
) -> Breaker: ...
@overload
def traced_breaker(name: Callable[P, R], /) -> Callable[P, R]: ...
def traced_breaker(
    name: str | Callable[P, R],
    *,
    state: str | None = None,
    scope: str | None = None,
    reset_timeout: float | None = None,
    rejections: tuple[type[BaseException], ...] = (),
) -> Breaker | Callable[P, R]:
    """Trace the calls through a circuit breaker of yours: ``with traced_breaker("openai") as call``, or as a decorator.

    Admitted calls make no span and are counted (``success``, ``failure``, ``ignored``); a rejected one, told by
    ``call.rejected()`` or by an exception of one of the classes in ``rejections``, is a short ERROR span with
    ``error.type`` ``circuit_open``. Changes of state are told to ``on_transition`` of what this returns, which may be handed
    to the breaker as a callback. ``state`` is the state right now, where you know it; ``scope`` is what the breaker protects,
    ``reset_timeout`` how many seconds it stays open.
    """
    return named(
        name,
        sys._getframe(1).f_code,
        lambda label, code: Breaker(
            code, label, state=state, scope=scope, reset_timeout=reset_timeout, rejections=rejections
        ),
    )


class Limiter(Verb[Wait]):
    """What `traced_rate_limit` returns: a decorator, a context manager that gives a `Wait`, and `on_wait`."""

    def __init__(self, code: CodeType, name: object, max_delay: float | None) -> None:
        super().__init__(code)
        self._name = policy_name("rate_limiter", name, code)
        self._max_delay = amount("traced_rate_limit", max_delay)

    def make(self) -> Wait:
        """Make one wait."""
        return Wait(self._name, self._max_delay)

    def begin(self, scope: Wait) -> None:
        """Start one wait."""
        scope.start()

    @quiet
    def on_wait(self, delay: float, *, result: str | None = None) -> None:
        """Report one wait of ``delay`` seconds after the fact; a callback for limiters that know nothing of telemetry.

        ``result`` is ``acquired``, ``delayed``, ``rejected``, ``timeout`` or ``cancelled``; by default the delay tells it.
        """
        wait = self.make()
        wait.start(int((amount("on_wait", delay) or 0.0) * SECOND))
        if result in semconv.LIMITER_RESULTS:
            wait.decide(result)
        elif result is not None:
            report("on_wait", f"result is none of {', '.join(semconv.LIMITER_RESULTS)}, left out")
        wait.finish()


@overload
def traced_rate_limit(name: str, *, max_delay: float | None = None) -> Limiter: ...
@overload
def traced_rate_limit(name: Callable[P, R], /) -> Callable[P, R]: ...
def traced_rate_limit(name: str | Callable[P, R], *, max_delay: float | None = None) -> Limiter | Callable[P, R]:
    """Trace the wait for a permit of a rate limiter of yours: ``with traced_rate_limit("openai"): limiter.acquire()``.

    The block, or the decorated function, is the wait alone, not the work that follows it. Every wait is counted and measured;
    it is a span only if it took 10 ms or more, and an ERROR span if it was in vain: an exception left the block, or
    ``wait.rejected()`` was called. ``max_delay`` is the longest wait that is allowed, in seconds.
    """
    return named(name, sys._getframe(1).f_code, lambda label, code: Limiter(code, label, max_delay))


class Cache(Verb[Lookup]):
    """What `traced_cache` returns: a decorator, a context manager that gives a `Lookup`, and `on_lookup`."""

    def __init__(self, code: CodeType, name: object, kind: str | None) -> None:
        super().__init__(code)
        self._name = policy_name("cache", name, code)
        self._kind = clear("traced_cache", kind, code)

    def make(self) -> Lookup:
        """Make one lookup."""
        return Lookup(self._name, self._kind)

    def begin(self, scope: Lookup) -> None:
        """Start one lookup."""
        scope.start()

    @quiet
    def on_lookup(self, result: str, *, duration: float = 0.0) -> None:
        """Report one lookup of ``duration`` seconds after the fact; a callback for caches that know nothing of telemetry.

        ``result`` is ``hit``, ``miss``, ``stale``, ``bypass`` or ``error``.
        """
        if result not in semconv.CACHE_RESULTS:
            report("on_lookup", f"result is none of {', '.join(semconv.CACHE_RESULTS)}; the lookup is left out")
            return
        lookup = self.make()
        lookup.start(int((amount("on_lookup", duration) or 0.0) * SECOND))
        lookup.decide(result)
        lookup.finish()


@overload
def traced_cache(name: str, *, kind: str | None = None) -> Cache: ...
@overload
def traced_cache(name: Callable[P, R], /) -> Callable[P, R]: ...
def traced_cache(name: str | Callable[P, R], *, kind: str | None = None) -> Cache | Callable[P, R]:
    """Trace lookups in a cache of answers: ``with traced_cache("answers") as lookup``, then ``lookup.hit()`` or ``.miss()``.

    As a decorator of the lookup function, None is a miss and everything else a hit. The result is counted, measured, and told
    on the span that is current; the key is never recorded. ``kind`` is the program's word for the kind of cache, such as
    ``exact`` or ``semantic``.
    """
    return named(name, sys._getframe(1).f_code, lambda label, code: Cache(code, label, kind))


class Validator(Verb[Validation]):
    """What `traced_validation` returns: a decorator, a context manager that gives a `Validation`, and `on_verdict`."""

    def __init__(self, code: CodeType, name: object, stage: str) -> None:
        super().__init__(code)
        self._name = policy_name("validator", name, code)
        self._stage = stage

    def make(self) -> Validation:
        """Make one check."""
        return Validation(self._name, self._stage, self._code)

    def begin(self, scope: Validation) -> None:
        """Start one check."""
        scope.start()

    def on_verdict(
        self,
        passed: bool,  # noqa: FBT001 - a callback's one fact
        *,
        rule: str | None = None,
        action: str | None = None,
        risk_level: str | None = None,
        pattern_category: str | None = None,
    ) -> None:
        """Report one verdict after the fact; a callback for validators that know nothing of telemetry."""
        check = self.make()
        check.start()
        check.decide(
            sys._getframe(1).f_code,
            passed=passed,
            rule=rule,
            action=action,
            risk_level=risk_level,
            pattern_category=pattern_category,
        )
        check.finish()


@overload
def traced_validation(name: str, *, stage: str = "output") -> Validator: ...
@overload
def traced_validation(name: Callable[P, R], /) -> Callable[P, R]: ...
def traced_validation(name: str | Callable[P, R], *, stage: str = "output") -> Validator | Callable[P, R]:
    """Trace one check by a validator: ``with traced_validation("invoice_schema") as check``, then ``check.failed(rule=...)``.

    It passes unless it says that it failed or an exception leaves it; as a decorator, a function that returns False
    failed. The verdict is an event of the span around it, is counted by rule, and makes the attempt around it ``invalid``
    if it refuses an answer. ``stage`` is what is checked: ``input``, ``output`` (default) or ``tool``. It is a span only if
    it took 10 ms or more.
    """
    return named(name, sys._getframe(1).f_code, lambda label, code: Validator(code, label, stage))
