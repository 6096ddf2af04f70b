"""Statistics as text, section by section; a section of which nothing is known is left out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence

import click

from spanguard.cli.render import UNKNOWN, clean, duration, heading, money, number, share, table
from spanguard.store.figures import Latency
from spanguard.store.groups import Group
from spanguard.store.statistics import Statistics
from spanguard.store.trend import Change, Spike

_SECONDS = ("latency_average", "latency_p95", "operation_latency_p95")
_COUNTS = ("requests", "input_tokens", "output_tokens")


def sections(told: Statistics, trend: Sequence[Change], compared: Sequence[Change], spikes: Sequence[Spike]) -> Iterable[str]:
    """Yield the lines of a summary."""
    yield from _figures(told)
    for title, lines in (
        ("Latency", _latencies(told)),
        ("Errors", _errors(told)),
        ("Rules that failed most", _rules(told)),
        ("Safety", [f"  {each.risk_level} {clean(each.action)}: {number(each.count)}" for each in told.validation.safety]),
        ("Circuit breakers", _breakers(told)),
        ("Failovers", _failovers(told)),
        ("Rate limiters", _limiters(told)),
        ("Dependencies that generated code tried to use", _counts(told.dependencies)),
        ("Users", group_table("user", told.users)),
        ("Spaces", group_table("space", told.spaces)),
        ("Error spikes", _spikes(spikes)),
        ("Against the time before", _changes(trend)),
        ("Side by side", _changes(compared)),
    ):
        if lines:
            yield from ("", heading(title), *lines)
    if told.drops:
        yield ""
        yield click.style(f"  {number(told.drops)} items were lost before they were in the store", fg="red")


def _figures(told: Statistics) -> Iterable[str]:
    requests, work = told.requests, told.operations
    tokens = f"{number(requests.input_tokens)} in, {number(requests.output_tokens)} out"
    each = UNKNOWN if requests.tokens_per_request is None else f"{requests.tokens_per_request:,.1f}"
    figures = (
        ("model calls", f"{number(requests.count)}, {_rate(requests.per_second)} a second"),
        ("error rate", f"{_share(requests.error_rate)}, {number(requests.errors)} failed"),
        ("tokens", f"{tokens}, {each} a call"),
        ("cost", money(requests.cost)),
        ("operations", f"{number(work.count)}: {_listed(work.outcomes)}" if work.count else "0"),
        ("first-attempt success", _share(work.first_attempt_success)),
        ("average retries", UNKNOWN if work.average_retries is None else f"{work.average_retries:.2f} of a success"),
        ("wasted tokens", f"{number(work.wasted_tokens)}, {_share(work.wasted_share)}; {money(work.wasted_cost)}"),
        (
            "cache hit rate",
            f"{_share(told.cache.hit_rate)}" + (f" ({_listed(told.cache.results)})" if told.cache.results else ""),
        ),
        ("validation failure rate", f"{_share(told.validation.failure_rate)} of {number(told.validation.count)} verdicts"),
    )
    width = max(len(name) for name, _ in figures)
    return (f"  {name:<{width}}  {value}" for name, value in figures)


def _latencies(told: Statistics) -> list[str]:
    times = (
        ("operations", told.latency.operations),
        ("context assembly", told.latency.retrieval),
        ("model", told.latency.model),
    )
    lines = [(name, *_latency(each)) for name, each in times if each.count]
    head = ("", "count", "average", "median", "p95", "p99", "min", "max", "total")
    return list(table([head, *lines], frozenset(range(1, 9)))) if lines else []


def _latency(told: Latency) -> tuple[str, ...]:
    seconds = (told.average, told.median, told.p95, told.p99, told.min, told.max, told.total)
    return (number(told.count), *map(duration, seconds))


def _errors(told: Statistics) -> list[str]:
    lines = _counts(told.errors.by_type)
    if told.errors.by_category:
        lines.append("")
    words = {True: "recoverable", False: "not recoverable", None: "unknown"}
    return lines + [
        f"  {each.category} ({words[each.recoverable]}): {number(each.count)}" for each in told.errors.by_category
    ]


def _rules(told: Statistics) -> list[str]:
    rules = told.validation.top_rules
    return [f"  {clean(rule.rule)}: {number(rule.failed)} failed, {number(rule.passed)} passed" for rule in rules]


def _breakers(told: Statistics) -> list[str]:
    return [
        f"  {clean(each.name)}: opened {number(each.trips)} times, for {duration(each.open_seconds)}; {_listed(each.calls)}"
        for each in told.breakers
    ]


def _failovers(told: Statistics) -> list[str]:
    return [
        f"  {clean(hop.chain)}: {clean(hop.from_candidate)} to {clean(hop.to_candidate)} {number(hop.count)}"
        for hop in told.failovers
    ]


def _limiters(told: Statistics) -> list[str]:
    return [
        f"  {clean(each.name)}: {_listed(each.requests)}; waits {duration(each.wait.total)}, p95 {duration(each.wait.p95)}"
        for each in told.limiters
    ]


def _spikes(found: Sequence[Spike]) -> list[str]:
    return [
        f"  {moment(each.start_ns)}, a {each.window}: {number(each.errors)} of {number(each.requests)} calls failed"
        for each in found
    ]


def _changes(found: Sequence[Change]) -> list[str]:
    if not found:
        return []
    lines = [
        (each.figure.replace("_", " "), *(_figure(each.figure, x) for x in (each.now, each.before)), _signed(each))
        for each in found
    ]
    return list(table([("", "now", "other", "change"), *lines], frozenset(range(1, 4))))


def _figure(name: str, value: float | None) -> str:
    if name in _SECONDS:
        return duration(value)
    if name in _COUNTS:
        return number(None if value is None else int(value))
    if name == "cost":
        return money(value)
    return _rate(value) if name in ("requests_per_second", "tokens_per_request", "average_retries") else _share(value)


def _signed(change: Change) -> str:
    return UNKNOWN if change.change is None else f"{100 * change.change:+.1f} %"


def group_table(by: str, groups: Sequence[Group]) -> list[str]:
    """Return one line for each group, under a head."""
    if not groups:
        return []
    head = (by, "calls", "errors", "success", "average", "p50", "p95", "p99", "in", "out", "cost", "cache hits")
    lines = [
        (
            moment(int(each.key)) if by == "window" else clean(each.key) or UNKNOWN,
            number(each.requests),
            number(each.errors),
            _share(each.success_rate),
            duration(each.latency.average),
            duration(each.latency.median),
            duration(each.latency.p95),
            duration(each.latency.p99),
            number(each.input_tokens),
            number(each.output_tokens),
            money(each.cost),
            _share(each.cache_hit_rate),
        )
        for each in groups
    ]
    return list(table([head, *lines], frozenset(range(1, 12))))


def moment(ns: int) -> str:
    """Return a point in time, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(ns / 1e9))


def _counts(counts: Mapping[str, int]) -> list[str]:
    return [f"  {clean(name)}: {number(count)}" for name, count in counts.items()]


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{clean(name)} {number(count)}" for name, count in counts.items())


def _share(part: float | None) -> str:
    return share(part, 1)


def _rate(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.2f}"
