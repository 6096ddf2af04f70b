"""The same figures for each run, window, user, space, provider, model or policy.

Users and spaces stand on spans alone, never on metrics: where traces are sampled, so are their figures. All others come from
metric points, which are not; only what calls cost, and which of them were cancelled, comes from spans for all of them.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from spanguard import semconv
from spanguard.store.database import Database
from spanguard.store.figures import (
    ANSWERED,
    MISSED,
    Latency,
    calls,
    described,
    failed,
    latency,
    outcomes,
    plus,
    rate,
    share_of,
    token_series,
    tokens,
)
from spanguard.store.histogram import Buckets
from spanguard.store.points import Points, Series, read, read_by
from spanguard.store.selection import SECOND_NS, Selection, window_of

KEYS: Final = ("run", "window", "user", "space", "provider", "model", "policy")
"""What can be grouped by."""
_BOUNDS: Final = semconv.GEN_AI_DURATION_BOUNDARIES
_KINDS: Final[tuple[semconv.TokenKind, ...]] = ("input", "output")


@dataclass(frozen=True)
class Group:
    """The calls of one run, window (its begin in ns), user, space, provider or model, or the operations of one policy.

    ``cost`` is in USD, as far as spans state it; tokens and cost are None where nobody stated them. Rates are shares from
    0 to 1. ``error_rate`` is of all calls, ``success_rate`` of those that nobody cancelled, as far as spans tell of it: one
    whose span was not sampled counts as not cancelled. Of a policy both are of the operations that nobody cancelled, and a
    fallback value is neither success nor error.
    """

    key: str
    requests: int
    errors: int
    error_rate: float
    success_rate: float | None
    latency: Latency
    input_tokens: int | None
    output_tokens: int | None
    tokens_per_request: float | None
    cost: float | None
    cache_hits: int | None = None
    cache_lookups: int | None = None
    cache_hit_rate: float | None = None


def groups(db: Database, selection: Selection, by: str, window: str = "hour") -> list[Group]:
    """Return the figures of each group, windows in order of time, all others by their number of requests."""
    if by in ("user", "space"):
        return from_spans(db, selection, by)
    if by in ("provider", "model"):
        return _by_attribute(db, selection, by)
    if by == "policy":
        return _by_policy(db, selection)
    key = "r.run" if by == "run" else window_of("p.time_ns", window)
    told = by_spans(db, selection, "r.run" if by == "run" else window_of("s.start_ns", window))
    found = [_of_calls(str(each), points, told.get(str(each))) for each, points in read_by(db, selection, key).items()]
    return sorted(found, key=lambda group: int(group.key)) if by == "window" else _largest(found)


class OfSpans(NamedTuple):
    """What spans alone tell of calls: what they cost (USD; None if nobody said), and how many were cancelled."""

    cost: float | None
    cancelled: int


def by_spans(db: Database, selection: Selection, key: str) -> dict[str, OfSpans]:
    """Return it for each value of an SQL expression over the spans ``s`` and their resources ``r``."""
    where, values = selection.of_spans()
    rows = db.rows(
        f"""SELECT {key} AS key, sum(s.cost) AS cost, sum(s.outcome IS 'cancelled') AS cancelled
        FROM spans AS s JOIN resources AS r ON r.id = s.resource_id
        WHERE s.operation IS NOT NULL AND (s.cost IS NOT NULL OR s.outcome = 'cancelled') AND {where} GROUP BY 1""",  # noqa: S608 - of this package
        values,
    )
    return {str(row["key"]): OfSpans(row["cost"], row["cancelled"]) for row in rows}


def from_spans(db: Database, selection: Selection, by: str) -> list[Group]:
    """Return the figures of each user or space, from the spans of its calls."""
    where, values = selection.of_spans()
    seconds = "(s.end_ns - s.start_ns) / 1e9"
    below = ", ".join(
        f"count(*) FILTER (WHERE s.end_ns - s.start_ns <= {round(bound * SECOND_NS)}) AS b{place}"
        for place, bound in enumerate(_BOUNDS)
    )

    called = f"FROM spans AS s JOIN resources AS r ON r.id = s.resource_id WHERE s.{by} IS NOT NULL AND {where}"
    rows = db.rows(
        f"""SELECT s.{by} AS key, count(*) AS requests, sum(s.status = 'ERROR') AS errors,
            sum(s.outcome IS 'cancelled') AS cancelled, sum({seconds}) AS total, min({seconds}) AS low,
            max({seconds}) AS high, sum(s.input_tokens) AS input,
            sum(s.output_tokens) AS output, sum(s.cost) AS cost, {below}
        {called} AND s.operation IS NOT NULL GROUP BY 1""",
        values,
    )
    lookups = db.rows(
        f"""SELECT s.{by} AS key, sum(s.cache_result = 'hit') AS hits, sum(s.cache_result <> 'bypass') AS lookups
        {called} AND s.cache_result IS NOT NULL GROUP BY 1""",
        values,
    )
    cached = {row["key"]: (int(row["hits"]), int(row["lookups"])) for row in lookups}
    called_ = {row["key"]: row for row in rows}
    return _largest(_of_spans(key, called_.get(key), cached.get(key)) for key in {**called_, **cached})


def _of_spans(key: str, row: sqlite3.Row | None, cached: tuple[int, int] | None) -> Group:
    hits, lookups = cached or (None, None)
    share = rate(hits, lookups)
    if row is None:
        return Group(key, 0, 0, 0.0, None, Latency(), None, None, None, None, hits, lookups, share)
    buckets = Buckets()
    below = [int(row[f"b{place}"]) for place in range(len(_BOUNDS))]
    counts = [upper - lower for lower, upper in zip([0, *below], [*below, row["requests"]], strict=True)]
    buckets.add(_BOUNDS, counts)
    return Group(
        key,
        row["requests"],
        row["errors"],
        row["errors"] / row["requests"],
        _success(row["requests"], row["errors"], row["cancelled"]),
        described(row["requests"], row["total"], buckets, row["low"], row["high"]),
        row["input"],
        row["output"],
        rate(plus(row["input"], row["output"]), row["requests"]),
        row["cost"],
        hits,
        lookups,
        share,
    )


def _success(requests: int, errors: int, cancelled: int) -> float | None:
    """Return the share that succeeded of those that nobody cancelled; a window of points may begin in one of spans."""
    fine = max(requests - errors - cancelled, 0)
    return fine / (fine + errors) if fine + errors else None


def _by_attribute(db: Database, selection: Selection, by: str) -> list[Group]:
    attribute = {"provider": semconv.GEN_AI_PROVIDER, "model": semconv.GEN_AI_MODEL}[by]
    told = by_spans(db, selection, f"coalesce(s.{by}, '')")
    apart = _apart(read(db, selection), lambda series: series.text(attribute))
    return _largest(_of_calls(key, points, told.get(key)) for key, points in apart.items() if calls(points))


def _by_policy(db: Database, selection: Selection) -> list[Group]:
    apart = _apart(
        read(db, selection), lambda series: f"{series.text(semconv.POLICY_TYPE)} {series.text(semconv.POLICY_NAME)}"
    )
    return _largest(_of_policy(key, points) for key, points in apart.items() if points.of(semconv.OPERATION_DURATION.name))


def _apart(points: Points, key: Callable[[Series], str]) -> dict[str, Points]:
    found: defaultdict[str, dict[tuple[str, str], Series]] = defaultdict(dict)
    for name, series in points.items():
        found[key(series)][name] = series
    return {each: Points(series) for each, series in found.items()}


def _of_calls(key: str, points: Points, told: OfSpans | None) -> Group:
    durations = calls(points)
    requests, errors = sum(series.count for series in durations), failed(durations)
    cost, cancelled = told or OfSpans(None, 0)
    sent, received = (tokens(token_series(points, kind)) for kind in _KINDS)
    hits, lookups = cache(points)
    return Group(
        key,
        requests,
        errors,
        errors / requests if requests else 0.0,
        _success(requests, errors, cancelled),
        latency(durations),
        sent,
        received,
        rate(plus(sent, received), requests),
        cost,
        hits,
        lookups,
        rate(hits, lookups),
    )


def _of_policy(key: str, points: Points) -> Group:
    durations = points.of(semconv.OPERATION_DURATION.name)
    ended = outcomes(durations)
    requests, errors = sum(ended.values()), sum(ended.get(outcome, 0) for outcome in MISSED)
    used = points.of(semconv.TOKEN_USAGE.name)
    sent, received = (
        tokens([series for series in used if series.text(semconv.TOKEN_TYPE) == kind]) for kind in semconv.TOKEN_TYPES
    )
    return Group(
        key,
        requests,
        errors,
        share_of(ended, *MISSED) or 0.0,
        share_of(ended, *ANSWERED),
        latency(durations),
        sent,
        received,
        rate(plus(sent, received), requests),
        plus(*(series.value for series in points.of(semconv.COST.name))),
    )


def cache(points: Points) -> tuple[int | None, int | None]:
    """Count the hits and the lookups of caches, those left out that did not ask on purpose; None where there is none."""
    found = points.of(semconv.CACHE_LOOKUPS.name)
    if not found:
        return None, None
    asked = [series for series in found if series.text(semconv.CACHE_RESULT) != "bypass"]
    hits = sum(series.value for series in asked if series.text(semconv.CACHE_RESULT) == "hit")
    return int(hits), int(sum(series.value for series in asked))


def _largest(found: Iterable[Group]) -> list[Group]:
    return sorted(found, key=lambda group: (-group.requests, group.key))
