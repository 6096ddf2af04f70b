"""What metric points alone say of a time or a run: the figures that a summary and the page have in common.

Rates are shares from 0 to 1: 0 where nothing was attempted, None where it is not known. Nothing here is a message.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from spanguard import semconv
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
from spanguard.store.groups import cache
from spanguard.store.points import Points, Series

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


def _known(points: Points, share: float | None) -> float | None:
    """A rate of something that was not attempted is 0 only where telemetry says that anything happened at all."""
    return share if points else None


def requests(points: Points, seconds: float | None, cost: float | None) -> Requests:
    """Return how many calls there were in so many seconds, at a cost that is known elsewhere."""
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


def times(points: Points) -> Times:
    """Return how long things took."""
    durations = calls(points)
    retrieval = [series for series in durations if series.text(semconv.GEN_AI_OPERATION) == CONTEXT]
    model = [series for series in durations if series.text(semconv.GEN_AI_OPERATION) != CONTEXT]
    return Times(latency(points.of(semconv.OPERATION_DURATION.name)), latency(retrieval), latency(model))


def work(points: Points) -> Work:
    """Return how operations ended."""
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


def errors_by_type(points: Points) -> dict[str, int]:
    """Count failed calls by ``error.type``, the most frequent first."""
    with_error = [series for series in calls(points) if series.text(semconv.ERROR_TYPE)]
    return _ranked(_by(with_error, semconv.ERROR_TYPE))


def lookups(points: Points) -> Cache:
    """Return what lookups in caches found."""
    hits, asked = cache(points)
    results = _ranked(_by(points.of(semconv.CACHE_LOOKUPS.name), semconv.CACHE_RESULT))
    return Cache(results, _known(points, rate(hits or 0, asked or 0)))


def validation(points: Points) -> Validation:
    """Return what validators said."""
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


def breakers(points: Points) -> tuple[Breaker, ...]:
    """Return the circuit breakers, by name."""
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


def failovers(points: Points) -> tuple[Hop, ...]:
    """Return the matrix of failovers."""
    hops: Counter[tuple[str, str, str]] = Counter()
    for series in points.of(semconv.FAILOVER_HOPS.name):
        keys = (semconv.POLICY_NAME, semconv.FAILOVER_FROM, semconv.FAILOVER_TO)
        chain, old, new = (series.text(key) for key in keys)
        hops[chain, old, new] += int(series.value)
    return tuple(Hop(*key, count) for key, count in sorted(hops.items()))


def limiters(points: Points) -> tuple[Limiter, ...]:
    """Return the rate limiters, by name."""
    asked, waited = (_by_name(points, metric) for metric in (semconv.LIMITER_REQUESTS, semconv.LIMITER_WAIT))
    return tuple(
        Limiter(name, _ranked(_by(asked.get(name, []), semconv.LIMITER_RESULT)), latency(waited.get(name, [])))
        for name in sorted({*asked, *waited})
    )


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
