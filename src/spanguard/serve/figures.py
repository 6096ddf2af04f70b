"""The overview's figures and charts, made from a window."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from spanguard import semconv
from spanguard.serve import charts, words
from spanguard.serve.charts import Chart, Line, Shape
from spanguard.store.figures import CONTEXT, calls, failed, latency
from spanguard.store.from_points import Breaker
from spanguard.store.overview import Overview, breaker_states, overview
from spanguard.store.points import Points
from spanguard.store.rollup import Window
from spanguard.store.selection import SECOND_NS

_COLOURS = ("one", "two", "three", "four", "five")
_MOST_TYPES = 4


@dataclass(frozen=True)
class Tile:
    """A figure at the top of the page."""

    name: str
    value: str
    note: str
    tone: str = "plain"


@dataclass(frozen=True)
class Ranked:
    """Things in order of how often they are, with the largest number."""

    rows: tuple[tuple[str, int], ...]
    most: int


@dataclass(frozen=True)
class Stack:
    """One bar of several parts, and the parts as rows: name, count, share, colour."""

    svg: Markup
    rows: tuple[tuple[str, int, float, str], ...]


@dataclass(frozen=True)
class BreakerRow:
    """A breaker over time, and the share of observations in each state."""

    name: str
    strip: Markup
    now: str
    open_share: float | None
    trips: int
    open_seconds: float
    rejected: int


@dataclass(frozen=True)
class Table:
    """What a drawing shows, in words."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Board:
    """All that the overview shows."""

    empty: bool
    told: Overview
    tiles: tuple[Tile, ...]
    requests: Chart
    errors: Chart
    latency: Chart
    tokens: Chart
    cost: Chart | None
    outcomes: Stack
    cache: Stack
    error_types: Ranked
    rules: Ranked
    dependencies: Ranked
    breakers: tuple[BreakerRow, ...]
    breaker_states: Table
    """What the strips show."""
    flow: Markup | None


def board(window: Window) -> Board:
    """Return the overview of a window."""
    told = overview(window)
    time = _Time(window)
    quantiles = (("p50", "one"), ("p95", "two"), ("p99", "three"))
    rules = {rule.rule: rule.failed for rule in told.validation.top_rules}
    tokens = _by_use(time, semconv.TOKEN_USAGE)
    return Board(
        not window.points,
        told,
        _tiles(told),
        _requests(time),
        _error_chart(time, told),
        time.chart(
            "Latency",
            "of calls of models, until the last byte",
            "s",
            "lines",
            *(Line(name, colour, time.each(_quantile(name))) for name, colour in quantiles),
        ),
        time.chart("Tokens", "of attempts, by whether their answer was used", "count", "bars", *tokens),
        _cost_chart(time),
        _stack(told.operations.outcomes, "How operations ended", semconv.OUTCOMES),
        _stack(told.cache.results, "Lookups in caches", tuple(told.cache.results)),
        _ranked(told.errors),
        _ranked(rules),
        _ranked(told.dependencies),
        _breakers(time, told),
        _states(time),
        _flow(told),
    )


def _requests(time: _Time) -> Chart:
    lines = (
        Line("succeeded", "one", time.each(_succeeded)),
        Line("failed", "bad", time.each(lambda points: failed(calls(points)))),
    )
    return time.chart("Requests", "calls of models, by how they ended", "count", "bars", *lines)


class _Time:
    """The steps of a window."""

    def __init__(self, window: Window) -> None:
        self.step = window.step
        first = window.start_ns // SECOND_NS // window.step * window.step  # it was asked for in steps
        self.begins = list(range(first, -(-window.end_ns // SECOND_NS), window.step))
        self._points = [window.steps.get(begin) for begin in self.begins]

    def each(self, value: Callable[[Points], float | None]) -> list[float | None]:
        """Return a value for each step, None for those in which nothing was exported."""
        return [None if points is None else value(points) for points in self._points]

    def chart(self, title: str, brief: str, unit: str, shape: Shape, *lines: Line) -> Chart:
        """Return a chart over the steps."""
        return charts.over_time(title, brief, self.begins, self.step, lines, unit=unit, shape=shape)

    def states(self) -> Mapping[str, Sequence[str]]:
        """Return for each breaker the state that it was in for each step, the worst that was observed."""
        apart = [{} if points is None else breaker_states(points) for points in self._points]
        names = sorted({name for each in apart for name in each})
        return {name: [_worst(each.get(name, {})) for each in apart] for name in names}


def _worst(observed: Mapping[str, float]) -> str:
    return next((state for state in ("open", "half_open", "closed") if observed.get(state)), "")


def _tiles(told: Overview) -> tuple[Tile, ...]:
    asked, work = told.requests, told.operations
    wasted = (
        f"{words.number(work.wasted_tokens)} of {words.number((work.useful_tokens or 0) + (work.wasted_tokens or 0))} tokens"
    )
    cost = None if asked.cost is None else f"{words.money(work.wasted_cost)} wasted"
    bad_rate = asked.error_rate is not None and asked.error_rate > 0.1
    return (
        Tile("Requests", words.exact(asked.count), f"{words.number(asked.per_second)} a second"),
        Tile(
            "Error rate", words.share(asked.error_rate), f"{words.exact(asked.errors)} failed", "bad" if bad_rate else "plain"
        ),
        Tile("Latency p95", words.duration(told.latency.model.p95), f"median {words.duration(told.latency.model.median)}"),
        Tile("First attempt", words.share(work.first_attempt_success), f"succeeds, of {words.exact(work.count)} operations"),
        Tile("Average retries", words.number(work.average_retries), "of operations that succeed"),
        Tile("Wasted tokens", words.share(work.wasted_share), wasted if work.useful_tokens is not None else "none counted"),
        Tile("Cost", words.money(asked.cost), cost or "no price source"),
        Tile("Cache hits", words.share(told.cache.hit_rate), f"{words.exact(sum(told.cache.results.values()))} lookups"),
    )


def _succeeded(points: Points) -> float:
    durations = calls(points)
    return sum(series.count for series in durations) - failed(durations)


def _quantile(name: str) -> Callable[[Points], float | None]:
    def value(points: Points) -> float | None:
        found = latency(each for each in calls(points) if each.text(semconv.GEN_AI_OPERATION) != CONTEXT)
        return {"p50": found.median, "p95": found.p95, "p99": found.p99}[name]

    return value


def _error_chart(time: _Time, told: Overview) -> Chart:
    top = list(told.errors)[:_MOST_TYPES]
    lines = [Line(name, colour, time.each(_error_share({name}))) for name, colour in zip(top, _COLOURS, strict=False)]
    rest = set(told.errors) - set(top)
    if rest:
        lines.append(Line("others", _COLOURS[-1], time.each(_error_share(rest))))
    return time.chart("Error rate", "failed calls of all calls, by error.type", "share", "bars", *lines)


def _error_share(types: set[str]) -> Callable[[Points], float | None]:
    def value(points: Points) -> float | None:
        durations = calls(points)
        count = sum(series.count for series in durations)
        errors = [each for each in durations if each.text(semconv.ERROR_TYPE) in types]
        return sum(each.count for each in errors) / count if count else None

    return value


def _by_use(time: _Time, metric: semconv.Metric) -> tuple[Line, ...]:
    def used(word: str) -> Callable[[Points], float]:
        return lambda points: sum(each.value for each in points.of(metric.name) if each.text(semconv.DISPOSITION) == word)

    return Line("useful", "good", time.each(used("useful"))), Line("wasted", "fair", time.each(used("wasted")))


def _cost_chart(time: _Time) -> Chart | None:
    made = time.chart("Cost", "in USD, by whether the answer was used", "usd", "bars", *_by_use(time, semconv.COST))
    return None if made.empty else made


def _stack(counts: Mapping[str, int], about: str, order: Sequence[str]) -> Stack:
    whole = sum(counts.values())
    names = [name for name in order if counts.get(name)] + [name for name in counts if name not in order and counts[name]]
    rows = tuple((name, counts[name], counts[name] / whole, _colour(name)) for name in names)
    return Stack(charts.stack([(words.plain(name), count, colour) for name, count, _, colour in rows], about), rows)


def _colour(name: str) -> str:
    known = {"exhausted": "bad", "failed": "bad-2", "rejected": "bad-3", "degraded": "fair-2", "cancelled": "plain"}
    return known.get(name) or words.tone(name)


def _ranked(counts: Mapping[str, int]) -> Ranked:
    rows = tuple(counts.items())[:10]
    return Ranked(rows, max(counts.values(), default=0))


def _breakers(time: _Time, told: Overview) -> tuple[BreakerRow, ...]:
    states = time.states()
    drawn = charts.strips("Breaker", "its state over time", time.begins, time.step, states)
    known = {each.name: each for each in told.breakers}
    return tuple(
        _breaker(name, states.get(name, ()), drawn.get(name, Markup()), known.get(name)) for name in sorted({*states, *known})
    )


def _states(time: _Time) -> Table:
    """Return the strips as a table."""
    states = time.states()
    rows = zip(time.begins, zip(*states.values(), strict=True), strict=False)
    told = tuple((words.tick(begin, time.step), *map(words.plain, each)) for begin, each in rows if any(each))
    return Table(("Time", *states), told)


def _breaker(name: str, states: Sequence[str], strip: Markup, told: Breaker | None) -> BreakerRow:
    seen = [state for state in states if state]
    share = sum(state == "open" for state in seen) / len(seen) if seen else None
    if told is None:
        return BreakerRow(name, strip, seen[-1] if seen else "", share, 0, 0.0, 0)
    return BreakerRow(
        name, strip, seen[-1] if seen else "", share, told.trips, told.open_seconds, told.calls.get("rejected", 0)
    )


def _flow(told: Overview) -> Markup | None:
    hops = [(hop.from_candidate, hop.to_candidate, hop.count) for hop in told.failovers]
    return charts.flow(hops, "Failover: from which candidate to which") if hops else None
