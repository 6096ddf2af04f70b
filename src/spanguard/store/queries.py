"""What is in the store: runs, traces, and the spans of one trace."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Final, NamedTuple

from spanguard import semconv
from spanguard.store.columns import PROMOTED
from spanguard.store.database import Database, StoreError


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


@dataclass(frozen=True)
class Wanted:
    """Which traces are asked for; None asks for any.

    ``run`` is that of their process or of ``association(run=)``, ``name`` stands in the name of one of their spans,
    ``outcome`` is that of the whole, ``error`` the ``error.type`` or the error category of one of their spans, ``since_ns``
    a time that they began at or after.
    """

    run: str | None = None
    name: str | None = None
    outcome: str | None = None
    error: str | None = None
    since_ns: int | None = None

    def of(self, span: str) -> str:
        """Return the SQL condition over a span of the trace."""
        inside = f"EXISTS (SELECT 1 FROM spans AS i WHERE i.trace_id = {span}.trace_id AND {{}})"  # noqa: S608 - of this module
        conditions = (
            (self.run, _OF_RUN.format(span) if span == "l" else f"({span}.run = :run OR {_OF_RUN.format(span)})"),
            (self.name, inside.format("instr(lower(i.name), lower(:name))")),
            (self.error, inside.format("(i.error_type = :error OR i.error_category = :error)")),
            (self.since_ns, f"{span}.start_ns >= :since_ns"),
        )
        return " AND ".join(["1", *(condition for value, condition in conditions if value is not None)])


_OF_RUN: Final = "{0}.resource_id IN (SELECT id FROM resources WHERE run = :run)"
_PAGE: Final = 200


def traces(db: Database, *, run: str | None = None, limit: int = 20, wanted: Wanted | None = None) -> list[TraceRow]:
    """Return the newest traces (those that began last) first, of all runs or of one, or those that are wanted."""
    wanted = wanted or Wanted(run)
    found: list[TraceRow] = []
    offset, page = 0, limit if wanted.outcome is None else _PAGE
    while len(found) < limit:
        ids = _newest(db, wanted, page, offset)
        found += _ended(db, ids, wanted)
        if len(ids) < page:
            break
        offset += page
    return found[:limit]


def _newest(db: Database, wanted: Wanted, limit: int, offset: int) -> list[bytes]:
    # From the newest span back, those that are the first of their trace: the rest of the store is not looked at.
    of_run = "" if wanted.run is None else f"AND {Wanted(wanted.run).of('e')}"
    rows = db.rows(
        f"""SELECT trace_id FROM spans AS s WHERE NOT EXISTS (
            SELECT 1 FROM spans AS e WHERE e.trace_id = s.trace_id
            AND (e.start_ns, e.id) < (s.start_ns, s.id) {of_run}) AND {wanted.of("s")}
        ORDER BY start_ns DESC LIMIT :limit OFFSET :offset""",  # noqa: S608 - all texts are above
        {**asdict(wanted), "limit": limit, "offset": offset},
    )
    return [row["trace_id"] for row in rows]


def last_span(db: Database) -> int:
    """Return a mark behind the span that was written last, for `finished_since`."""
    return int(db.rows("SELECT coalesce(max(id), 0) FROM spans")[0][0])


def finished_since(db: Database, mark: int, wanted: Wanted) -> tuple[list[TraceRow], int]:
    """Return the traces whose root was written after a mark, the oldest first, and the mark behind them.

    A root is a span without a parent, or one that serves a request from elsewhere: it ends, and so is written, last.
    """
    until = last_span(db)
    mark = mark if mark <= until else 0  # everything was purged, and ids begin anew
    rows = db.rows(
        f"""SELECT trace_id FROM spans AS s WHERE s.id > :mark AND s.id <= :until
        AND (s.parent_id IS NULL OR s.kind IN ('SERVER', 'CONSUMER')) AND {wanted.of("s")} ORDER BY s.id""",  # noqa: S608
        {**asdict(wanted), "mark": mark, "until": until},
    )
    return _ended(db, dict.fromkeys(row["trace_id"] for row in rows), wanted), until


def _ended(db: Database, ids: Iterable[bytes], wanted: Wanted) -> list[TraceRow]:
    """Sum traces up and keep those that ended as wanted; one that retention has just deleted is left out."""
    found = (_summed_up(spans) for each in ids if (spans := _spans(db, each)))
    return [row for row in found if wanted.outcome in (None, row.outcome)]


@dataclass(frozen=True)
class EventKind:
    """One kind of event: what it says, and how often it was recorded, last when (ns; None for never)."""

    name: str
    severity: str
    brief: str
    count: int
    last_ns: int | None


def event_kinds(db: Database, *, run: str | None = None) -> list[EventKind]:
    """Return every kind of event: those of the vocabulary, whether recorded or not, then those of others."""
    rows = db.rows(
        f"""SELECT name, count(*) AS count, max(time_ns) AS last FROM (
            SELECT e.name, e.time_ns FROM span_events AS e JOIN spans AS s
            ON s.trace_id = e.trace_id AND s.span_id = e.span_id WHERE {Wanted(run).of("s")}
            UNION ALL SELECT l.name, l.time_ns FROM log_events AS l WHERE {Wanted(run).of("l")}
        ) GROUP BY name ORDER BY name""",  # noqa: S608 - the texts are above
        {"run": run},
    )
    recorded = {row["name"]: (int(row["count"]), int(row["last"])) for row in rows}
    kinds = {name: (event.severity, event.brief) for name, event in semconv.EVENTS.items()}
    kinds |= {name: ("", "") for name in recorded if name not in kinds}
    return [EventKind(name, *about, *recorded.get(name, (0, None))) for name, about in kinds.items()]


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
