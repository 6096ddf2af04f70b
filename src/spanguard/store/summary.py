"""What a run did, added up from its metric points: points are never sampled, and every process of the run has them.

Counts of calls come from the standard ``gen_ai.client.*`` metrics of any instrumentation and of both generations of the
conventions; everything else from spanguard's own. What no point speaks of is None or empty, never 0.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass

from spanguard import semconv
from spanguard.store.database import Database
from spanguard.store.drops import dropped
from spanguard.store.figures import calls, failed, outcomes, share_of, token_series, tokens
from spanguard.store.histogram import Buckets
from spanguard.store.points import Points, Series, read
from spanguard.store.queries import runs
from spanguard.store.selection import Selection


@dataclass(frozen=True)
class Calls:
    """Calls to models: how many, how many failed, their tokens, and the quantiles of their latency in seconds."""

    requests: int
    errors: int
    input_tokens: int | None
    output_tokens: int | None
    p50: float | None
    p95: float | None


@dataclass(frozen=True)
class Operations:
    """Guarded operations: how they ended, and how often they had to be tried.

    ``first_attempt_success`` is a share, from 0 to 1, of those that nobody cancelled. ``recovered`` counts those that a later
    attempt saved, ``repaired`` the part of them that a repair saved; ``retries`` are the attempts beyond the first.
    """

    count: int
    outcomes: dict[str, int]
    first_attempt_success: float | None
    repaired: int
    recovered: int
    attempts: int | None
    retries: int | None


@dataclass(frozen=True)
class Tokens:
    """Tokens of attempts whose answer was used, and of all the others."""

    useful: int | None
    wasted: int | None


@dataclass(frozen=True)
class Cost:
    """Cost in USD of attempts whose answer was used, and of all the others."""

    useful: float | None
    wasted: float | None


@dataclass(frozen=True)
class PolicyRow:
    """One policy: how its operations ended and what they used; quantiles of their whole duration in seconds."""

    type: str
    name: str
    operations: int
    outcomes: dict[str, int]
    attempts: int | None
    useful_tokens: int | None
    wasted_tokens: int | None
    p50: float | None
    p95: float | None


@dataclass(frozen=True)
class Verdicts:
    """How often a rule was kept, and how often not."""

    passed: int
    failed: int


@dataclass(frozen=True)
class Summary:
    """What a run did.

    ``errors`` counts failed attempts by ``error.type``, ``validations`` verdicts by rule, ``drops`` what could not be
    written to the store. Times are in ns since 1970, None if the run has no metric points.
    """

    run: str
    start_ns: int | None
    end_ns: int | None
    calls: Calls
    operations: Operations
    tokens: Tokens
    cost: Cost
    policies: tuple[PolicyRow, ...]
    errors: dict[str, int]
    validations: dict[str, Verdicts]
    drops: int

    def to_dict(self) -> dict[str, object]:
        """Return the same as dictionaries and lists, for JSON."""
        return {**asdict(self), "policies": [asdict(row) for row in self.policies]}


def summary(db: Database, *, run: str | None = None) -> Summary:
    """Add up a run, by default the newest. A run that is not in the store gives an empty summary."""
    if run is None:
        run = next((row.run for row in runs(db)), "")
    points = read(db, run)
    used = _tokens(points)
    return Summary(
        run,
        min((series.start_ns for series in points.all()), default=None),
        max((series.end_ns for series in points.all()), default=None),
        _calls(points),
        _operations(points),
        used,
        _cost(points, used),
        _policies(points),
        _errors(points),
        _validations(points),
        sum(dropped(db, Selection(run)).values()),
    )


def _calls(points: Points) -> Calls:
    durations = calls(points)
    return Calls(
        sum(series.count for series in durations),
        failed(durations),
        tokens(token_series(points, "input")),
        tokens(token_series(points, "output")),
        *_quantiles(durations),
    )


def _operations(points: Points) -> Operations:
    durations = points.of(semconv.OPERATION_DURATION.name)
    attempts = points.of(semconv.OPERATION_ATTEMPTS.name)
    ended = outcomes(durations)
    repairs = [series for series in durations if series.text(semconv.POLICY_TYPE) == "repair"]
    return Operations(
        sum(ended.values()),
        ended,
        share_of(ended, "success"),
        outcomes(repairs).get("recovered", 0),
        ended.get("recovered", 0),
        _attempts(attempts),
        # An operation that was rejected made no attempt at all.
        int(sum(max(0, series.sum - series.count) for series in attempts)) if attempts else None,
    )


def _tokens(points: Points) -> Tokens:
    return _token_split(points.of(semconv.TOKEN_USAGE.name))


def _token_split(usage: list[Series]) -> Tokens:
    if not usage:
        return Tokens(None, None)
    by = _by(usage, semconv.DISPOSITION)
    return Tokens(int(by["useful"]), int(by["wasted"]))


def _cost(points: Points, split: Tokens) -> Cost:
    costs = points.of(semconv.COST.name)
    if not costs:
        return Cost(None, None)
    by = _by(costs, semconv.DISPOSITION)

    def known(disposition: str, used: int | None) -> float | None:
        return by[disposition] if disposition in by or used == 0 else None

    return Cost(known("useful", split.useful), known("wasted", split.wasted))


def _policies(points: Points) -> tuple[PolicyRow, ...]:
    durations, attempts, usage = (
        _by_policy(points.of(metric.name))
        for metric in (semconv.OPERATION_DURATION, semconv.OPERATION_ATTEMPTS, semconv.TOKEN_USAGE)
    )
    return tuple(
        _policy(key, durations.get(key, []), attempts.get(key, []), usage.get(key, []))
        for key in sorted({*durations, *attempts, *usage})
    )


def _policy(key: tuple[str, str], durations: list[Series], attempts: list[Series], usage: list[Series]) -> PolicyRow:
    split = _token_split(usage)
    return PolicyRow(
        *key,
        sum(series.count for series in durations),
        outcomes(durations),
        _attempts(attempts),
        split.useful,
        split.wasted,
        *_quantiles(durations),
    )


def _by_policy(found: list[Series]) -> dict[tuple[str, str], list[Series]]:
    policies: defaultdict[tuple[str, str], list[Series]] = defaultdict(list)
    for series in found:
        policies[series.text(semconv.POLICY_TYPE), series.text(semconv.POLICY_NAME)].append(series)
    return policies


def _errors(points: Points) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for series in points.of(semconv.ATTEMPT_DURATION.name):
        if series.text(semconv.ATTEMPT_OUTCOME) in ("error", "invalid"):
            counts[series.text(semconv.ERROR_TYPE) or semconv.OTHER] += series.count
    return dict(counts.most_common())


def _validations(points: Points) -> dict[str, Verdicts]:
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for series in points.of(semconv.VALIDATIONS.name):
        # A verdict without a rule goes by the policy that it was made in.
        rule = series.text(semconv.VALIDATION_RULE) or series.text(semconv.POLICY_NAME) or semconv.OTHER
        counts[rule][series.text(semconv.VALIDATION_RESULT)] += int(series.value)
    return {rule: Verdicts(results["pass"], results["fail"]) for rule, results in sorted(counts.items())}


def _attempts(attempts: list[Series]) -> int | None:
    return int(sum(series.sum for series in attempts)) if attempts else None


def _by(found: list[Series], key: str) -> defaultdict[str, float]:
    sums: defaultdict[str, float] = defaultdict(float)
    for series in found:
        sums[series.text(key)] += series.value
    return sums


def _quantiles(found: list[Series]) -> tuple[float | None, float | None]:
    buckets = Buckets()
    for series in found:
        buckets.merge(series.buckets)
    return buckets.quantile(0.5), buckets.quantile(0.95)
