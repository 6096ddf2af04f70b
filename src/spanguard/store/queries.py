"""What is in the store: runs, traces, and the spans of one trace."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from spanguard import semconv
from spanguard.store.database import Database, StoreError
from spanguard.store.schema import PROMOTED


@dataclass(frozen=True)
class RunRow:
    """One run: its id, the service, when its first span or metric began and its last ended (ns), and its spans."""

    run: str
    service: str
    start_ns: int
    end_ns: int
    spans: int


@dataclass(frozen=True)
class TraceRow:
    """One trace in a line.

    ``outcome`` is what the root's operation says of itself, else ``failed`` if the root is an error, else ``success``.
    ``attempts`` is how often the root's operation was tried, or how many attempts there are below it; 1 if nothing says.
    Tokens and cost (USD) are those of the calls; None if unknown.
    """

    trace_id: str
    start_ns: int
    duration_ns: int
    name: str
    outcome: str
    spans: int
    attempts: int
    input_tokens: int | None
    output_tokens: int | None
    cost: float | None


@dataclass(frozen=True)
class EventRow:
    """One event of a span."""

    name: str
    time_ns: int
    attributes: dict[str, object]


@dataclass(frozen=True)
class LinkRow:
    """A link to another span."""

    trace_id: str
    span_id: str
    attributes: dict[str, object]


@dataclass(frozen=True)
class SpanRow:
    """One span of a trace; ``depth`` counts from 0 at the root."""

    trace_id: str
    span_id: str
    parent_id: str | None
    depth: int
    name: str
    kind: str
    scope: str
    start_ns: int
    end_ns: int
    status: str
    attributes: dict[str, object]
    events: tuple[EventRow, ...]
    links: tuple[LinkRow, ...]


def runs(db: Database) -> list[RunRow]:
    """Return the runs, the newest (the one that began last) first; what belongs to no run is the run ``""``."""
    found = db.rows(
        """SELECT r.run, min(r.service) AS service, min(t.first) AS first, max(t.last) AS last, sum(t.spans) AS spans
        FROM resources AS r JOIN (
            SELECT resource_id, min(start_ns) AS first, max(end_ns) AS last, count(*) AS spans
            FROM spans GROUP BY resource_id
            UNION ALL SELECT resource_id, min(start_ns), max(time_ns), 0 FROM metric_points GROUP BY resource_id
            UNION ALL SELECT resource_id, min(time_ns), max(time_ns), 0 FROM log_events GROUP BY resource_id
        ) AS t ON t.resource_id = r.id GROUP BY r.run ORDER BY first DESC"""
    )
    return [RunRow(row["run"], row["service"], row["first"], row["last"], row["spans"]) for row in found]


def traces(db: Database, *, run: str | None = None, limit: int = 20) -> list[TraceRow]:
    """Return the newest traces (those that began last) first, of all runs or of one."""
    of_run = "AND {0}.resource_id IN (SELECT id FROM resources WHERE run = :run)" if run is not None else ""
    # From the newest span back, those that are the first of their trace: the rest of the store is not looked at.
    newest = db.rows(
        f"""SELECT trace_id FROM spans AS s WHERE NOT EXISTS (
            SELECT 1 FROM spans AS e WHERE e.trace_id = s.trace_id
            AND (e.start_ns, e.id) < (s.start_ns, s.id) {of_run.format("e")}) {of_run.format("s")}
        ORDER BY start_ns DESC LIMIT :limit""",  # noqa: S608 - both texts are above
        {"run": run, "limit": limit},
    )
    return [_summed_up(_spans(db, row["trace_id"])) for row in newest]


def trace(db: Database, trace_id: str) -> list[SpanRow]:
    """Return the spans of a trace as a tree: each before its children, siblings by start.

    The beginning of the id is enough if only one trace begins so; `StoreError` if several do. An id that no trace has gives
    an empty list.
    """
    wanted = trace_id.strip().lower()
    if not set(wanted) <= set("0123456789abcdef") or len(wanted) > 32:
        return []
    between = [bytes.fromhex(wanted.ljust(32, filler)) for filler in "0f"]
    found = db.rows("SELECT DISTINCT trace_id FROM spans WHERE trace_id BETWEEN ? AND ? LIMIT 2", between)
    if len(found) > 1:
        raise StoreError(db.path, f"has several traces whose id begins with {wanted!r}")
    return _spans(db, found[0]["trace_id"]) if found else []


def _spans(db: Database, trace_id: bytes) -> list[SpanRow]:
    spans = db.rows("SELECT * FROM spans WHERE trace_id = ? ORDER BY start_ns, id", [trace_id])
    events: defaultdict[bytes, list[EventRow]] = defaultdict(list)
    for row in db.rows("SELECT * FROM span_events WHERE trace_id = ? ORDER BY time_ns, id", [trace_id]):
        events[row["span_id"]].append(EventRow(row["name"], row["time_ns"], json.loads(row["attributes"])))
    return [_span(row, depth, tuple(events[row["span_id"]])) for row, depth in _tree(spans)]


def _tree(spans: Sequence[sqlite3.Row]) -> Iterable[tuple[sqlite3.Row, int]]:
    """Give each span once, below its parent; a span whose parent is not here (or is below itself) is a root."""
    here = {span["span_id"] for span in spans}
    children: defaultdict[bytes | None, list[sqlite3.Row]] = defaultdict(list)
    for span in spans:
        children[span["parent_id"] if span["parent_id"] in here else None].append(span)
    given: set[int] = set()
    for root in (*children[None], *spans):
        waiting = [(root, 0)]
        while waiting:
            span, depth = waiting.pop()
            if span["id"] not in given:
                given.add(span["id"])
                yield span, depth
                waiting.extend((child, depth + 1) for child in reversed(children[span["span_id"]]))


def _span(row: sqlite3.Row, depth: int, events: tuple[EventRow, ...]) -> SpanRow:
    promoted = {key: row[column] for key, column in PROMOTED.items() if row[column] is not None}
    links = tuple(LinkRow(**link) for link in json.loads(row["links"] or "[]"))
    return SpanRow(
        row["trace_id"].hex(),
        row["span_id"].hex(),
        row["parent_id"].hex() if row["parent_id"] else None,
        depth,
        row["name"],
        row["kind"],
        row["scope"],
        row["start_ns"],
        row["end_ns"],
        row["status"],
        {**promoted, **json.loads(row["attributes"])},
        events,
        links,
    )


class _Used(NamedTuple):
    """Where a quantity is stated: on calls, or else on the operation that made them, useful and wasted."""

    call: str
    operation: tuple[str, str]


_INPUT: Final = _Used(semconv.GEN_AI_INPUT, (semconv.USEFUL_INPUT, semconv.WASTED_INPUT))
_OUTPUT: Final = _Used(semconv.GEN_AI_OUTPUT, (semconv.USEFUL_OUTPUT, semconv.WASTED_OUTPUT))
_COST: Final = _Used(semconv.CALL_COST, (semconv.USEFUL_COST, semconv.WASTED_COST))


def _summed_up(spans: list[SpanRow]) -> TraceRow:
    root = spans[0]
    start = min(span.start_ns for span in spans)
    return TraceRow(
        root.trace_id,
        start,
        max(span.end_ns for span in spans) - start,
        root.name,
        str(root.attributes.get(semconv.OUTCOME) or ("failed" if root.status == "ERROR" else "success")),
        len(spans),
        _attempts(spans),
        _whole(_used(spans, _INPUT)),
        _whole(_used(spans, _OUTPUT)),
        _used(spans, _COST),
    )


def _attempts(spans: list[SpanRow]) -> int:
    stated = _whole(_number(spans[0], semconv.ATTEMPT_COUNT))
    if stated is not None:
        return stated
    return sum(semconv.ATTEMPT_NUMBER in span.attributes for span in spans) or 1


def _used(spans: list[SpanRow], kind: _Used) -> float | None:
    """Add up what the lowest spans that know it state: one above them (an agent, a proxy) states their sum again."""
    called = _lowest(spans, (kind.call,))
    return called if called is not None else _lowest(spans, kind.operation)


def _lowest(spans: list[SpanRow], keys: tuple[str, ...]) -> float | None:
    parents = {span.span_id: span.parent_id for span in spans}
    stated = [span for span in spans if any(_number(span, key) is not None for key in keys)]
    above: set[str] = set()
    for span in stated:
        parent = span.parent_id
        while parent is not None and parent not in above:
            above.add(parent)
            parent = parents.get(parent)
    lowest = [span for span in stated if span.span_id not in above]
    return sum(_number(span, key) or 0 for span in lowest for key in keys) if lowest else None


def _number(span: SpanRow, key: str) -> int | float | None:
    value = span.attributes.get(key)
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)
