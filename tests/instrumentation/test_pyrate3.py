"""pyrate-limiter 3, the real one: another way to ask, and to be refused, than in version 4."""

from __future__ import annotations

import asyncio
import inspect
from importlib.metadata import version
from typing import Any

import pytest

from spanguard.instrumentation.pyrate_limiter import PyrateLimiterInstrumentor
from support import Telemetry

pyrate = pytest.importorskip("pyrate_limiter")
pytestmark = [
    pytest.mark.foreign,
    pytest.mark.skipif(int(version("pyrate-limiter").split(".")[0]) >= 4, reason="tested in test_limiters.py"),
]


@pytest.fixture(autouse=True)
def _instrumented(instrument: Any) -> None:
    instrument(PyrateLimiterInstrumentor)


def results(telemetry: Telemetry) -> dict[tuple[str, str], int]:
    """Return how often each result was counted, by limiter and result."""
    points = telemetry.metrics()["resilience.rate_limiter.requests"]
    keys = "resilience.policy.name", "resilience.rate_limiter.result"
    return {(by[keys[0]].rpartition(".")[2], by[keys[1]]): value for by, value in points}


def test_permits_and_refusals(telemetry: Telemetry) -> None:
    """By an exception or without one; the item's name is nowhere."""
    raising = pyrate.Limiter(pyrate.Rate(1, pyrate.Duration.MINUTE))
    assert raising.try_acquire("user bob") is True
    with pytest.raises(pyrate.BucketFullException):
        raising.try_acquire("user bob")
    silent = pyrate.Limiter(pyrate.Rate(1, pyrate.Duration.MINUTE), raise_when_fail=False, max_delay=10)
    assert [silent.try_acquire("user bob") for _ in range(2)] == [True, False]
    told = results(telemetry)
    assert told == {(name, result): 1 for name in ("raising", "silent") for result in ("acquired", "rejected")}
    assert "bob" not in str(telemetry.metrics()) + str(telemetry.spans) + str(telemetry.logs)


def test_the_async_way_is_counted_once(telemetry: Telemetry) -> None:
    """Although it goes through the other; with a bucket of either kind."""

    class Bucket(pyrate.InMemoryBucket):  # type: ignore[misc]
        async def put(self, item: Any) -> Any:
            return super().put(item)

    async def main() -> None:
        for bucket in (pyrate.InMemoryBucket, Bucket):
            limiter = pyrate.Limiter(bucket([pyrate.Rate(9, pyrate.Duration.MINUTE)]))
            assert await limiter.try_acquire_async("x")

    asyncio.run(main())
    assert results(telemetry) == {("limiter", "acquired"): 2}


def test_the_decorator_is_counted(telemetry: Telemetry) -> None:
    """Of plain functions."""
    limiter = pyrate.Limiter(pyrate.Rate(9, pyrate.Duration.MINUTE))
    assert limiter.as_decorator()(lambda: ("user bob", 1))(lambda: 1)() == 1
    assert results(telemetry) == {("limiter", "acquired"): 1}


def test_uninstrument_restores_everything() -> None:
    """Every function is again what it was."""
    PyrateLimiterInstrumentor().uninstrument()
    for name in ("__init__", "try_acquire", "try_acquire_async"):
        assert inspect.isfunction(vars(pyrate.Limiter)[name])
        assert not hasattr(vars(pyrate.Limiter)[name], "__wrapped__")
