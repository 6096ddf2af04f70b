"""pybreaker 1.0 to 1.4.1.

What is seen: each call (decorator, ``call``, ``calling``, generators) as the breaker counts it, the ones it rejects, and its
transitions. Of tornado's ``call_async`` only the transitions are seen. The breaker's name is its ``name=``, if that is a
literal where the breaker is made or was declared, else the variable that it is assigned to. Spans inside ``with
breaker.calling()`` do not carry the breaker's state.

Everything here runs under the breaker's own lock, so nothing here waits for anything.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar, Final
from weakref import WeakKeyDictionary

from spanguard._core.border import quiet
from spanguard._core.breaker import transition
from spanguard._core.scope import current_scope
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
    before,
    module_of,
)
from spanguard.instrumentation._breakers import Call, passing
from spanguard.instrumentation._tries import running

_LIBRARY: Final = "pybreaker"
_POLICY: Final = "circuit_breaker"
_names_of: Final = _names.Made(_POLICY, _LIBRARY)
_streams: Final[WeakKeyDictionary[Any, Call]] = WeakKeyDictionary()


def _state(named: str) -> str:
    return named.replace("-", "_")


def _made(breaker: Any, args: Args, kwargs: Kwargs) -> None:
    _names_of.heard(breaker, argument(args, kwargs, 6, "name"))


def _open(breaker: Any) -> Call | None:
    state = _state(breaker._state.name)
    scope = current_scope()
    if isinstance(scope, Call) and scope.owner is breaker and scope.state == "open":
        scope.goes_on(state)  # an open breaker tries again: it half-opens, and calls itself
        return None
    name = _names_of.name(breaker, named=breaker.name)
    call = Call(breaker, name, state, _LIBRARY, (module_of(_LIBRARY).CircuitBreakerError,))
    call.start()
    return call if call.started else None


def _ended(call: Call, result: object) -> None:
    if inspect.isgenerator(result) and result in _streams:
        return
    if inspect.iscoroutine(result) or inspect.isasyncgen(result):
        # It is a success for the breaker before it has begun.
        _misuse.detected("breaker_on_coroutine", policy=_POLICY, name=call.name, library=_LIBRARY)
    call.finish()


def _streaming(state: Any, args: Args, kwargs: Kwargs, outcome: Outcome) -> None:
    call = running(Call, state._breaker)
    if call is not None and inspect.isgenerator(outcome.result):
        _streams[outcome.result] = _streams[argument(args, kwargs, 0, "wrapped_generator")] = call


def _of(state: Any) -> tuple[Call | None, bool]:
    """Return the call that a state judges, and whether it is that of a stream, which ends with the verdict."""
    call = running(Call, state._breaker)
    if call is not None:
        return call, False
    frame = _names.caller()
    while frame is not None and (frame.f_code.co_name == "_handle_error" or _names.is_ours(frame)):
        frame = frame.f_back
    if frame is None or frame.f_code.co_name != "generator_call":
        return None, False
    return _streams.get(frame.f_locals.get("wrapped_generator")), True


def _failing(wrapped: Callable[..., Any], state: Any, args: Args, kwargs: Kwargs) -> Any:
    call, streams = quiet(_of)(state) or (None, False)
    if call is None:
        return wrapped(*args, **kwargs)
    call.decide("failure")
    try:
        return wrapped(*args, **kwargs)
    finally:
        if streams:
            call.finish(argument(args, kwargs, 0, "exc"))


def _succeeding(state: Any, _args: Args, _kwargs: Kwargs) -> None:
    call, streams = _of(state)
    if call is None:
        return
    ignored = call.decided == "failure"  # of an excluded exception pybreaker says both
    call.decide("ignored" if ignored else "success")
    if streams and not ignored:
        call.finish()


def _changed(breaker: Any, args: Args, kwargs: Kwargs, outcome: Outcome) -> None:
    before_it = argument(args, kwargs, 1, "prev_state")
    if outcome.error is not None or before_it is None or not argument(args, kwargs, 2, "notify"):
        return
    old, new = _state(before_it.name), _state(outcome.result.name)  # type: ignore[attr-defined]
    if old == new:
        return  # an open breaker is opened once more
    storage = breaker._state_storage
    transition(
        _names_of.name(breaker, named=breaker.name),
        old,
        new,
        failures=storage.counter if type(storage).__name__ == "CircuitMemoryStorage" else None,  # others ask a server
        reset_timeout=breaker.reset_timeout,
        scope=None,
        library=_LIBRARY,
    )


class PyBreakerInstrumentor(Instrumentor):
    """Shows the circuit breakers of pybreaker."""

    library = _LIBRARY
    requires: ClassVar[tuple[str, ...]] = ("pybreaker >= 1, < 2",)
    known: ClassVar[tuple[Clearable, ...]] = (_names_of,)
    patches: ClassVar[tuple[Patch, ...]] = (
        Patch(_LIBRARY, "CircuitBreaker.__init__", before(_made), always=True),
        Patch(_LIBRARY, "CircuitBreaker.call", passing(_open, _ended)),
        Patch(_LIBRARY, "CircuitBreaker._create_new_state", after(_changed)),
        Patch(_LIBRARY, "CircuitBreakerState.generator_call", after(_streaming)),
        Patch(_LIBRARY, "CircuitBreakerState._handle_error", _failing),
        Patch(_LIBRARY, "CircuitBreakerState._handle_success", before(_succeeding)),
    )
