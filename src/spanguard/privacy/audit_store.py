"""The privacy invariant over the local store: every column of every table, those in JSON too.

What is read is the file itself: tables and columns come from SQLite's own list, so that a column which nobody has thought
about is refused as soon as something stands in it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from spanguard.privacy import audit_values as values
from spanguard.privacy.audit import Signal, Violation, audit_message
from spanguard.privacy.audit_json import REQUESTS, unpacked
from spanguard.privacy.audit_places import metric_name, unit
from spanguard.privacy.audit_values import NESTED, Reason
from spanguard.privacy.conventions import metric
from spanguard.semconv import RUN_ID

Query = Callable[[str, Sequence[Any] | Mapping[str, Any]], Sequence[Any]]
"""Runs a SELECT and returns its rows, each with its columns by name: `spanguard.store.Database.rows` is one."""
Row = Mapping[str, Any]
Judge = Callable[[Any, Row], "Reason | None"]

_PAGE: Final = 1000
_SIGNALS: Final[dict[str, Signal]] = {
    "resources": "resource",
    "spans": "span",
    "span_events": "event",
    "metric_points": "metric",
    "log_events": "log",
}


class Reading:
    """One reading of a store: what was read so far (rows, by table), and the walk over what is there.

    ``promoted`` says which attribute of spans has a column of its own, as `spanguard.store.columns.PROMOTED` does.
    ``advance`` is told after every so many rows how many these were.
    """

    def __init__(self, query: Query, promoted: Mapping[str, str], advance: Callable[[int], object] | None = None) -> None:
        self._query = query
        self._advance = advance or (lambda _: None)
        self._keys = {column: key for key, column in promoted.items()}
        self.rows: dict[str, int] = {}

    def tables(self) -> dict[str, str]:
        """Return the statements that made the tables, by the tables' names; SQLite's own are left out."""
        found = self._query("SELECT name, sql FROM sqlite_master WHERE type = 'table'", ())
        return {row["name"]: row["sql"] or "" for row in found if not row["name"].startswith("sqlite_")}

    def count(self) -> int:
        """Return how many rows there are."""
        counts = (self._query(f"SELECT count(*) AS n FROM {_quoted(table)}", ()) for table in self.tables())  # noqa: S608
        return sum(row["n"] for (row,) in counts)

    def violations(self) -> Iterator[Violation]:
        """Yield what is wrong, row by row."""
        for table, statement in self.tables().items():
            self.rows[table] = 0
            for row in self._pages(table, has_rowid="WITHOUT ROWID" not in statement.upper()):
                self.rows[table] += 1
                yield from self._row(table, row)

    def _pages(self, table: str, *, has_rowid: bool) -> Iterator[Row]:
        quoted = _quoted(table)
        if not has_rowid:
            yield from map(dict, self._query(f"SELECT * FROM {quoted}", ()))  # noqa: S608 - quoted
            return
        last: int | None = None
        while rows := self._query(
            f"SELECT rowid AS '#', * FROM {quoted} WHERE :last IS NULL OR rowid > :last ORDER BY rowid LIMIT {_PAGE}",  # noqa: S608
            {"last": last},
        ):
            for row in rows:
                columns = dict(row)
                last = columns.pop("#")
                yield columns
            self._advance(len(rows))

    def _row(self, table: str, row: Row) -> Iterator[Violation]:
        judges = COLUMNS.get(table, {})
        row = {**row, _ATTRIBUTES: self._attributes(table, row)}
        signal = _SIGNALS.get(table, "store")
        for column, value in row.items():
            if column == _ATTRIBUTES or value is None:
                continue
            path = f"{table}.{column}"
            if column == "attributes" and table in _SIGNALS:
                yield from _judged(_loaded(value), signal, path, resource=table == "resources")
            elif column == "body" and table == "batches":
                yield from _body(value, row.get("signal"), path)
            elif column == "links" and table == "spans":
                yield from _links(value, path)
            elif table == "spans" and column in self._keys:
                wrong = values.attribute(self._keys[column], value)
                if wrong is not None:
                    yield Violation(signal, path, wrong.key, wrong.reason)
            else:
                judge = judges.get(column, _refused)
                reason = judge(value, row)
                if reason is not None:
                    yield Violation(signal, path, "", reason)

    def _attributes(self, table: str, row: Row) -> Mapping[str, object]:
        """Return all attributes of a span, which its name may be made of."""
        if table != "spans":
            return {}
        found = _loaded(row.get("attributes"))
        own = {key: row.get(column) for column, key in self._keys.items()}
        return {**(found if isinstance(found, dict) else {}), **own}


_ATTRIBUTES: Final = "all attributes"


def _quoted(table: str) -> str:
    return '"' + table.replace('"', '""') + '"'


def _refused(*_: object) -> Reason:
    return "unknown_field"


# ---------------------------------------------------------------------------------------------------------------- JSON


class _Twice(ValueError):  # noqa: N818 - never raised beyond this module
    """A name stands twice in an object: only the last would be seen."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _Twice
    return made


def _loaded(text: object) -> object:
    """Return what the JSON says; `NESTED` for what is none."""
    if not isinstance(text, str):
        return NESTED
    try:
        return json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        return NESTED


def _judged(found: object, signal: Signal, path: str, *, resource: bool = False) -> Iterator[Violation]:
    if not isinstance(found, dict):
        yield Violation(signal, path, "", "wrong_type")
        return
    for key, value in found.items():
        wrong = values.attribute(key, _single(value), resource=resource)
        if wrong is not None:
            yield Violation(signal, path, wrong.key, wrong.reason)


def _single(value: object) -> object:
    if isinstance(value, list):
        return tuple(NESTED if isinstance(each, (list, dict)) else each for each in value)
    return NESTED if isinstance(value, dict) else value


def _links(text: object, path: str) -> Iterator[Violation]:
    found = _loaded(text)
    for link in found if isinstance(found, list) else [None]:
        if not isinstance(link, dict):
            yield Violation("link", path, "", "wrong_type")
            continue
        for name, value in link.items():
            if name == "attributes":
                yield from _judged(value, "link", f"{path}.attributes")
            else:
                known = name in _LINK
                reason = _LINK[name](value) if known else "unknown_field"
                if reason is not None:
                    yield Violation("link", f"{path}.{name if known else '?'}", "", reason)


def _body(packed: object, signal: object, path: str) -> Iterator[Violation]:
    """Judge a request that waits in the spool."""
    try:
        request = REQUESTS[str(signal)].FromString(unpacked(packed if isinstance(packed, bytes) else b""))
    except (KeyError, OverflowError, zlib.error, DecodeError):
        yield Violation("store", path, "", "wrong_type")
        return
    for each in audit_message(request):
        yield each._replace(field=f"{path}.{each.field}")


_LINK: Final = {"trace_id": values.hex_id(16), "span_id": values.hex_id(8)}

# -------------------------------------------------------------------------------------------------------------- columns


def _of(check: values.Check) -> Judge:
    return lambda value, _row: check(value)


def _attribute(key: str) -> Judge:
    def judge(value: object, _row: Row) -> Reason | None:
        wrong = values.attribute(key, value, resource=True)
        return wrong and wrong.reason

    return judge


def _largest(row: Row) -> float:
    known = metric(row.get("name", ""))
    return values.LARGEST_TOTAL if known is None else known.largest


def _extreme(value: Any, row: Row) -> Reason | None:
    return values.extreme(value, _largest(row))


def _counted(row: Row) -> float:
    count = row.get("count")
    return count if isinstance(count, int) else 1


def _numbers(check: Callable[[Sequence[Any], Row], Reason | None]) -> Judge:
    def judge(text: object, row: Row) -> Reason | None:
        found = _loaded(text)
        whole = isinstance(found, list) and all(type(each) in (int, float) for each in found)
        return check(found, row) if whole and isinstance(found, list) else "wrong_type"

    return judge


def _milliseconds(value: object) -> Reason | None:
    return values.time(value * 10**6) if type(value) is int else "wrong_type"


_TIME: Final = _of(values.time)
_TRACE: Final = _of(values.id_of(16))
_SPAN: Final = _of(values.id_of(8))
_ROW: Final = _of(values.total)
_HASH: Final = _of(values.within(-(2**63), 2**63))
_NUMBERS: Final[tuple[str, ...]] = ("", "2", "3", "4")
_SEVERITIES: Final = [f"{level}{n}" for level in ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL") for n in _NUMBERS]
_IDS: Final[dict[str, Judge]] = {"id": _ROW, "resource_id": _HASH, "trace_id": _TRACE, "span_id": _SPAN}

COLUMNS: Final[dict[str, dict[str, Judge]]] = {
    "resources": {"id": _HASH, "run": _attribute(RUN_ID), "service": _attribute("service.name")},
    "spans": {
        **_IDS,
        "parent_id": _SPAN,
        "scope": _of(values.scope_name),
        "name": lambda value, row: values.span_name(value, row[_ATTRIBUTES]),
        "kind": _of(values.one_of("INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")),
        "start_ns": _TIME,
        "end_ns": _TIME,
        "status": _of(values.one_of("UNSET", "OK", "ERROR")),
    },
    "span_events": {**_IDS, "time_ns": _TIME, "name": _of(values.event_name)},
    "metric_points": {
        **_IDS,
        "scope": _of(values.scope_name),
        "name": _of(metric_name),
        "unit": lambda value, row: unit(value, row["name"]),
        "kind": _of(values.one_of("sum", "up_down_sum", "gauge", "histogram", "exponential_histogram")),
        "temporality": _of(values.one_of("DELTA", "CUMULATIVE", "UNSPECIFIED")),
        "start_ns": _TIME,
        "time_ns": _TIME,
        "value": lambda value, row: values.added_up(value, _largest(row), row["start_ns"], row["time_ns"]),
        "count": _of(values.total),
        "sum": lambda value, row: values.summed(_largest(row), _counted(row))(value),
        "min": _extreme,
        "max": _extreme,
        "bounds": _numbers(lambda found, _row: values.bounds(found)),
        "counts": _numbers(lambda found, _row: values.any_wrong(values.total, found)),
    },
    "log_events": {
        **_IDS,
        "scope": _of(values.scope_name),
        "name": _of(values.event_name),
        "time_ns": _TIME,
        "severity": _of(values.one_of("UNSPECIFIED", *_SEVERITIES)),
    },
    "drops": {
        **_IDS,
        "signal": _of(values.one_of("spans", "metric points", "log records")),
        "time_ns": _TIME,
        "items": _of(values.count),
    },
    # The spool's.
    "batches": {
        "id": _ROW,
        "signal": _of(values.one_of(*REQUESTS)),
        **dict.fromkeys(("endpoint", "series", "holder"), _of(values.digest)),
        **dict.fromkeys(("items", "tries"), _of(values.count)),
        **dict.fromkeys(
            ("made_ms", "until_ms"), lambda value, _: values.time(value * 10**6 if type(value) is int else value)
        ),
    },
    "counts": {
        "signal": _of(values.one_of(*REQUESTS)),
        "fate": _of(values.one_of("spooled", "sent", "replaced", "full", "refused", "damaged", "lost")),
        "items": _of(values.total),
    },
    "keys": {"key": _of(values.digest)},
}
"""Every column of every table that may hold something, and what. A column that is missing here is refused."""
