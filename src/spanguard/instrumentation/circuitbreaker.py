"""circuitbreaker 2.0 to 2.1.3.

What is seen: each call of a decorated function of any kind as the breaker counts it, the ones it rejects (also where a
fallback function answers), and its transitions; that it half-opens is computed by the library, and is told with the call
that finds it so. The name is the breaker's ``name=``, if that is a literal where the breaker is made or was declared, else
the decorated function's.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from spanguard._core.breaker import transition
from spanguard.instrumentation import _misuse, _names
from spanguard.instrumentation._adapter import (
    Args,
    Clearable,
    Instrumentor,
    Kwargs,
    Outcome,
    Patch,
    after,
    argument,
    around,
    before,
)
from spanguard.instrumentation._breakers import Call, counted, passing
from spanguard.instrumentation._tries import running

_LIBRARY: Final = "circuitbreaker"
_POLICY: Final = "circuit_breaker"
_WRAPPERS: Final = frozenset({"wrapper", "gen_wrapper", "awrapper", "gen_awrapper"})
_names_of: Final = _names.Made(_POLICY, _LIBRARY)
_states: Final[dict[int, str]] = {}


def _made(breaker: Any, args: Args, kwargs: Kwargs) -> None:
    _states.pop(id(breaker), None)
    _names_of.forget(breaker)
    name = argument(args, kwargs, 3, "name")
    if name is not None:
        _names_of.heard(breaker, name)


def _decorating(breaker: Any, args: Args, kwargs: Kwargs) -> None:
    _names_of.name(breaker, named=breaker._name, function=argument(args, kwargs, 0, "function"))


def _seen(breaker: Any, state: str) -> str:
    """Return the state that a breaker is in now, and tell the transition if it has changed since the last look."""
    last = _states.get(id(breaker), "closed")
    if state != last:
        name = _names_of.name(breaker, named=breaker.name)
        failures, timeout = breaker.failure_count, breaker._recovery_timeout
        transition(name, last, state, failures=failures, reset_timeout=timeout, scope=None, library=_LIBRARY)
    if len(_states) >= _names.MOST:
        _states.clear()
    _states[id(breaker)] = state
    return state


def _call(breaker: Any) -> Call:
    return Call(breaker, _names_of.name(breaker, named=breaker.name), _seen(breaker, breaker.state), _LIBRARY)


def _open(breaker: Any) -> Call | None:
    call = _call(breaker)
    call.start()
    return call if call.started else None


def _opened(args: Args, _kwargs: Kwargs) -> Call | None:
    return _open(args[0])


def _ended(call: Call, _result: object) -> None:
    call.finish()


def _entered(breaker: Any, _args: Args, _kwargs: Kwargs) -> None:
    if running(Call, breaker) is None:
        name = _names_of.name(breaker, named=breaker.name)
        _misuse.detected("breaker_never_blocks", policy=_POLICY, name=name, library=_LIBRARY)


def _left(breaker: Any, args: Args, _kwargs: Kwargs, _outcome: Outcome) -> None:
    error = args[1] if len(args) > 1 else None
    result = "success"
    if error is not None:
        result = "failure" if breaker.last_failure is error else "ignored"
    call = running(Call, breaker)
    if call is not None:
        call.decide(result)
    else:
        counted(_call(breaker), result)
    _seen(breaker, breaker._state)


def _reset(breaker: Any, _args: Args, _kwargs: Kwargs, _outcome: Outcome) -> None:
    _seen(breaker, breaker._state)


def _asked(_fget: None, args: Args, _kwargs: Kwargs, outcome: Outcome) -> None:
    frame = _names.caller()
    if outcome.result and frame is not None and frame.f_code.co_name in _WRAPPERS and _names.within(frame, _LIBRARY):
        counted(_call(args[0]), "rejected")


class CircuitBreakerInstrumentor(Instrumentor):
    """Shows the circuit breakers of circuitbreaker."""

    library = _LIBRARY
    requires: ClassVar[tuple[str, ...]] = ("circuitbreaker >= 2, < 3",)
    known: ClassVar[tuple[Clearable, ...]] = (_names_of, _states)
    patches: ClassVar[tuple[Patch, ...]] = (
        Patch(_LIBRARY, "CircuitBreaker.__init__", before(_made), always=True),
        Patch(_LIBRARY, "CircuitBreaker.decorate", before(_decorating), always=True),
        Patch(_LIBRARY, "CircuitBreaker.opened", after(_asked)),
        Patch(_LIBRARY, "CircuitBreaker.call", passing(_open, _ended)),
        Patch(_LIBRARY, "CircuitBreaker.call_generator", around(_opened)),
        Patch(_LIBRARY, "CircuitBreaker.call_async", around(_opened)),
        Patch(_LIBRARY, "CircuitBreaker.call_async_generator", around(_opened)),
        Patch(_LIBRARY, "CircuitBreaker.__enter__", before(_entered)),
        Patch(_LIBRARY, "CircuitBreaker.__exit__", after(_left)),
        Patch(_LIBRARY, "CircuitBreaker.reset", after(_reset)),
    )
