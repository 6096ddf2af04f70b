"""The figures of a window of a `Rollup`, as `statistics` has them of a selection."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from spanguard import semconv
from spanguard.store import from_points as made
from spanguard.store.figures import plus
from spanguard.store.points import Points
from spanguard.store.rollup import Window
from spanguard.store.selection import SECOND_NS


@dataclass(frozen=True)
class Redaction:
    """How often the guard removed or replaced something, by what it was part of and why."""

    signal: str
    field: str
    reason: str
    count: int


@dataclass(frozen=True)
class Overview:
    """Everything that metric points say of a window, and the packages that generated code tried to use."""

    seconds: float
    requests: made.Requests
    latency: made.Times
    operations: made.Work
    errors: dict[str, int]
    cache: made.Cache
    validation: made.Validation
    breakers: tuple[made.Breaker, ...]
    failovers: tuple[made.Hop, ...]
    limiters: tuple[made.Limiter, ...]
    dependencies: dict[str, int]
    redactions: tuple[Redaction, ...]


def overview(window: Window) -> Overview:
    """Add up a window."""
    return of_points(window.points, max(window.end_ns - window.start_ns, 1) / SECOND_NS, window.dependencies)


def of_points(points: Points, seconds: float, dependencies: dict[str, int] | None = None) -> Overview:
    """Add up the points of so many seconds."""
    work = made.work(points)
    return Overview(
        seconds,
        made.requests(points, seconds, plus(work.useful_cost, work.wasted_cost)),
        made.times(points),
        work,
        made.errors_by_type(points),
        made.lookups(points),
        made.validation(points),
        made.breakers(points),
        made.failovers(points),
        made.limiters(points),
        dependencies or {},
        redactions(points),
    )


def breaker_states(points: Points) -> dict[str, dict[str, float]]:
    """Return for each breaker how often it was observed in each state."""
    found: dict[str, dict[str, float]] = {}
    for series in points.of(semconv.BREAKER_STATE_NOW.name):
        by_state = found.setdefault(series.text(semconv.POLICY_NAME), {})
        state = series.text(semconv.BREAKER_STATE)
        by_state[state] = by_state.get(state, 0) + series.value
    return found


def redactions(points: Points) -> tuple[Redaction, ...]:
    """Return what the guard removed, the most frequent first."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for series in points.of(semconv.REDACTIONS.name):
        keys = (semconv.PRIVACY_SIGNAL, semconv.PRIVACY_FIELD, semconv.PRIVACY_REASON)
        signal, field, reason = (series.text(key) for key in keys)
        counts[signal, field, reason] += int(series.value)
    ranked = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    return tuple(Redaction(*key, count) for key, count in ranked if count)
