"""The pytest plugin: fixtures for the tests of programs that use spanguard.

pytest loads it in every run of every project where spanguard is installed, so it imports nothing before a fixture is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from spanguard.testing.no_leak import NoLeak
    from spanguard.testing.telemetry import Clock, Telemetry

_readers: Final[list[Telemetry]] = []


@pytest.fixture
def spanguard_telemetry() -> Telemetry:
    """Everything that this test records, as plain data: spans, metrics and log records, from the real SDK.

    It listens at the providers that the program has set, and sets its own where there are none.
    """
    from spanguard.testing.telemetry import Telemetry

    if not _readers:  # OpenTelemetry's global providers can be set once in a process
        _readers.append(Telemetry())
    _readers[0].clear()
    return _readers[0]


@pytest.fixture
def spanguard_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock of spanguard's own spans and durations, which stands still until the test calls ``move(seconds)``."""
    from spanguard.testing.telemetry import Clock

    clock = Clock()
    monkeypatch.setattr("spanguard._core.clock.now", clock.now)
    monkeypatch.setattr("spanguard._core.clock.ticks", clock.ticks)
    return clock


@pytest.fixture
def assert_no_leak(spanguard_telemetry: Telemetry, request: pytest.FixtureRequest) -> Iterator[NoLeak]:
    """Call it with canaries: the test fails if one is in anything that left the program, wire bytes included."""
    from spanguard.testing.no_leak import watched

    yield from watched(spanguard_telemetry, request)
