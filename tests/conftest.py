"""Fixtures of all tests."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from spanguard import settings
from spanguard._core import border, names
from spanguard._core import clock as spanguard_clock
from spanguard.settings import Settings
from support import Clock, Telemetry, Way

# A shell starts what it runs in the background with SIGINT ignored, and processes that tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def _telemetry() -> Telemetry:
    # OpenTelemetry's global providers can be set once in a process.
    return Telemetry()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of the emitters, under the test's hand."""
    moved = Clock()
    monkeypatch.setattr(spanguard_clock, "now", moved.now)
    monkeypatch.setattr(spanguard_clock, "ticks", moved.ticks)
    return moved


@pytest.fixture
def telemetry(_telemetry: Telemetry, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[Telemetry]:
    """All that is recorded, in generation 1.37; faults of ours are raised."""
    monkeypatch.setattr(border, "strict", True)
    border.forget()
    monkeypatch.setattr(names, "_used", set())  # so that no test is short of them after many others
    settings.use(Settings())
    _telemetry.clear()
    yield _telemetry
    settings.use(Settings())


@pytest.fixture(params=["def", "async def", "generator", "async generator"])
def way(request: pytest.FixtureRequest) -> Way:
    """The same test for each kind of function."""
    return Way(request.param)
