"""What the SDK exports, as rows of the store. Nothing here reads or writes anything.

What a person or a model wrote is not kept, whoever recorded it: everything goes through the guard first, which costs nothing
where it has been there already. Descriptions of a status and bodies of log records have no column at all.
"""

from __future__ import annotations

import base64
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics.export import (
    Buckets,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanKind, StatusCode

from spanguard import semconv
from spanguard.privacy.logs import clean_log
from spanguard.privacy.metrics import clean_metrics
from spanguard.privacy.modes import in_force
from spanguard.privacy.parts import clean_resource
from spanguard.privacy.spans import clean_span
from spanguard.store.columns import PROMOTED
from spanguard.store.schema import Row, Rows, Value

_KINDS: Final = {kind: kind.name for kind in SpanKind}  # names of members are slow to look up in Python 3.11
_STATUSES: Final = {code: code.name for code in StatusCode}
_PLACES: Final = {key: place for place, key in enumerate(PROMOTED)}
_NUMBERS: Final = frozenset(key for key in PROMOTED if semconv.ATTRIBUTES[key].type != "string")
_LARGEST_INTEGER: Final = 2**63 - 1  # of SQLite
_LONGEST_INTEGER: Final = 1024  # bits; Python refuses to write very long ones as text


def span_rows(spans: Sequence[ReadableSpan]) -> Rows:
    """Return the rows of finished spans, their events and their resources."""
    resources = _Resources()
    rows: Rows = {"resources": [], "spans": [], "span_events": []}
    for span in map(clean_span, spans):
        context = span.get_span_context()
        if context is None:  # a span that never was started
            continue
        ids = _trace_id(context.trace_id), _span_id(context.span_id)
        rows["spans"].append((*ids, *_span_columns(span, resources.id(span.resource))))
        rows["span_events"].extend(
            (*ids, event.timestamp, _text(event.name), _json(dict(event.attributes or {}))) for event in span.events
        )
    rows["resources"] = resources.rows
    return rows


def metric_rows(data: MetricsData) -> Rows:
    """Return the rows of metric points and their resources."""
    resources = _Resources()
    points = [
        (resources.id(by_resource.resource), _scope(by_scope.scope), *columns)
        for by_resource in clean_metrics(data).resource_metrics
        for by_scope in by_resource.scope_metrics
        for metric in by_scope.metrics
        for columns in _metric_columns(metric)
    ]
    return {"resources": resources.rows, "metric_points": points}


def log_rows(records: Sequence[ReadableLogRecord]) -> Rows:
    """Return the rows of log records that are events (have a name), and their resources.

    Other log records are what the program says to its people, in words: they are left out.
    """
    resources = _Resources()
    events: list[Row] = []
    for record in map(clean_log, records):
        entry = record.log_record
        name = entry.event_name
        if not name:
            continue
        severity = entry.severity_number.name if entry.severity_number else None
        ids = (
            _trace_id(entry.trace_id) if entry.trace_id else None,
            _span_id(entry.span_id) if entry.span_id else None,
        )
        when = entry.timestamp or entry.observed_timestamp or 0
        origin = resources.id(record.resource), _scope(record.instrumentation_scope)
        events.append((*origin, _text(name), when, severity, *ids, _json(dict(entry.attributes or {}))))
    return {"resources": resources.rows, "log_events": events}


def drop_rows(resource: Resource | None, signal: str, time_ns: int, items: int) -> Rows:
    """Return the rows that say how many spans, points or log records of a resource could not be written."""
    resources = _Resources()
    clean = resource if in_force.mode == "off" else clean_resource(resource)
    return {"drops": [(resources.id(clean), signal, time_ns, items)], "resources": resources.rows}


class _Resources:
    """The resources of one batch, each encoded once."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self._known: dict[int, tuple[Resource | None, int]] = {}  # holds them: a freed one's id() may be used again

    def id(self, resource: Resource | None) -> int:
        if id(resource) not in self._known:
            self._known[id(resource)] = resource, self._add(dict(resource.attributes) if resource else {})
        return self._known[id(resource)][1]

    def _add(self, attributes: dict[str, object]) -> int:
        text = _json(dict(sorted(attributes.items())))
        number = int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big", signed=True)
        run, service = (_text(str(attributes.get(key, ""))) for key in (semconv.RUN_ID, "service.name"))
        self.rows.append((number, run, service, text))
        return number


def _span_columns(span: ReadableSpan, resource: int) -> Row:
    hot: list[Value] = [None] * len(PROMOTED)
    others: dict[str, object] = {}
    for key, value in (span.attributes or {}).items():
        place = _PLACES.get(key)
        if place is not None and (isinstance(value, str) if key not in _NUMBERS else _is_kept(value)):
            hot[place] = _text(value) if isinstance(value, str) else value  # type: ignore[assignment]
        else:
            others[key] = value
    start = span.start_time or 0
    return (
        _span_id(span.parent.span_id) if span.parent else None,
        resource,
        _scope(span.instrumentation_scope),
        _text(span.name),
        _KINDS[span.kind],
        start,
        span.end_time or start,
        _STATUSES[span.status.status_code],
        *hot,
        _json(others) if others else "{}",
        _json([_link(link) for link in span.links]) if span.links else None,
    )


def _is_kept(value: object) -> bool:
    """Whether a column can have a number as it is."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and _number(value) is value


def _link(link: Link) -> dict[str, object]:
    ids = {"trace_id": f"{link.context.trace_id:032x}", "span_id": f"{link.context.span_id:016x}"}
    return {**ids, "attributes": dict(link.attributes or {})}


def _metric_columns(metric: Metric) -> Iterable[Row]:
    data = metric.data
    kind = "exponential_histogram" if isinstance(data, ExponentialHistogram) else type(data).__name__.lower()
    if isinstance(data, Sum) and not data.is_monotonic:
        kind = "up_down_sum"
    delta = getattr(data, "aggregation_temporality", None)
    head = _text(metric.name), _text(metric.unit or ""), kind, delta.name if delta else None
    for point in data.data_points:
        times = point.start_time_unix_nano or point.time_unix_nano, point.time_unix_nano
        yield (*head, *times, _json(dict(sorted(dict(point.attributes or {}).items()))), *_point_columns(point))


def _point_columns(point: NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint) -> Row:
    if isinstance(point, NumberDataPoint):
        return (_number(point.value), None, None, None, None, None, None)
    if isinstance(point, HistogramDataPoint):
        bounds, counts = list(point.explicit_bounds), list(point.bucket_counts)
    else:
        bounds, counts = explicit_buckets(point)
    if len(counts) != len(bounds) + 1:  # broken where it was made: what is left of it is the number
        bounds, counts = [], [point.count]
    numbers = (_number(point.sum), _number(point.min), _number(point.max))
    return (None, point.count, *numbers, _bounds(tuple(bounds)), _json(counts))


def explicit_buckets(point: ExponentialHistogramDataPoint) -> tuple[list[float], list[int]]:
    """Return an exponential histogram as one with explicit upper bounds; the last count is for what is above them all."""

    def bound(index: int) -> float:
        exponent = index * 2.0**-point.scale
        return 2.0**exponent if exponent < sys.float_info.max_exp else sys.float_info.max

    def used(buckets: Buckets) -> list[tuple[int, int]]:
        return list(enumerate(buckets.bucket_counts, buckets.offset)) if any(buckets.bucket_counts) else []

    below = [(-bound(index), count) for index, count in reversed(used(point.negative))]
    above = [(bound(index + 1), count) for index, count in used(point.positive)]
    # The empty bucket ends where the first above 0 begins, so that nothing is spread over the gap between the two.
    gap = [(bound(point.positive.offset), 0)] if above else []
    buckets = [*below, (0.0, point.zero_count), *gap, *above]
    return [upper for upper, _ in buckets], [*(count for _, count in buckets), 0]


@lru_cache(maxsize=64)
def _bounds(bounds: tuple[float, ...]) -> str:
    return _json(bounds)


def _scope(scope: InstrumentationScope | None) -> str:
    return _text(scope.name) if scope else ""


def _trace_id(number: int) -> bytes:
    return number.to_bytes(16, "big")


def _span_id(number: int) -> bytes:
    return number.to_bytes(8, "big")


def _text(value: str) -> str:
    """Return text that SQLite takes: a lone surrogate, which UTF-8 has no form for, becomes a question mark."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def _number(value: float) -> int | float | None:
    """Return a number that SQLite takes; None for what is none, such as the minimum of nothing."""
    if not math.isfinite(value):
        return None
    return float(value) if abs(value) > _LARGEST_INTEGER else value


def _json(value: object) -> str:
    """Return strict JSON, which SQLite's own functions can read: ASCII, NaN and infinities as text as in OTLP."""
    try:
        text = _ENCODER.encode(value)
    except ValueError:
        return _ENCODER.encode(_sound(value))
    return _ENCODER.encode(_sound(value)) if "\\ud" in text else text  # half of a character, perhaps


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, Sequence) else type(value).__name__


def _sound(value: object) -> object:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, int) and value.bit_length() > _LONGEST_INTEGER:
        return None
    if isinstance(value, Mapping):
        return {_text(str(key)): _sound(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [_sound(each) for each in value]
    return value


_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False, default=_plain)
