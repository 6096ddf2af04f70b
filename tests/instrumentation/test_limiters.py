"""aiolimiter and pyrate-limiter, the real ones: waits, and permits that were not given."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest

from spanguard.instrumentation.aiolimiter import AioLimiterInstrumentor
from spanguard.instrumentation.pyrate_limiter import PyrateLimiterInstrumentor
from support import Telemetry

pytestmark = pytest.mark.foreign


def results(telemetry: Telemetry) -> dict[str, int]:
    """Return how often each result was counted."""
    points = telemetry.metrics().get("resilience.rate_limiter.requests", [])
    return {attributes["resilience.rate_limiter.result"]: value for attributes, value in points}


@pytest.fixture
def aiolimiter(instrument: Any) -> Any:
    """The library, instrumented."""
    library = pytest.importorskip("aiolimiter")
    instrument(AioLimiterInstrumentor)
    return library


@pytest.fixture
def pyrate(instrument: Any) -> Any:
    """The library, instrumented."""
    library = pytest.importorskip("pyrate_limiter")
    instrument(PyrateLimiterInstrumentor)
    return library


def test_waits_for_capacity_are_counted(telemetry: Telemetry, aiolimiter: Any) -> None:
    """`async with limiter` and `acquire` alike, under the name of the variable."""

    async def main() -> None:
        requests = aiolimiter.AsyncLimiter(2, 60)
        async with requests:
            await requests.acquire()

    asyncio.run(main())
    ((attributes, value),) = telemetry.metrics()["resilience.rate_limiter.requests"]
    assert value == 2
    assert attributes["resilience.rate_limiter.result"] == "acquired"
    assert attributes["resilience.policy.name"].endswith(".main.requests")
    assert attributes["resilience.library.name"] == "aiolimiter"


def test_a_wait_that_is_cancelled_was_in_vain(telemetry: Telemetry, aiolimiter: Any) -> None:
    """Who waited gave up; the limiter refused nothing."""

    async def main() -> None:
        limiter = aiolimiter.AsyncLimiter(1, 60)
        await limiter.acquire()
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(limiter.acquire(), 0.01)

    asyncio.run(main())
    assert results(telemetry) == {"acquired": 1, "cancelled": 1}


def test_more_than_there_can_be_is_rejected(telemetry: Telemetry, aiolimiter: Any) -> None:
    """The limiter's own error passes."""

    async def main() -> None:
        with pytest.raises(ValueError):
            await aiolimiter.AsyncLimiter(1, 60).acquire(2)

    asyncio.run(main())
    assert results(telemetry) == {"rejected": 1}
    (span,) = telemetry.spans
    assert span.status == "ERROR"


def test_pyrate_counts_permits_and_refusals(telemetry: Telemetry, pyrate: Any) -> None:
    """What may be a user's, the name of the item, is nowhere."""
    limiter = pyrate.Limiter(pyrate.Rate(1, pyrate.Duration.MINUTE))
    assert limiter.try_acquire("user bob", blocking=False) is True
    assert limiter.try_acquire("user bob", blocking=False) is False
    points = telemetry.metrics()["resilience.rate_limiter.requests"]
    assert {a["resilience.rate_limiter.result"]: value for a, value in points} == {"acquired": 1, "rejected": 1}
    assert "bob" not in str(points) + str(telemetry.spans) + str(telemetry.logs)
    limiter.close()


def test_pyrate_counts_a_wait_that_took_too_long(telemetry: Telemetry, pyrate: Any) -> None:
    """Each wait once, although the async way goes through the other."""
    limiter = pyrate.Limiter(pyrate.Rate(1, pyrate.Duration.MINUTE))
    assert limiter.try_acquire("x") is True
    assert asyncio.run(limiter.try_acquire_async("x", timeout=0.01)) is False
    assert results(telemetry) == {"acquired": 1, "timeout": 1}
    limiter.close()


def test_a_wait_for_pyrate_that_is_cancelled_was_in_vain(telemetry: Telemetry, pyrate: Any) -> None:
    """As with aiolimiter."""

    async def main() -> None:
        limiter = pyrate.Limiter(pyrate.Rate(1, pyrate.Duration.MINUTE))
        await limiter.try_acquire_async("x")
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(limiter.try_acquire_async("x"), 0.01)
        limiter.close()

    asyncio.run(main())
    assert results(telemetry) == {"acquired": 1, "cancelled": 1}


def test_the_decorator_of_pyrate_is_counted(telemetry: Telemetry, pyrate: Any) -> None:
    """Of plain functions and of coroutine functions."""
    limiter = pyrate.Limiter(pyrate.Rate(9, pyrate.Duration.MINUTE))
    permitted = limiter.as_decorator(name="user bob", weight=1)

    async def answer() -> int:
        return 1

    assert permitted(lambda: 1)() == 1
    assert asyncio.run(permitted(answer)()) == 1
    assert results(telemetry) == {"acquired": 2}
    assert "bob" not in str(telemetry.spans) + str(telemetry.logs)
    limiter.close()


@pytest.mark.parametrize(
    ("instrumentor", "library", "cls"),
    [
        (AioLimiterInstrumentor, "aiolimiter.leakybucket", "AsyncLimiter"),
        (PyrateLimiterInstrumentor, "pyrate_limiter.limiter", "Limiter"),
    ],
)
def test_uninstrument_restores_everything(telemetry: Telemetry, instrumentor: Any, library: str, cls: str) -> None:
    """Every function is again what it was."""
    owner = getattr(pytest.importorskip(library), cls)
    before = {name: vars(owner)[name] for name in vars(owner) if inspect.isfunction(vars(owner)[name])}
    instrumentor().instrument()
    assert any(vars(owner)[name] is not function for name, function in before.items())
    instrumentor().uninstrument()
    assert {name: vars(owner)[name] for name in before} == before
