"""Dashboards for Grafana over Prometheus, made of the SLI definitions and of the table of metrics: no query is written twice.

A metric has the name that OTLP gives it in Prometheus. Each dashboard has the variables ``service`` (the label ``job``) and
``policy``; a panel that can be narrowed down to a policy is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from spanguard import semconv
from spanguard.semconv import Metric
from spanguard.slo.indicators import INDICATORS, Count, Filters, Formula, Ratio, Sum, Where, narrowed
from spanguard.slo.promql import label, promql, selector

_SERVICE: Final = "__service__"
_POLICY: Final = "__policy__"
_WINDOW: Final = "$__rate_interval"
_UNITS: Final = {"share": "percentunit", "s": "s"}
_GENERATIONS: Final = tuple(semconv.GENERATIONS.values())
_CALLS: Final = tuple(each.duration for each in _GENERATIONS)
_FAILED: Final = (Where(semconv.ERROR_TYPE, ("",), without=True),)

Kind = Literal["stat", "timeseries", "bargauge", "state-timeline", "table"]


@dataclass(frozen=True)
class Query:
    """One query of a panel, and what its series are called: ``{{label}}`` stands for a label."""

    expression: str
    legend: str = ""
    instant: bool = False


@dataclass(frozen=True)
class Panel:
    """One panel: its title, what it says in a sentence, its queries, and how wide it is (the whole is 24)."""

    title: str
    brief: str
    kind: Kind
    unit: str
    queries: tuple[Query, ...]
    width: int = 8
    stacked: bool = False


@dataclass(frozen=True)
class Row:
    """Panels below a heading; with ``each_policy`` they are repeated for each policy."""

    title: str
    panels: tuple[Panel, ...]
    each_policy: bool = False


@dataclass(frozen=True)
class Dashboard:
    """One dashboard; ``uid`` is the name of its file, and in its address."""

    uid: str
    title: str
    brief: str
    rows: tuple[Row, ...]


# ------------------------------------------------------------------------------------------------------------- the queries


def _variables(query: str) -> str:
    return query.replace(f'="{_SERVICE}"', '=~"$service"').replace(f'="{_POLICY}"', '=~"$policy"')


def _of_service(formula: Formula) -> Formula:
    where = Where("job", (_SERVICE,))
    if isinstance(formula, Sum):
        return narrowed(formula, where)
    if isinstance(formula, Ratio):
        return Ratio(narrowed(formula.part, where), narrowed(formula.whole, where))
    if isinstance(formula, Count):
        return replace(formula, of=narrowed(formula.of, where), among=narrowed(formula.among, where))
    return replace(formula, of=narrowed(formula.of, where))


def _query(formula: Formula, window: str, *, policy: bool) -> str:
    filters = Filters(policy=_POLICY if policy else None)
    return _variables(promql(_of_service(formula), filters, window))


def _series(metric: Metric, where: Sequence[Where] = (), suffix: str = "") -> str:
    policy = Filters(policy=_POLICY if semconv.POLICY_NAME in metric.attributes else None)
    return _variables(selector(metric, (*where, Where("job", (_SERVICE,))), policy, suffix))


def _rate(metric: Metric, by: Sequence[str], where: Sequence[Where] = ()) -> str:
    suffix = "_count" if metric.kind == "histogram" else ""
    return f"sum by ({_labels(by)}) (rate({_series(metric, where, suffix)}[{_WINDOW}]))"


def _labels(by: Iterable[str]) -> str:
    return ", ".join(map(label, by))


def _each(metrics: Iterable[Metric], by: Sequence[str], where: Sequence[Where] = ()) -> tuple[Query, ...]:
    """Query the rate of each metric; metrics of one kind that go by another name in another generation are added up."""
    parts = [_rate(each, by, where) for each in metrics]
    return (Query(" or ".join(parts), _legend(by)),)


def _legend(by: Sequence[str]) -> str:
    return " ".join(f"{{{{{label(each)}}}}}" for each in by) or "all"


def _quantiles(
    metrics: Sequence[Metric], by: Sequence[str] = (), qs: Sequence[float] = (0.5, 0.95, 0.99)
) -> tuple[Query, ...]:
    for_each = ", ".join(("le", *map(label, by)))
    buckets = " or ".join(f"sum by ({for_each}) (rate({_series(each, (), '_bucket')}[{_WINDOW}]))" for each in metrics)
    legend = f"{_legend(by)} " if by else ""
    return tuple(Query(f"histogram_quantile({q:g}, {buckets})", f"{legend}p{100 * q:g}") for q in qs)


def _mean(metric: Metric, by: Sequence[str] = ()) -> tuple[Query, ...]:
    total, count = (f"sum by ({_labels(by)}) (rate({_series(metric, (), each)}[{_WINDOW}]))" for each in ("_sum", "_count"))
    return (Query(f"{total} / ({count} > 0)", _legend(by)),)


# -------------------------------------------------------------------------------------------------------------- the panels


def _sli(name: str, kind: Kind = "stat", width: int = 4) -> Panel:
    """Return a panel with an SLI, whose words and unit are those of its definition."""
    each, now = INDICATORS[name], kind == "stat"
    title = name.replace("_", " ").capitalize()
    if isinstance(each.formula, Count) and each.formula.per_second:  # the length of Grafana's window is not known here
        query, unit = _calls_rate(), "reqps"
    else:
        query = _query(each.formula, "$__range" if now else _WINDOW, policy="policy" in each.filters)
        unit = _UNITS.get(each.unit, "short")
    return Panel(title, each.brief, kind, unit, (Query(query, title, instant=now),), width)


def _calls_rate() -> str:
    return " + ".join(f"(sum(rate({_series(each, (), '_count')}[{_WINDOW}])) or vector(0))" for each in _CALLS)


def _time(
    title: str, brief: str, queries: tuple[Query, ...], unit: str = "short", width: int = 8, *, stacked: bool = False
) -> Panel:
    return Panel(title, brief, "timeseries", unit, queries, width, stacked)


def _tile() -> tuple[Panel, ...]:
    """Return what is told of one policy, whatever kind it is of."""
    results = (
        (semconv.OPERATION_DURATION, semconv.OUTCOME),
        (semconv.BREAKER_CALLS, semconv.BREAKER_RESULT),
        (semconv.LIMITER_REQUESTS, semconv.LIMITER_RESULT),
        (semconv.CACHE_LOOKUPS, semconv.CACHE_RESULT),
        (semconv.VALIDATIONS, semconv.VALIDATION_RESULT),
    )
    volume = tuple(Query(_rate(metric, (semconv.POLICY_TYPE,)), _legend((semconv.POLICY_TYPE,))) for metric, _ in results)
    mix = tuple(Query(_rate(metric, (key,)), _legend((key,))) for metric, key in results)
    times = (semconv.OPERATION_DURATION, semconv.LIMITER_WAIT, semconv.CACHE_DURATION, semconv.VALIDATION_DURATION)
    latency = tuple(
        replace(query, legend=f"{metric.name.split('.')[1]} {query.legend}")
        for metric in times
        for query in _quantiles((metric,), (), (0.5, 0.95))
    )
    state = f"max by ({_labels((semconv.POLICY_NAME, semconv.BREAKER_STATE))}) ({_series(semconv.BREAKER_STATE_NOW)}) > 0"
    return (
        _time("Volume", "How often the policy was asked.", volume, "ops", 6),
        _time("Outcomes", "How that ended.", mix, "ops", 6, stacked=True),
        Panel(
            *("Breaker", "The state that the circuit breaker is in.", "state-timeline", "short"),
            (Query(state, _legend((semconv.POLICY_NAME, semconv.BREAKER_STATE))),),
            6,
        ),
        _time("Latency", "How long operations took, waits for permits, lookups and checks.", latency, "s", 6),
    )


def _overview() -> Dashboard:
    first = ("success", "first_attempt_success", "error_rate", "retry_amplification", "wasted_token_share", "latency_p95")
    second = (
        "request_rate",
        "repair_success",
        "yield",
        "breaker_open_fraction",
        "cache_hit_ratio",
        "validation_failure_ratio",
    )
    return Dashboard(
        "spanguard-overview",
        "spanguard: overview",
        "Everything at a glance, and a tile for each policy.",
        (
            Row("Service levels", tuple(map(_sli, (*first, *second)))),
            Row("$policy", _tile(), each_policy=True),
        ),
    )


def _attempts() -> Row:
    kinds = (semconv.POLICY_TYPE, semconv.POLICY_NAME)
    operations, attempts = (semconv.OPERATION_DURATION,), (semconv.ATTEMPT_DURATION,)
    delays = _quantiles((semconv.RETRY_DELAYS,), (semconv.DELAY_SOURCE,), (0.5, 0.95))
    panels = (
        *(_sli(name, "timeseries", 8) for name in ("retry_amplification", "first_attempt_success", "repair_success")),
        _time("Attempts of an operation", "On average, by policy.", _mean(semconv.OPERATION_ATTEMPTS, kinds)),
        _time("Operations by outcome", "How they ended.", _each(operations, (semconv.OUTCOME,)), "ops", stacked=True),
        _time("Attempts by outcome", "How they ended.", _each(attempts, (semconv.ATTEMPT_OUTCOME,)), "ops", stacked=True),
        _time("Why attempts fail", "Classes of errors.", _each(attempts, (semconv.ERROR_TYPE,), _FAILED), "ops"),
        _time("Waiting before the next attempt", "By who chose the delay.", delays, "s"),
        _time("Duration of attempts", "By outcome.", _quantiles(attempts, (semconv.ATTEMPT_OUTCOME,), (0.95,)), "s"),
    )
    return Row("Attempts", panels)


def _candidates() -> Row:
    hops = _each((semconv.FAILOVER_HOPS,), (semconv.FAILOVER_FROM, semconv.FAILOVER_TO))
    changes = _each((semconv.BREAKER_TRANSITIONS,), (semconv.POLICY_NAME, semconv.BREAKER_FROM, semconv.BREAKER_TO))
    answered = (*_of("time_to_first_success_p50"), *_of("time_to_first_success_p95"))
    panels = (
        _sli("failover_rate", "timeseries", 8),
        _time("Hops", "From which candidate to which.", hops, "ops"),
        _sli("breaker_open_fraction", "timeseries", 8),
        _time("Transitions of breakers", "From which state to which.", changes, "ops"),
        _time("Time open", "Of the time, by breaker.", _each((semconv.BREAKER_OPEN,), (semconv.POLICY_NAME,)), "percentunit"),
        _time("Failovers in time", "How long those took that had an answer.", answered, "s"),
    )
    return Row("Failover and breakers", panels)


def _gates() -> Row:
    queued = f"sum by ({_labels((semconv.POLICY_NAME,))}) ({_series(semconv.LIMITER_QUEUED)})"
    broken = _each((semconv.VALIDATIONS,), (semconv.VALIDATION_RULE,), (Where(semconv.VALIDATION_RESULT, ("fail",)),))
    panels = (
        _sli("rate_limit_wait_p95", "timeseries", 8),
        _time("Waiting for permits", "Requests in the queue.", (Query(queued, _legend((semconv.POLICY_NAME,))),)),
        _sli("cache_hit_ratio", "timeseries", 8),
        _sli("validation_failure_ratio", "timeseries", 8),
        _time("Rules that are broken", "Failed checks by rule.", broken, "ops"),
        _sli("failed_artifacts", "timeseries", 8),
    )
    return Row("Limiters, caches, checks", panels)


def _retries() -> Dashboard:
    return Dashboard(
        "spanguard-retries",
        "spanguard: retries and amplification",
        "How often it takes more than one attempt, why, and what that costs in time.",
        (_attempts(), _candidates(), _gates()),
    )


def _of(name: str) -> tuple[Query, ...]:
    return _sli(name, "timeseries").queries


def _sums(metric: Metric, by: str) -> tuple[Query, ...]:
    expression = f"sum by ({_labels((by,))}) (increase({_series(metric)}[$__range]))"
    return (Query(expression, _legend((by,)), instant=True),)


def _tokens() -> Dashboard:
    tokens, cost = (semconv.TOKEN_USAGE,), (semconv.COST,)
    used = semconv.DISPOSITION
    policy, model = (semconv.POLICY_NAME, used), (semconv.GEN_AI_MODEL, used)
    spent = "Of the attempts whose answer was used, and of all others."
    totals = (
        _sli("wasted_token_share", "stat", 6),
        Panel("Tokens of operations", spent, "bargauge", "short", _sums(semconv.TOKEN_USAGE, used), 6),
        Panel("Cost", f"{spent} Where it is known.", "bargauge", "currencyUSD", _sums(semconv.COST, used), 6),
        _sli("tokens", "stat", 6),
        _time("Tokens a second", spent, _each(tokens, (used,)), stacked=True),
        _time("USD a second", spent, _each(cost, (used,)), "currencyUSD", stacked=True),
        _sli("wasted_token_share", "timeseries", 8),
    )
    places = (
        _time("Tokens by policy", "Which policies waste most.", _each(tokens, policy), stacked=True),
        _time("Tokens by model", "Of operations.", _each(tokens, model), stacked=True),
        _time("USD by model", "Of operations.", _each(cost, model), "currencyUSD", stacked=True),
    )
    return Dashboard(
        "spanguard-tokens",
        "spanguard: tokens and cost",
        "What was paid for answers that were used, and for all others.",
        (Row("Useful against wasted", totals), Row("Where they go", places)),
    )


def _providers() -> Dashboard:
    who = (semconv.GEN_AI_PROVIDER, semconv.GEN_AI_MODEL)
    chunks = tuple(each.first_chunk for each in _GENERATIONS)
    first = ("request_rate", "error_rate", "latency_p50", "latency_p95", "latency_p99", "http_429_ratio")
    panels = (
        _time("Calls", "Calls of models a second.", _each(_CALLS, who), "ops"),
        _time("Errors", "Calls that ended with an error.", _each(_CALLS, (*who, semconv.ERROR_TYPE), _FAILED), "ops"),
        _time("Latency", "Until the last byte.", _quantiles(_CALLS, who, (0.5, 0.95)), "s"),
        _time("First chunk", "Until the first chunk of a stream.", _quantiles(chunks, who, (0.5, 0.95)), "s"),
        _sli("time_to_first_chunk_p95", "timeseries", 8),
        _time("HTTP 429", "Requests that were told to wait.", _of("http_429_ratio"), "percentunit"),
    )
    return Dashboard(
        "spanguard-providers",
        "spanguard: providers",
        "Who answers, how fast, and how often not.",
        (Row("At a glance", tuple(map(_sli, first))), Row("By provider and model", panels)),
    )


def _privacy() -> Dashboard:
    why = semconv.PRIVACY_REASON
    faults = f"{_rate(semconv.REDACTIONS, (), (Where(why, ('internal_error',)),))} or vector(0)"
    panels = (
        Panel("Removed", "Removed or replaced, by reason.", "bargauge", "short", _sums(semconv.REDACTIONS, why), 8),
        _time("Internal errors", "Of the guard; nothing passes then, and 0 is right.", (Query(faults, "errors"),), "ops"),
        *(
            _time(f"By {key.rpartition('.')[2]}", "A second.", _each((semconv.REDACTIONS,), (key,)), "ops", stacked=True)
            for key in (semconv.PRIVACY_SIGNAL, semconv.PRIVACY_FIELD, why)
        ),
    )
    return Dashboard(
        "spanguard-privacy",
        "spanguard: privacy",
        "What the guard removed, counted; never what it was.",
        (Row("Redactions", panels),),
    )


def dashboards() -> tuple[Dashboard, ...]:
    """Return all dashboards."""
    return _overview(), _retries(), _tokens(), _providers(), _privacy()
