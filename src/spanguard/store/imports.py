"""Read OTLP-JSON lines (of the collector's file exporter, or of ours) into the store, through the guard.

They become objects of the SDK, which are guarded and written as those of a running program are. What the store has already,
the same span or point, is left out: delivery is at least once.
"""

from __future__ import annotations

import gzip
import json
import math
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Buckets,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.types import AttributeValue

from spanguard.store.columns import COLUMNS
from spanguard.store.database import Database
from spanguard.store.encode import log_rows, metric_rows, span_rows
from spanguard.store.otlp import SPAN_KINDS, STATUSES, TEMPORALITIES
from spanguard.store.schema import Row, Rows

Json = Mapping[str, "object"]
_NO_EXTREMES: Final = (("min", math.inf), ("max", -math.inf))
_GZIP: Final = b"\x1f\x8b"
_SAME: Final = {
    "spans": ("trace_id", "span_id"),
    "metric_points": ("resource_id", "name", "start_ns", "time_ns", "attributes"),
    "log_events": ("resource_id", "name", "time_ns", "trace_id", "span_id", "attributes"),
}
"""The columns that tell one row from another."""


@dataclass(frozen=True)
class Imported:
    """What a file brought: new rows by table, rows that the store had already, and lines that could not be read."""

    rows: dict[str, int]
    known: int
    unreadable: int


def import_lines(db: Database, path: Path, told: Callable[[int], object] = lambda _: None) -> Imported:
    """Read a file, packed by gzip or not; ``told`` hears of the bytes as they are read.

    A line is a request, or a list of requests. One that is no OTLP-JSON (the last one of a file that is still written, say)
    is left out and counted. Raises `OSError` for the file, `StoreError` for the store.
    """
    rows = dict.fromkeys(_SAME, 0)
    known = unreadable = 0
    for read in _read(path, told):
        if read is None:
            unreadable += 1
            continue
        fresh = without_known(db, read)
        db.write(fresh)
        for table in _SAME:
            rows[table] += len(fresh.get(table, ()))
            known += len(read.get(table, ())) - len(fresh.get(table, ()))
    return Imported(rows, known, unreadable)


def _read(path: Path, told: Callable[[int], object]) -> Iterator[Rows | None]:
    """Yield the rows of each request of a file, None for what cannot be read."""
    with path.open("rb") as file:
        packed = file.read(len(_GZIP)) == _GZIP
        file.seek(0)
        before = 0
        try:
            for text in gzip.GzipFile(fileobj=file) if packed else file:
                told(file.tell() - before)
                before = file.tell()
                if text.strip():
                    yield from _of_line(text)
        except (EOFError, zlib.error, gzip.BadGzipFile):  # it is still written, or damaged
            yield None


def _of_line(text: bytes) -> list[Rows | None]:
    try:
        request = json.loads(text)
        return [rows_of(each) for each in (request if isinstance(request, list) else [request])]
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError, StopIteration):
        return [None]


def rows_of(request: Json) -> Rows:
    """Return the guarded rows of one request: of traces, metrics or logs."""
    if "resourceSpans" in request:
        return span_rows(_spans(request))
    if "resourceMetrics" in request:
        return metric_rows(MetricsData([_resource_metrics(each) for each in _list(request, "resourceMetrics")]))
    if "resourceLogs" in request:
        return log_rows(_logs(request))
    raise ValueError("no request of OTLP")


def without_known(db: Database, rows: Rows) -> Rows:
    """Return the rows that the store does not have yet."""
    kept = {table: values for table, values in rows.items() if table not in _SAME}
    with db.snapshot() as connection:
        for table, keys in _SAME.items():
            if table in rows:
                kept[table] = _new(connection, table, keys, rows[table])
    if "spans" in kept:
        ids = {row[:2] for row in kept["spans"]}
        kept["span_events"] = [row for row in rows["span_events"] if row[:2] in ids]
    return kept


def _new(connection: sqlite3.Connection, table: str, keys: tuple[str, ...], rows: list[Row]) -> list[Row]:
    places = [COLUMNS[table].index(key) for key in keys]
    statement = f"SELECT 1 FROM {table} WHERE {' AND '.join(f'{key} IS ?' for key in keys)}"  # noqa: S608 - of this module
    unique = {tuple(row[place] for place in places): row for row in rows}
    return [row for key, row in unique.items() if connection.execute(statement, key).fetchone() is None]


# --------------------------------------------------------------------------------------------------- OTLP to the SDK's


def _spans(request: Json) -> list[ReadableSpan]:
    return [
        _span(span, _resource(by_resource), _scope(by_scope))
        for by_resource in _list(request, "resourceSpans")
        for by_scope in _list(by_resource, "scopeSpans")
        for span in _list(by_scope, "spans")
    ]


def _span(span: Json, resource: Resource, scope: InstrumentationScope) -> ReadableSpan:
    trace_id = int(_text(span, "traceId"), 16)
    parent = _text(span, "parentSpanId")
    status = span.get("status")
    code = _enum(status.get("code") if isinstance(status, dict) else 0, "STATUS_CODE_", STATUSES)
    kind = _enum(span.get("kind"), "SPAN_KIND_", SPAN_KINDS)
    return ReadableSpan(
        name=_text(span, "name"),
        context=_context(trace_id, _text(span, "spanId")),
        parent=_context(trace_id, parent) if parent else None,
        resource=resource,
        attributes=_attributes(span),
        events=[Event(_text(e, "name"), _attributes(e), _int(e, "timeUnixNano")) for e in _list(span, "events")],
        links=[
            Link(_context(int(_text(link, "traceId"), 16), _text(link, "spanId")), _attributes(link))
            for link in _list(span, "links")
        ],
        kind=SpanKind[kind] if kind != SPAN_KINDS[0] else SpanKind.INTERNAL,
        status=Status(StatusCode[code]),
        start_time=_int(span, "startTimeUnixNano"),
        end_time=_int(span, "endTimeUnixNano"),
        instrumentation_scope=scope,
    )


def _context(trace_id: int, span_id: str) -> SpanContext:
    return SpanContext(trace_id, int(span_id, 16), is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def _logs(request: Json) -> list[ReadableLogRecord]:
    return [
        ReadableLogRecord(_log(record), _resource(by_resource), _scope(by_scope))
        for by_resource in _list(request, "resourceLogs")
        for by_scope in _list(by_resource, "scopeLogs")
        for record in _list(by_scope, "logRecords")
    ]


def _log(record: Json) -> LogRecord:
    severity = _int(record, "severityNumber")
    made = LogRecord(
        timestamp=_int(record, "timeUnixNano") or None,
        observed_timestamp=_int(record, "observedTimeUnixNano") or None,
        severity_number=SeverityNumber(severity) if severity else None,
        severity_text=_text(record, "severityText") or None,
        attributes=_attributes(record),
        event_name=_text(record, "eventName") or None,
    )
    made.trace_id, made.span_id = (int(_text(record, key) or "0", 16) for key in ("traceId", "spanId"))
    return made


def _resource_metrics(by_resource: Json) -> ResourceMetrics:
    scopes = [
        ScopeMetrics(_scope(by_scope), [_metric(metric) for metric in _list(by_scope, "metrics")], "")
        for by_scope in _list(by_resource, "scopeMetrics")
    ]
    return ResourceMetrics(_resource(by_resource), scopes, "")


def _metric(metric: Json) -> Metric:
    data = next(value for key, value in metric.items() if key in ("gauge", "sum", "histogram", "exponentialHistogram"))
    told = cast("Json", data)
    points = _list(told, "dataPoints")
    if "gauge" in metric:
        return Metric(_text(metric, "name"), "", _text(metric, "unit"), Gauge([_number(point) for point in points]))
    temporality = AggregationTemporality[_enum(told.get("aggregationTemporality"), "AGGREGATION_TEMPORALITY_", TEMPORALITIES)]
    made: Sum | Histogram | ExponentialHistogram
    if "sum" in metric:
        made = Sum([_number(point) for point in points], temporality, told.get("isMonotonic") is True)
    elif "histogram" in metric:
        made = Histogram([_histogram(point) for point in points], temporality)
    else:
        made = ExponentialHistogram([_exponential(point) for point in points], temporality)
    return Metric(_text(metric, "name"), "", _text(metric, "unit"), made)


def _number(point: Json) -> NumberDataPoint:
    value = _int(point, "asInt") if "asInt" in point else _float(point, "asDouble")
    return NumberDataPoint(_attributes(point), _int(point, "startTimeUnixNano"), _int(point, "timeUnixNano"), value)


def _histogram(point: Json) -> HistogramDataPoint:
    counts, bounds = (cast("list[int | float | str]", point.get(key, [])) for key in ("bucketCounts", "explicitBounds"))
    return HistogramDataPoint(
        _attributes(point),
        _int(point, "startTimeUnixNano"),
        _int(point, "timeUnixNano"),
        _int(point, "count"),
        _float(point, "sum"),
        [int(each) for each in counts] or [_int(point, "count")],
        [float(each) for each in bounds],
        *_extremes(point),
    )


def _exponential(point: Json) -> ExponentialHistogramDataPoint:
    positive, negative = (_buckets(point.get(key)) for key in ("positive", "negative"))
    return ExponentialHistogramDataPoint(
        _attributes(point),
        _int(point, "startTimeUnixNano"),
        _int(point, "timeUnixNano"),
        _int(point, "count"),
        _float(point, "sum"),
        _int(point, "scale"),
        _int(point, "zeroCount"),
        positive,
        negative,
        0,
        *_extremes(point),
    )


def _extremes(point: Json) -> tuple[float, float]:
    """Return minimum and maximum; where a point does not state them they are what the SDK has for none."""
    low, high = (_float(point, key) if point.get(key) is not None else none for key, none in _NO_EXTREMES)
    return low, high


def _buckets(told: object) -> Buckets:
    known = cast("Json", told if isinstance(told, dict) else {})
    return Buckets(_int(known, "offset"), [int(each) for each in cast("list[int | str]", known.get("bucketCounts", []))])


def _resource(by_resource: Json) -> Resource:
    told = by_resource.get("resource")
    return Resource(_attributes(cast("Json", told)) if isinstance(told, dict) else {})


def _scope(by_scope: Json) -> InstrumentationScope:
    told = by_scope.get("scope")
    return InstrumentationScope(_text(cast("Json", told), "name") if isinstance(told, dict) else "")


def _attributes(told: Json) -> dict[str, AttributeValue]:
    listed = ((_text(each, "key"), _value(cast("Json", each.get("value")))) for each in _list(told, "attributes"))
    return {key: cast("AttributeValue", value) for key, value in listed if value is not None}


def _value(told: Json) -> object:
    kind, value = next(iter(told.items()), ("", None))
    if kind == "intValue":
        return int(cast("int | str", value))
    if kind == "doubleValue":
        return float(cast("float | str", value))
    if kind == "arrayValue":
        return [_value(each) for each in _list(cast("Json", value), "values")]
    if kind == "kvlistValue":
        pairs: Iterable[Json] = _list(cast("Json", value), "values")
        return {_text(each, "key"): _value(cast("Json", each["value"])) for each in pairs}
    return value


def _list(told: Json, key: str) -> list[Json]:
    found = told.get(key)
    return found if isinstance(found, list) else []


def _text(told: Json, key: str) -> str:
    return str(told.get(key) or "")


def _int(told: Json, key: str) -> int:
    return int(cast("int | str", told.get(key) or 0))


def _float(told: Json, key: str) -> float:
    found = told.get(key)
    return float("nan") if found is None else float(cast("float | str", found))


def _enum(told: object, prefix: str, names: tuple[str, ...]) -> str:
    """Return a value that stands there as a number, or as its name as some writers have it."""
    if isinstance(told, str) and not told.isdigit():
        return told.removeprefix(prefix)
    return names[int(cast("int | str", told or 0))]
