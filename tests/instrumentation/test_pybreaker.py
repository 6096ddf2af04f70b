"""pybreaker, the real one: calls as the breaker counts them, transitions, and what has no effect."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace

import spanguard
from spanguard.instrumentation._misuse import misuses
from spanguard.instrumentation.pybreaker import PyBreakerInstrumentor
from support import Telemetry

pybreaker = pytest.importorskip("pybreaker")
pytestmark = pytest.mark.foreign


@pytest.fixture(autouse=True)
def _instrumented(instrument: Any) -> None:
    instrument(PyBreakerInstrumentor)


def fails() -> None:
    """Fail."""
    raise ConnectionError


def works() -> str:
    """Work."""
    with trace.get_tracer("test").start_as_current_span("work"):
        return "answer"


def results(telemetry: Telemetry) -> dict[str, int]:
    """Return how often each result was counted."""
    points = telemetry.metrics().get("resilience.circuit_breaker.calls", [])
    return {attributes["resilience.circuit_breaker.result"]: value for attributes, value in points}


def transitions(telemetry: Telemetry) -> list[tuple[str, str]]:
    """Return the transitions that were told."""
    told = [attributes for name, _, attributes in telemetry.logs if name.endswith(".transition")]
    return [(each["resilience.circuit_breaker.from"], each["resilience.circuit_breaker.to"]) for each in told]


def trip(breaker: Any) -> None:
    """Call until the breaker is open."""
    while breaker.current_state == "closed":
        with pytest.raises((ConnectionError, pybreaker.CircuitBreakerError)):
            breaker.call(fails)


def test_calls_are_counted_as_the_breaker_counts_them(telemetry: Telemetry) -> None:
    """The call that trips the breaker raises the same error as those that are rejected, but it ran."""
    breaker = pybreaker.CircuitBreaker(fail_max=2)
    assert breaker.call(works) == "answer"
    trip(breaker)
    for _ in range(3):
        with pytest.raises(pybreaker.CircuitBreakerError):
            breaker.call(works)
    assert results(telemetry) == {"success": 1, "failure": 2, "rejected": 3}
    assert transitions(telemetry) == [("closed", "open")]


def test_a_rejected_call_is_a_short_span(telemetry: Telemetry) -> None:
    """It is the only call that makes one."""
    breaker = pybreaker.CircuitBreaker(fail_max=1, name="provider")
    trip(breaker)
    with pytest.raises(pybreaker.CircuitBreakerError):
        breaker.call(works)
    (span,) = telemetry.spans
    assert (span.name, span.status, span["error.type"]) == ("circuit_breaker provider", "ERROR", "circuit_open")
    assert span["resilience.library.name"] == "pybreaker"


def test_an_open_breaker_half_opens_and_closes(telemetry: Telemetry) -> None:
    """The call that it lets pass is one call, in the state that it ran in."""
    breaker = pybreaker.CircuitBreaker(fail_max=1, reset_timeout=0)
    trip(breaker)
    telemetry.metrics()
    with spanguard.traced_repair("x"):
        assert breaker.call(lambda: spanguard.traced_llm_call(model="gpt-5.2")(works)()) == "answer"
    assert results(telemetry) == {"success": 1}
    told = transitions(telemetry) + [
        (a["resilience.circuit_breaker.from"], a["resilience.circuit_breaker.to"])
        for span in telemetry.spans
        for name, a in span.events
        if name.endswith(".transition")
    ]
    assert told == [("closed", "open"), ("open", "half_open"), ("half_open", "closed")]
    assert telemetry.span("chat gpt-5.2")["resilience.circuit_breaker.state"] == "half_open"


def test_an_excluded_error_is_ignored(telemetry: Telemetry) -> None:
    """The program's own errors say nothing about the other side, and pass unchanged."""
    breaker = pybreaker.CircuitBreaker(exclude=[KeyError])
    error = KeyError("x")

    def refuses() -> None:
        raise error

    with pytest.raises(KeyError) as raised:
        breaker.call(refuses)
    assert raised.value is error
    assert results(telemetry) == {"ignored": 1}


def test_a_generator_is_counted_at_its_end(telemetry: Telemetry) -> None:
    """As the breaker does: by what happens while it is consumed."""
    breaker = pybreaker.CircuitBreaker(fail_max=5)

    @breaker
    def stream(fail: bool) -> Iterator[int]:
        yield 1
        if fail:
            raise ConnectionError

    assert list(stream(False)) == [1]
    with pytest.raises(ConnectionError):
        list(stream(True))
    assert results(telemetry) == {"success": 1, "failure": 1}


def test_the_context_manager_is_counted(telemetry: Telemetry) -> None:
    """`with breaker.calling()` is a call."""
    if not hasattr(pybreaker.CircuitBreaker, "calling"):
        pytest.skip("this version has none")
    breaker = pybreaker.CircuitBreaker(fail_max=1)
    with breaker.calling():
        pass
    with pytest.raises((ConnectionError, pybreaker.CircuitBreakerError)), breaker.calling():
        raise ConnectionError
    with pytest.raises(pybreaker.CircuitBreakerError), breaker.calling():
        pass
    assert results(telemetry) == {"success": 1, "failure": 1, "rejected": 1}


def test_a_coroutine_function_is_told_to_have_no_effect(telemetry: Telemetry) -> None:
    """The breaker takes every coroutine for a success, and never opens."""
    breaker = pybreaker.CircuitBreaker(fail_max=1)

    @breaker
    async def ask() -> None:
        raise ConnectionError

    for _ in range(3):
        with pytest.raises(ConnectionError):
            asyncio.run(ask())
    assert breaker.current_state == "closed"
    assert [each.kind for each in misuses()] == ["breaker_on_coroutine"]


def named(telemetry: Telemetry) -> str:
    """Return the name that the one counted breaker goes by."""
    ((attributes, _),) = telemetry.metrics()["resilience.circuit_breaker.calls"]
    return str(attributes["resilience.policy.name"])


def test_a_literal_name_is_shown(telemetry: Telemetry) -> None:
    """What stands in the code that makes the breaker is the program's own word."""
    pybreaker.CircuitBreaker(name="billing").call(works)
    assert named(telemetry) == "billing"


def test_a_computed_name_is_a_pseudonym(telemetry: Telemetry) -> None:
    """It may be a user's."""
    pybreaker.CircuitBreaker(name="".join(["user ", "bob"])).call(works)
    assert named(telemetry).startswith("h:")


def test_a_breaker_without_a_name_goes_by_its_variable(telemetry: Telemetry) -> None:
    """Where it is made, and what it is assigned to."""
    breaker = pybreaker.CircuitBreaker()
    breaker.call(works)
    assert named(telemetry).endswith(".breaker")
    assert named.__name__ == "named"


def test_a_breaker_from_before_goes_by_its_function(telemetry: Telemetry) -> None:
    """Made before the instrumentation, nothing but its name and its calls is known of it."""
    instrumentor = PyBreakerInstrumentor()
    instrumentor.uninstrument()
    breaker = pybreaker.CircuitBreaker()
    instrumentor.instrument()
    breaker.call(works)
    assert named(telemetry) == "pybreaker"


def test_uninstrument_restores_everything() -> None:
    """Every function is again what it was."""
    instrumentor = PyBreakerInstrumentor()
    names = [patch.name for patch in instrumentor._applied]
    instrumentor.uninstrument()
    for name in names:
        cls, method = name.split(".")
        assert inspect.isfunction(vars(getattr(pybreaker, cls))[method])
    assert instrumentor._applied == {}
