"""circuitbreaker, the real one: calls of all kinds as the breaker counts them, and transitions that it only computes."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest

from spanguard.instrumentation._misuse import misuses
from spanguard.instrumentation.circuitbreaker import CircuitBreakerInstrumentor
from support import Telemetry, Way

circuitbreaker = pytest.importorskip("circuitbreaker")
pytestmark = pytest.mark.foreign


@pytest.fixture(autouse=True)
def _instrumented(instrument: Any) -> None:
    instrument(CircuitBreakerInstrumentor)


def results(telemetry: Telemetry) -> dict[str, int]:
    """Return how often each result was counted."""
    points = telemetry.metrics().get("resilience.circuit_breaker.calls", [])
    return {attributes["resilience.circuit_breaker.result"]: value for attributes, value in points}


def transitions(telemetry: Telemetry) -> list[tuple[str, str]]:
    """Return the transitions that were told."""
    told = [attributes for name, _, attributes in telemetry.logs if name.endswith(".transition")]
    return [(each["resilience.circuit_breaker.from"], each["resilience.circuit_breaker.to"]) for each in told]


def test_calls_are_counted_as_the_breaker_counts_them(telemetry: Telemetry, way: Way) -> None:
    """Successes, failures and rejections, of each kind of function."""
    errors: list[type[Exception] | None] = [None, ConnectionError, ConnectionError]

    def body() -> str:
        error = errors.pop(0)
        if error:
            raise error
        return "answer"

    ask = circuitbreaker.circuit(failure_threshold=2, recovery_timeout=60)(way.function(body))
    assert way.run(ask) == "answer"
    for _ in range(2):
        with pytest.raises(ConnectionError):
            way.run(ask)
    with pytest.raises(circuitbreaker.CircuitBreakerError):
        way.run(ask)
    assert results(telemetry) == {"success": 1, "failure": 2, "rejected": 1}
    assert transitions(telemetry) == [("closed", "open")]


def test_a_call_that_is_cancelled_is_ignored(telemetry: Telemetry) -> None:
    """It says nothing about the other side."""

    @circuitbreaker.circuit(failure_threshold=1)
    async def never() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(never(), 0.01)

    asyncio.run(main())
    assert results(telemetry) == {"ignored": 1}
    assert transitions(telemetry) == []


def test_an_error_that_is_not_expected_is_ignored(telemetry: Telemetry) -> None:
    """The breaker does not count it, and it passes unchanged."""
    error = KeyError("x")

    @circuitbreaker.circuit(expected_exception=ConnectionError)
    def ask() -> None:
        raise error

    with pytest.raises(KeyError) as raised:
        ask()
    assert raised.value is error
    assert results(telemetry) == {"ignored": 1}


def test_a_fallback_answers_for_a_rejected_call(telemetry: Telemetry) -> None:
    """The call was rejected all the same."""

    @circuitbreaker.circuit(failure_threshold=1, fallback_function=lambda: "stub")
    def ask() -> str:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        ask()
    assert ask() == "stub"
    assert results(telemetry) == {"failure": 1, "rejected": 1}


def test_it_half_opens_with_the_call_that_finds_it_so(telemetry: Telemetry) -> None:
    """The library computes that from the time."""
    fail = [True]

    @circuitbreaker.circuit(failure_threshold=1, recovery_timeout=-1)
    def ask() -> None:
        if fail.pop():
            raise ConnectionError

    with pytest.raises(ConnectionError):
        ask()
    fail.append(False)
    ask()
    assert transitions(telemetry) == [("closed", "open"), ("open", "half_open"), ("half_open", "closed")]


def test_a_with_statement_is_told_to_have_no_effect(telemetry: Telemetry) -> None:
    """Nothing asks there whether the breaker is open."""
    breaker = circuitbreaker.CircuitBreaker(failure_threshold=1, name="provider")
    for _ in range(3):
        with pytest.raises(ConnectionError), breaker:
            raise ConnectionError
    assert [(each.kind, each.name) for each in misuses()] == [("breaker_never_blocks", "provider")]
    assert results(telemetry) == {"failure": 3}


def test_the_name_is_the_functions(telemetry: Telemetry) -> None:
    """Unless the breaker was given one."""

    @circuitbreaker.circuit
    def ask() -> None: ...

    ask()
    ((attributes, _),) = telemetry.metrics()["resilience.circuit_breaker.calls"]
    assert attributes["resilience.policy.name"].endswith(".ask")
    assert attributes["resilience.library.name"] == "circuitbreaker"


def test_uninstrument_restores_everything() -> None:
    """Every function is again what it was, and the property too."""
    instrumentor = CircuitBreakerInstrumentor()
    names = [patch.name.split(".")[1] for patch in instrumentor._applied]
    instrumentor.uninstrument()
    for name in names:
        found = vars(circuitbreaker.CircuitBreaker)[name]
        function = found.fget if isinstance(found, property) else found
        assert inspect.isfunction(function)
        assert function.__module__ == "circuitbreaker"
        assert not hasattr(function, "__wrapped__")
