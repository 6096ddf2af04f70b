"""What happened in a time or a run, in figures.

Counts and rates are of metric points; what is said of users, spaces, error categories, costs and dependencies is of spans,
and as sampled as they are.

Rates are shares from 0 to 1: 0 where nothing was attempted, None where it is not known. Nothing here is a message.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Final

from spanguard import semconv
from spanguard.store.columns import attribute
from spanguard.store.database import Database
from spanguard.store.drops import dropped
from spanguard.store.figures import (
    ANSWERED,
    CONTEXT,
    Latency,
    calls,
    failed,
    judged,
    latency,
    outcomes,
    plus,
    rate,
    token_series,
    tokens,
)
from spanguard.store.groups import Group, cache, costs, from_spans
from spanguard.store.points import Points, Series, read
from spanguard.store.selection import SECOND_NS, Selection

TOP: Final = 5
"""How many rules and categories are listed."""


@dataclass(frozen=True)
class Requests:
    """Calls: how many, how many failed, how many a second, their tokens, and their cost in USD."""

    count: int
    errors: int
    error_rate: float | None
    per_second: float | None
    input_tokens: int | None
    output_tokens: int | None
    tokens_per_request: float | None
    cost: float | None


@dataclass(frozen=True)
class Times:
    """How long whole operations took (waits included), the assembly of context (``retrieval``), and the models."""

    operations: Latency
    retrieval: Latency
    model: Latency


@dataclass(frozen=True)
class Work:
    """Guarded operations: how many, and how they ended.

    ``first_attempt_success`` is a share of those that nobody cancelled, as of the SLI of that name; ``average_retries`` is of
    those that succeeded, ``wasted_share`` of their tokens.
    """

    count: int
    outcomes: dict[str, int]
    first_attempt_success: float | None
    average_retries: float | None
    useful_tokens: int | None
    wasted_tokens: int | None
    wasted_share: float | None
    useful_cost: float | None
    wasted_cost: float | None


@dataclass(frozen=True)
class Category:
    """Failed calls of one category, and whether another attempt can help."""

    category: str
    recoverable: bool | None
    count: int


@dataclass(frozen=True)
class Errors:
    """Failed calls by ``error.type``, and by category as far as there are spans of them."""

    by_type: dict[str, int]
    by_category: tuple[Category, ...]


@dataclass(frozen=True)
class Cache:
    """Lookups by result; the hit rate is of those that were not meant to bypass the cache."""

    results: dict[str, int]
    hit_rate: float | None


@dataclass(frozen=True)
class Rule:
    """A rule and its verdicts."""

    rule: str
    failed: int
    passed: int


@dataclass(frozen=True)
class Safety:
    """Verdicts of safety validators of one risk level and one action."""

    risk_level: str
    action: str
    count: int


@dataclass(frozen=True)
class Validation:
    """Verdicts, the rules that failed most, and what safety validators did."""

    count: int
    failure_rate: float | None
    top_rules: tuple[Rule, ...]
    safety: tuple[Safety, ...]


@dataclass(frozen=True)
class Breaker:
    """A circuit breaker: its calls by result, how often it opened, and how many seconds it was open."""

    name: str
    calls: dict[str, int]
    trips: int
    open_seconds: float


@dataclass(frozen=True)
class Hop:
    """How often a failover went from one candidate to another."""

    chain: str
    from_candidate: str
    to_candidate: str
    count: int


@dataclass(frozen=True)
class Limiter:
    """A rate limiter: its requests by result, and how long they waited."""

    name: str
    requests: dict[str, int]
    wait: Latency


@dataclass(frozen=True)
class Statistics:
    """Everything about a selection; times in ns since 1970, ``seconds`` what lies between them."""

    run: str | None
    start_ns: int | None
    end_ns: int | None
    seconds: float | None
    requests: Requests
    latency: Times
    operations: Work
    errors: Errors
    cache: Cache
    validation: Validation
    breakers: tuple[Breaker, ...]
    failovers: tuple[Hop, ...]
    limiters: tuple[Limiter, ...]
    dependencies: dict[str, int]
    users: tuple[Group, ...]
    spaces: tuple[Group, ...]
    drops: int

    def to_dict(self) -> dict[str, object]:
        """Return the same as dictionaries and lists, for JSON."""
        return asdict(self)


def statistics(db: Database, selection: Selection) -> Statistics:
    """Add up a selection. Where the store has nothing of it, counts are 0 and what is unknown is None."""
    points = read(db, selection)
    start, end = _span(selection, points)
    seconds = None if start is None or end is None else max(end - start, 0) / SECOND_NS
    return Statistics(
        selection.run,
        start,
        end,
        seconds,
        _requests(points, seconds, plus(*costs(db, selection, "''").values())),
        _times(points),
        _work(points),
        Errors(_errors(points), _categories(db, selection)),
        Cache(_counts(points, semconv.CACHE_LOOKUPS, semconv.CACHE_RESULT), _known(points, rate(*_zero(cache(points))))),
        _validation(points),
        _breakers(points),
        _failovers(points),
        _limiters(points),
        _dependencies(db, selection),
        tuple(from_spans(db, selection, "user")),
        tuple(from_spans(db, selection, "space")),
        sum(dropped(db, selection).values()),
    )


def _span(selection: Selection, points: Points) -> tuple[int | None, int | None]:
    series = points.all()
    first = min((each.start_ns for each in series), default=None)
    last = max((each.end_ns for each in series), default=None)
    return (
        selection.start_ns if selection.start_ns is not None else first,
        selection.end_ns if selection.end_ns is not None else last,
    )


def _known(points: Points, share: float | None) -> float | None:
    """A rate of something that was not attempted is 0 only where telemetry says that anything happened at all."""
    return share if points else None


def _zero(pair: tuple[int | None, int | None]) -> tuple[int, int]:
    return pair[0] or 0, pair[1] or 0


def _requests(points: Points, seconds: float | None, cost: float | None) -> Requests:
    durations = calls(points)
    count, errors = sum(series.count for series in durations), failed(durations)
    sent, received = tokens(token_series(points, "input")), tokens(token_series(points, "output"))
    return Requests(
        count,
        errors,
        _known(points, rate(errors, count)),
        _known(points, rate(count, seconds)),
        sent,
        received,
        rate(plus(sent, received), count),
        cost,
    )


def _times(points: Points) -> Times:
    durations = calls(points)
    retrieval = [series for series in durations if series.text(semconv.GEN_AI_OPERATION) == CONTEXT]
    model = [series for series in durations if series.text(semconv.GEN_AI_OPERATION) != CONTEXT]
    return Times(latency(points.of(semconv.OPERATION_DURATION.name)), latency(retrieval), latency(model))


def _work(points: Points) -> Work:
    ended = outcomes(points.of(semconv.OPERATION_DURATION.name))
    succeeded = [s for s in points.of(semconv.OPERATION_ATTEMPTS.name) if s.text(semconv.OUTCOME) in ANSWERED]
    successes = sum(series.count for series in succeeded)
    used, cost = (
        _by(points.of(metric.name), semconv.DISPOSITION) if points.of(metric.name) else None
        for metric in (semconv.TOKEN_USAGE, semconv.COST)
    )
    useful, wasted = (None, None) if used is None else (int(used["useful"]), int(used["wasted"]))
    return Work(
        sum(ended.values()),
        ended,
        _known(points, rate(ended.get("success", 0), judged(ended))),
        _known(points, rate(sum(series.sum for series in succeeded) - successes, successes)),
        useful,
        wasted,
        rate(wasted, plus(useful, wasted)),
        None if cost is None else float(cost["useful"]),
        None if cost is None else float(cost["wasted"]),
    )


def _errors(points: Points) -> dict[str, int]:
    with_error = [series for series in calls(points) if series.text(semconv.ERROR_TYPE)]
    return _ranked(_by(with_error, semconv.ERROR_TYPE))


def _categories(db: Database, selection: Selection) -> tuple[Category, ...]:
    where, values = selection.of_spans()
    recoverable = attribute(semconv.ERROR_RECOVERABLE)
    rows = db.rows(
        f"""SELECT coalesce(s.error_category, 'other') AS category, {recoverable} AS recoverable, count(*) AS count
        FROM spans AS s JOIN resources AS r ON r.id = s.resource_id
        WHERE s.operation IS NOT NULL AND s.status = 'ERROR' AND {where}
        GROUP BY 1, 2 ORDER BY 3 DESC, 1 LIMIT {TOP}""",  # noqa: S608 - of this package
        values,
    )
    return tuple(
        Category(row["category"], None if row["recoverable"] is None else bool(row["recoverable"]), row["count"])
        for row in rows
    )


def _validation(points: Points) -> Validation:
    found = points.of(semconv.VALIDATIONS.name)
    verdicts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    safety: Counter[tuple[str, str]] = Counter()
    for series in found:
        # A verdict without a rule goes by the policy that it was made in.
        rule = series.text(semconv.VALIDATION_RULE) or series.text(semconv.POLICY_NAME) or semconv.OTHER
        verdicts[rule][series.text(semconv.VALIDATION_RESULT)] += int(series.value)
        if semconv.RISK_LEVEL in series.attributes:
            safety[series.text(semconv.RISK_LEVEL), series.text(semconv.VALIDATION_ACTION)] += int(series.value)
    count = sum(results.total() for results in verdicts.values())
    broken = sum(results["fail"] for results in verdicts.values())
    rules = sorted(
        (Rule(rule, r["fail"], r["pass"]) for rule, r in verdicts.items()), key=lambda each: (-each.failed, each.rule)
    )
    return Validation(
        count,
        _known(points, rate(broken, count)),
        tuple(each for each in rules[:TOP] if each.failed),
        tuple(Safety(*key, each) for key, each in sorted(safety.items())),
    )


def _breakers(points: Points) -> tuple[Breaker, ...]:
    called, changed, opened = (
        _by_name(points, metric) for metric in (semconv.BREAKER_CALLS, semconv.BREAKER_TRANSITIONS, semconv.BREAKER_OPEN)
    )
    return tuple(
        Breaker(
            name,
            _ranked(_by(called.get(name, []), semconv.BREAKER_RESULT)),
            int(_by(changed.get(name, []), semconv.BREAKER_TO)["open"]),
            sum(series.value for series in opened.get(name, [])),
        )
        for name in sorted({*called, *changed, *opened})
    )


def _failovers(points: Points) -> tuple[Hop, ...]:
    hops: Counter[tuple[str, str, str]] = Counter()
    for series in points.of(semconv.FAILOVER_HOPS.name):
        keys = (semconv.POLICY_NAME, semconv.FAILOVER_FROM, semconv.FAILOVER_TO)
        chain, old, new = (series.text(key) for key in keys)
        hops[chain, old, new] += int(series.value)
    return tuple(Hop(*key, count) for key, count in sorted(hops.items()))


def _limiters(points: Points) -> tuple[Limiter, ...]:
    asked, waited = (_by_name(points, metric) for metric in (semconv.LIMITER_REQUESTS, semconv.LIMITER_WAIT))
    return tuple(
        Limiter(name, _ranked(_by(asked.get(name, []), semconv.LIMITER_RESULT)), latency(waited.get(name, [])))
        for name in sorted({*asked, *waited})
    )


def _dependencies(db: Database, selection: Selection) -> dict[str, int]:
    where, values = selection.of_spans()
    rows = db.rows(
        f"""SELECT d.value AS name, count(*) AS count FROM spans AS s JOIN resources AS r ON r.id = s.resource_id,
            json_each(s.attributes, '$."{semconv.DEPENDENCIES}"') AS d
        WHERE instr(s.attributes, '"{semconv.DEPENDENCIES}"') AND {where} GROUP BY 1 ORDER BY 2 DESC, 1""",  # noqa: S608 - of this package
        values,
    )
    return {str(row["name"]): int(row["count"]) for row in rows}


def _counts(points: Points, metric: semconv.Metric, key: str) -> dict[str, int]:
    return _ranked(_by(points.of(metric.name), key))


def _by(found: Iterable[Series], key: str) -> Counter[str]:
    """Add series up by an attribute: the counts of histograms, the values of counters."""
    counts: Counter[str] = Counter()
    for series in found:
        counts[series.text(key)] += series.count or series.value  # type: ignore[assignment]
    return counts


def _by_name(points: Points, metric: semconv.Metric) -> dict[str, list[Series]]:
    found: defaultdict[str, list[Series]] = defaultdict(list)
    for series in points.of(metric.name):
        found[series.text(semconv.POLICY_NAME)].append(series)
    return dict(found)


def _ranked(counts: Counter[str]) -> dict[str, int]:
    return {name: int(count) for name, count in sorted(counts.items(), key=lambda each: (-each[1], each[0])) if count}
