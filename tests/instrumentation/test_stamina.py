"""stamina, the real one, which retries by tenacity: under its own name, under the name of the user's function, once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace

from spanguard.instrumentation import _adapter
from spanguard.instrumentation.tenacity import TenacityInstrumentor
from support import Telemetry

stamina = pytest.importorskip("stamina")
pytestmark = pytest.mark.foreign


@pytest.fixture(autouse=True)
def _instrumented(instrument: Any) -> Iterator[None]:
    instrument(TenacityInstrumentor)
    stamina.set_testing(True, attempts=3)  # older ones are no context managers yet
    yield
    stamina.set_testing(False)


def failing(times: int) -> Any:
    """Return what fails so many times."""
    left = [None] * times

    def fail() -> str:
        if left:
            left.pop()
            raise TimeoutError
        return "answer"

    return fail


def operations(telemetry: Telemetry) -> list[tuple[str, str, int]]:
    """Return library, last part of the name and attempts of each operation."""
    points = telemetry.metrics()["resilience.operation.attempts"]
    return [(a["resilience.library.name"], a["resilience.policy.name"].split(".")[-1], int(sum_)) for a, (_, sum_) in points]


def test_a_decorated_function_is_counted_once(telemetry: Telemetry) -> None:
    """As an operation of stamina, under the function's name."""
    fail = failing(2)

    @stamina.retry(on=TimeoutError)
    def quote() -> str:
        return str(fail())

    assert quote() == "answer"
    assert operations(telemetry) == [("stamina", "quote", 3)]


def test_a_coroutine_function_is_counted_once(telemetry: Telemetry) -> None:
    """The same."""
    fail = failing(1)

    @stamina.retry(on=TimeoutError)
    async def quote() -> str:
        return str(fail())

    assert asyncio.run(quote()) == "answer"
    assert operations(telemetry) == [("stamina", "quote", 2)]


def test_a_loop_is_named_after_the_function_around_it(telemetry: Telemetry) -> None:
    """`retry_context` has no name of its own."""
    fail = failing(1)
    for attempt in stamina.retry_context(on=TimeoutError):
        with attempt:
            fail()
    assert operations(telemetry) == [("stamina", "test_a_loop_is_named_after_the_function_around_it", 2)]


def test_a_generator_does_not_leak_to_its_consumer(telemetry: Telemetry) -> None:
    """Newer versions retry the start of a generator: what runs between its chunks is no part of the attempt."""

    @stamina.retry(on=TimeoutError)
    def stream() -> Iterator[int]:
        yield from (1, 2)

    for _ in stream():
        trace.get_tracer("test").start_span("consumer").end()
    assert [span.parent for span in telemetry.spans if span.name == "consumer"] == [None, None]


def test_a_loop_that_somebody_else_reports_is_left_to_them(telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    """A retry that two layers see is counted by the one that owns it."""
    monkeypatch.setitem(_adapter._claimed, "stamina", "stamina")
    fail = failing(1)
    for attempt in stamina.retry_context(on=TimeoutError):
        with attempt:
            fail()
    assert "resilience.operation.attempts" not in telemetry.metrics()
    assert telemetry.spans == []


def test_tenacity_around_it_is_a_retry_of_its_own(telemetry: Telemetry) -> None:
    """Two layers that both retry are two operations, each under its own library and the name of one function."""
    tenacity = pytest.importorskip("tenacity")
    fail = failing(4)

    @tenacity.retry(stop=tenacity.stop_after_attempt(2), sleep=lambda _: None)
    @stamina.retry(on=TimeoutError)
    def ask() -> Any:
        return fail()

    assert ask() == "answer"
    told = telemetry.metrics()["resilience.operation.attempts"]
    assert {(by["resilience.library.name"], by["resilience.operation.outcome"], value) for by, value in told} == {
        ("tenacity", "recovered", (1, 2)),
        ("stamina", "exhausted", (1, 3)),
        ("stamina", "recovered", (1, 2)),
    }
    assert len({by["resilience.policy.name"] for by, _ in told}) == 1
