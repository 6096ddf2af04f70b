"""The JSON API: each question with its parameters, its answer and how it is found."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Final

from spanguard.semconv import OUTCOMES
from spanguard.serve import answers, params
from spanguard.serve.params import Values
from spanguard.serve.served import WINDOWS, Served
from spanguard.store.from_points import TOP
from spanguard.store.history import TYPES, Bucket, history
from spanguard.store.overview import overview
from spanguard.store.queries import RunRow, SpanRow, TraceRow, Wanted, trace, traces
from spanguard.store.selection import SECOND_NS, Selection
from spanguard.store.selection import WINDOWS as AGGREGATIONS
from spanguard.store.statistics import Statistics, statistics
from spanguard.store.trend import compare

_UNITS: Final = {"requestRate": "requests/s", "errorRate": "share", "cacheHitRate": "share"}
_BACK: Final = {"minute": 3600, "hour": 86_400, "day": 30 * 86_400, "week": 182 * 86_400, "month": 365 * 86_400}
"""How many seconds a history goes back unless it is told."""
_MOST_BUCKETS: Final = 10_000
_TRACE_ID: Final = 32


class NotFoundError(Exception):
    """Raised where there is no such thing; its text says of what kind."""


@dataclass(frozen=True)
class Endpoint:
    """One question: where it is asked, what it takes, and what answers it."""

    path: str
    brief: str
    parameters: tuple[params.Parameter, ...]
    answer: type
    find: Callable[[Served, Values], object]


def iso(ns: int | None) -> str | None:
    """Return a point in time in UTC, None for none."""
    if ns is None:
        return None
    return datetime.fromtimestamp(ns / SECOND_NS, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(ns: int) -> str:
    return iso(ns) or ""


def _current(served: Served, values: Values) -> answers.Current:
    name = values.text("window") or "5m"
    window = served.window(name)
    return answers.Current(_text(window.end_ns), name, _text(window.start_ns), served.readings(window), overview(window))


def _historical(served: Served, values: Values) -> answers.Historical:
    kind, aggregation = values.text("type") or "", values.text("aggregation") or "minute"
    given = values.number("end")
    end = time.time_ns() if given is None else given
    start = values.number("start")
    start = max(0, end - _BACK[aggregation] * SECOND_NS) if start is None else start
    start = max(start, end - _MOST_BUCKETS * AGGREGATIONS[aggregation] * SECOND_NS)
    none: list[Bucket] = []
    found = served.ask(lambda db: history(db, Selection(None, start, end), kind, aggregation), none)
    unit = _UNITS.get(kind, "s" if kind.endswith("Latency") else "tokens")
    return answers.Historical(kind, aggregation, _text(start), _text(end), unit, tuple(found))


def _alerts(served: Served, _: Values) -> answers.Alerts:
    states = served.states
    firing = sum(each.firing for each in states)
    return answers.Alerts(iso(served.checked_ns), firing, states, tuple(served.alerts))


def _summary(served: Served, values: Values) -> answers.Short:
    name = values.text("window") or "24h"
    window = served.window(name)
    told = overview(window)
    errors = tuple(answers.ErrorCount(each, count) for each, count in list(told.errors.items())[:TOP])
    return answers.Short(
        name,
        _text(window.start_ns),
        _text(window.end_ns),
        told.requests.count,
        told.requests.errors,
        told.requests.error_rate,
        errors,
        told.dependencies,
        told.operations.average_retries,
    )


def _traces(served: Served, values: Values) -> answers.Traces:
    wanted = Wanted(
        values.text("run"), values.text("name"), values.text("outcome"), values.text("error"), values.number("since")
    )
    none: list[TraceRow] = []
    return answers.Traces(tuple(served.ask(lambda db: traces(db, limit=values.number("limit") or 20, wanted=wanted), none)))


def _trace(served: Served, values: Values) -> answers.Trace:
    wanted = values.text("trace_id") or ""
    spans = find_trace(served, wanted)
    return answers.Trace(spans[0].trace_id, tuple(spans))


def find_trace(served: Served, trace_id: str) -> list[SpanRow]:
    """Return the spans of a trace; raises `NotFoundError`."""
    none: list[SpanRow] = []
    spans = served.ask(lambda db: trace(db, trace_id), none) if len(trace_id) == _TRACE_ID else none
    if not spans:
        raise NotFoundError("there is no such trace")
    return spans


def _runs(served: Served, _: Values) -> answers.Runs:
    return answers.Runs(tuple(served.rollup.runs()))


def find_run(served: Served, name: str) -> RunRow:
    """Return a run; raises `NotFoundError`."""
    found = next((each for each in served.rollup.runs() if each.run == name), None)
    if found is None:
        raise NotFoundError("there is no such run")
    return found


def run_statistics(served: Served, run: RunRow) -> Statistics:
    """Return a run in figures."""
    selection = Selection(run.run, run.start_ns, run.end_ns + 1)  # its times narrow down what is read of an index
    with served.readers.one() as db:
        return statistics(db, selection)


def _run(served: Served, values: Values) -> answers.Run:
    found = find_run(served, values.text("run") or "")
    return answers.Run(found, run_statistics(served, found))


def _compared(served: Served, values: Values) -> answers.Compared:
    one, other = (find_run(served, values.text(name) or "") for name in ("run", "other"))
    changes = compare(run_statistics(served, one), run_statistics(served, other))
    return answers.Compared(one.run, other.run, changes)


def _slo(served: Served, _: Values) -> answers.Objectives:
    return answers.Objectives(iso(served.checked_ns), served.default_objectives, served.verdicts)


def _privacy(served: Served, values: Values) -> answers.Privacy:
    name = values.text("window") or "24h"
    return answers.Privacy(name, served.overview(name).redactions)


def _health(_: Served, __: Values) -> answers.Health:
    return answers.Health("ok")


def _window(default: str) -> params.Parameter:
    return params.one_of("window", "How far back.", *WINDOWS, default=default)


_RUN: Final = params.text("run", "The run.", required=True)
ENDPOINTS: Final = (
    Endpoint("/healthz", "Whether the server is at work; needs no token.", (), answers.Health, _health),
    Endpoint("/api/metrics/current", "Every SLI and all figures of now.", (_window("5m"),), answers.Current, _current),
    Endpoint(
        "/api/metrics/historical",
        "A figure for each minute, hour, day, week or month.",
        (
            params.one_of("type", "Which figure.", *TYPES, required=True),
            params.time("start", "From then on, at most 10000 windows back; by default as far back as makes sense."),
            params.time("end", "Before then; by default now."),
            params.one_of("aggregation", "What is added up to one value.", *AGGREGATIONS, default="minute"),
        ),
        answers.Historical,
        _historical,
    ),
    Endpoint("/api/metrics/alerts", "Which alerts are checked, and which fire.", (), answers.Alerts, _alerts),
    Endpoint("/api/summary", "A time in a few figures.", (_window("24h"),), answers.Short, _summary),
    Endpoint(
        "/api/traces",
        "The newest traces, or those that are looked for.",
        (
            params.text("run", "Those of this run."),
            params.text("name", "Those with a span whose name has this in it."),
            params.one_of("outcome", "Those that ended so.", *OUTCOMES),
            params.text("error", "Those with a span of this `error.type` or error category."),
            params.time("since", "Those that began then or later."),
            params.whole("limit", "How many.", 1, 200, 20),
        ),
        answers.Traces,
        _traces,
    ),
    Endpoint(
        "/api/traces/{trace_id}",
        "One trace.",
        (
            params.Parameter(
                "trace_id",
                "Its id, 32 hexadecimal digits.",
                {"type": "string", "pattern": "^[0-9a-f]{32}$"},
                required=True,
                place="path",
            ),
        ),
        answers.Trace,
        _trace,
    ),
    Endpoint("/api/runs", "All runs.", (), answers.Runs, _runs),
    Endpoint("/api/run", "One run, in figures.", (_RUN,), answers.Run, _run),
    Endpoint(
        "/api/runs/compare",
        "Two runs side by side.",
        (_RUN, params.text("other", "The run that it is compared with.", required=True)),
        answers.Compared,
        _compared,
    ),
    Endpoint("/api/slo", "The verdict on each objective.", (), answers.Objectives, _slo),
    Endpoint("/api/privacy", "What the guard removed, by key and reason.", (_window("24h"),), answers.Privacy, _privacy),
)
