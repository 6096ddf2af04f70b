"""Histories against the same figures computed here, from a list of what happened, by the calendar."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from serve.conftest import Site, running
from spanguard import semconv
from spanguard.store import Database
from spanguard.store.history import TYPES

BEGIN, END = datetime(2026, 1, 29, tzinfo=timezone.utc), datetime(2026, 4, 3, tzinfo=timezone.utc)
GENERATION = semconv.GENERATIONS["1.37"]
LONGEST = timedelta(days=6)
"""How far back minutes are asked for: an answer has at most 10000."""


class Happened(NamedTuple):
    """Something that was measured."""

    at: datetime
    metric: semconv.Metric
    attributes: dict[str, str]
    amount: float


def everything() -> list[Happened]:
    """Return two months of calls, operations, tokens and lookups, some of them at the very begin of a month or a week."""
    random = Random(7)
    minutes = int((END - BEGIN).total_seconds()) // 60
    times = [BEGIN + timedelta(minutes=random.randrange(minutes), seconds=random.choice((0, 30, 59))) for _ in range(400)]
    times += [datetime(2026, 2, 1, tzinfo=timezone.utc), datetime(2026, 3, 2, tzinfo=timezone.utc), END - LONGEST]
    found = []
    for at in times:
        chat = {semconv.GEN_AI_OPERATION: random.choice(("chat", "retrieval"))}
        failed = {semconv.ERROR_TYPE: "TimeoutError"} if random.random() < 0.3 else {}
        found.append(Happened(at, GENERATION.duration, {**chat, **failed}, random.uniform(0.02, 9)))
        found.append(Happened(at, semconv.OPERATION_DURATION, {semconv.OUTCOME: "success"}, random.uniform(0.02, 9)))
        found.append(Happened(at, semconv.CACHE_LOOKUPS, {semconv.CACHE_RESULT: random.choice(("hit", "miss", "bypass"))}, 1))
        kinds = GENERATION.tokens[:2]
        found += [Happened(at, each.metric, dict(each.fixed or {}), random.randrange(1, 900)) for each in kinds]
    return found


HAPPENED = everything()


def rows() -> Iterator[tuple[object, ...]]:
    """Give the points of it, as an exporter of deltas leaves them."""
    for place, each in enumerate(HAPPENED):
        ns = int(each.at.timestamp()) * 10**9
        kind = each.metric.kind if each.metric.kind == "histogram" else "sum"
        text = json.dumps(each.attributes, separators=(",", ":"), sort_keys=True)
        head = (1, semconv.SCOPE, each.metric.name, each.metric.unit, kind, "DELTA", ns - place - 1, ns, text)
        if kind == "sum":
            yield (*head, each.amount, *(None,) * 6)
            continue
        counts = [0] * (len(each.metric.boundaries) + 1)
        counts[sum(each.amount > bound for bound in each.metric.boundaries)] = 1
        yield (*head, None, 1, each.amount, each.amount, each.amount, json.dumps(each.metric.boundaries), json.dumps(counts))


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server over a store of it."""
    path = Path(tmp_path_factory.mktemp("long")) / "telemetry.db"
    with Database.open(path) as database:
        database.write({"resources": [(1, "run", "shop", "{}")]})
        database.write({"metric_points": list(rows())})
    with running(path) as site:
        yield site


def window(at: datetime, aggregation: str) -> datetime:
    """Return when the window of a point in time begins: weeks on Mondays, all of it in UTC."""
    day = at.replace(hour=0, minute=0, second=0)
    return {
        "minute": at.replace(second=0),
        "hour": at.replace(minute=0, second=0),
        "day": day,
        "week": day - timedelta(days=at.isoweekday() - 1),
        "month": day.replace(day=1),
    }[aggregation]


def seconds(begin: datetime, aggregation: str, first: datetime) -> float:
    """Return how long the part of a window is that was asked for."""
    sizes = {"minute": 60, "hour": 3600, "day": 86_400, "week": 7 * 86_400}
    end = (begin + timedelta(days=32)).replace(day=1) if aggregation == "month" else begin + timedelta(0, sizes[aggregation])
    return (min(end, END) - max(begin, first)).total_seconds()


def amounts(of: list[Happened], metric: str, keep: Callable[[dict[str, str]], bool] = lambda _: True) -> list[float]:
    """Return what was measured by a metric."""
    return [each.amount for each in of if each.metric.name == metric and keep(each.attributes)]


def expected(kind: str, of: list[Happened], length: float) -> float | None:
    """Return a figure of what happened in a window."""
    duration, tokens = GENERATION.duration.name, GENERATION.tokens[0].metric.name
    calls = [each for each in of if each.metric.name == duration]
    if kind in ("promptTokens", "completionTokens", "totalTokens"):
        kinds = {"promptTokens": ("input",), "completionTokens": ("output",)}.get(kind, ("input", "output"))
        return sum(amounts(of, tokens, lambda a: a[semconv.GEN_AI_TOKEN_TYPE] in kinds))
    if kind == "requestRate":
        return len(calls) / length
    if kind == "errorRate":
        return sum(semconv.ERROR_TYPE in each.attributes for each in calls) / len(calls)
    if kind == "cacheHitRate":
        asked = [each.attributes[semconv.CACHE_RESULT] for each in of if each.metric is semconv.CACHE_LOOKUPS]
        asked = [each for each in asked if each != "bypass"]
        return asked.count("hit") / len(asked) if asked else None
    wanted = {
        "totalLatency": amounts(of, semconv.OPERATION_DURATION.name),
        "contextLatency": amounts(of, duration, lambda a: a[semconv.GEN_AI_OPERATION] == "retrieval"),
        "llmLatency": amounts(of, duration, lambda a: a[semconv.GEN_AI_OPERATION] == "chat"),
    }[kind]
    return sum(wanted) / len(wanted) if wanted else None


@pytest.mark.parametrize("aggregation", ["minute", "hour", "day", "week", "month"])
@pytest.mark.parametrize("kind", TYPES)
def test_a_history_says_what_happened(long: Site, kind: str, aggregation: str) -> None:
    """In each window the very value, also in those that were asked for in part, and no window beside them."""
    first = END - LONGEST if aggregation == "minute" else BEGIN
    by_window: dict[datetime, list[Happened]] = defaultdict(list)
    for each in HAPPENED:
        if first <= each.at < END:
            by_window[window(each.at, aggregation)].append(each)
    query = f"type={kind}&aggregation={aggregation}&start={first:%Y-%m-%dT%H:%M:%SZ}&end={END:%Y-%m-%dT%H:%M:%SZ}"
    told = {each["start"]: each["value"] for each in long.get(f"/api/metrics/historical?{query}")["points"]}
    wanted = {
        f"{begin:%Y-%m-%dT%H:%M:%SZ}": pytest.approx(value) if value is not None else None
        for begin, of in by_window.items()
        for value in [expected(kind, of, seconds(begin, aggregation, first))]
    }
    assert len(wanted) > 2
    assert told == wanted
