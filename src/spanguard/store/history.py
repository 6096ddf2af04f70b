"""One figure over time: for each minute, hour, day, week or month of a selection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Final, NamedTuple

from spanguard import semconv
from spanguard.store.database import Database
from spanguard.store.figures import CONTEXT, Latency, calls, failed, latency, plus, rate, token_series, tokens
from spanguard.store.groups import cache
from spanguard.store.points import DURATIONS, Points, Series, read_by
from spanguard.store.selection import SECOND_NS, WINDOWS, Selection, window_of

_MOST_MONTH: Final = 31 * 86_400


@dataclass(frozen=True)
class Bucket:
    """A figure in one window: when it began (UTC, ISO 8601), the value (None if unknown), and what it is made of.

    ``latency`` is of the types that are times, in seconds; their ``value`` is the average.
    """

    start: str
    start_ns: int
    value: float | None
    count: int
    latency: Latency | None


class _Found(NamedTuple):
    value: float | None
    made_of: int
    latency: Latency | None = None


def _request_rate(points: Points, seconds: float) -> _Found:
    count = sum(series.count for series in calls(points))
    return _Found(rate(count, seconds), count)


def _error_rate(points: Points, _: float) -> _Found:
    durations = calls(points)
    count = sum(series.count for series in durations)
    return _Found(failed(durations) / count if count else None, count)


def _hit_rate(points: Points, _: float) -> _Found:
    hits, lookups = cache(points)
    return _Found(hits / lookups if hits is not None and lookups else None, lookups or 0)


def _seconds(of: Callable[[Points], Sequence[Series]]) -> Callable[[Points, float], _Found]:
    def found(points: Points, _: float) -> _Found:
        told = latency(of(points))
        return _Found(told.average, told.count, told)

    return found


def _calls_of(*, retrieval: bool) -> Callable[[Points], Sequence[Series]]:
    return lambda points: [each for each in calls(points) if (each.text(semconv.GEN_AI_OPERATION) == CONTEXT) == retrieval]


def _tokens(*kinds: semconv.TokenKind) -> Callable[[Points, float], _Found]:
    def found(points: Points, _: float) -> _Found:
        value = plus(*(tokens(token_series(points, kind)) for kind in kinds))
        return _Found(value, sum(series.count for series in calls(points)))

    return found


_TOKENS: Final = (
    *DURATIONS,
    *(each.metric.name for generation in semconv.GENERATIONS.values() for each in generation.tokens),
)
_TYPES: Final[dict[str, tuple[Sequence[str], Callable[[Points, float], _Found]]]] = {
    "requestRate": (DURATIONS, _request_rate),
    "totalLatency": ((semconv.OPERATION_DURATION.name,), _seconds(lambda p: p.of(semconv.OPERATION_DURATION.name))),
    "contextLatency": (DURATIONS, _seconds(_calls_of(retrieval=True))),
    "llmLatency": (DURATIONS, _seconds(_calls_of(retrieval=False))),
    "promptTokens": (_TOKENS, _tokens("input")),
    "completionTokens": (_TOKENS, _tokens("output")),
    "totalTokens": (_TOKENS, _tokens("input", "output")),
    "errorRate": (DURATIONS, _error_rate),
    "cacheHitRate": ((semconv.CACHE_LOOKUPS.name,), _hit_rate),
}
TYPES: Final = tuple(_TYPES)
"""What there is a history of."""


def history(db: Database, selection: Selection, kind: str, window: str) -> list[Bucket]:
    """Return a figure for each window of a selection; windows in which nothing was exported are left out."""
    metrics, figure = _TYPES[kind]
    by_window = read_by(db, selection, window_of("p.time_ns", window), metrics)
    found = sorted((int(str(begin)), points) for begin, points in by_window.items())
    return [_bucket(begin, figure(points, _length(begin, selection, window))) for begin, points in found]


def _length(begin: int, selection: Selection, window: str) -> float:
    """Return how many seconds of a window are in the selection."""
    end = begin + WINDOWS[window] * SECOND_NS
    if window == "month":
        later = datetime.fromtimestamp(begin / SECOND_NS + _MOST_MONTH + 86_400, timezone.utc).replace(day=1)
        end = int(later.timestamp()) * SECOND_NS
    first = begin if selection.start_ns is None else max(begin, selection.start_ns)
    last = end if selection.end_ns is None else min(end, selection.end_ns)
    return max(last - first, SECOND_NS) / SECOND_NS


def _bucket(begin: int, found: _Found) -> Bucket:
    start = datetime.fromtimestamp(begin // SECOND_NS, timezone.utc).isoformat().replace("+00:00", "Z")
    return Bucket(start, begin, *found)
