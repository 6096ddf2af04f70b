"""Every field of OTLP that may hold something, and what: the auditor's one table, and the judges of its places."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from google.protobuf.descriptor import EnumDescriptor  # type: ignore[import-untyped]
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from spanguard.privacy import audit_values as values
from spanguard.privacy.audit_values import NESTED, Reason
from spanguard.privacy.conventions import metric
from spanguard.semconv import METRICS
from spanguard.vocabulary.declared import is_declared, is_declared_key
from spanguard.vocabulary.pseudonyms import looks_like_one

# ------------------------------------------------------------------------------------------------------- values of OTLP


def plain(value: AnyValue) -> object:
    """Return an AnyValue as a value of Python: lists of single values as tuples, what is inside a value as `NESTED`."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return tuple(
            NESTED if isinstance(each := plain(e), (tuple, bytes)) else each for e in value.array_value.values[:_MOST]
        )
    if kind == "kvlist_value":
        return NESTED
    return getattr(value, kind) if kind in SINGLE else None


# The guard keeps 32 elements of a list. Deeper lists are not walked: each level is refused by the one above it.
_MOST: Final = 33
SINGLE: Final = frozenset({"string_value", "bool_value", "int_value", "double_value", "bytes_value"})


def mapping(pairs: Iterable[KeyValue]) -> Mapping[str, object]:
    """Return attributes as a mapping."""
    return {pair.key: plain(pair.value) for pair in pairs}


# --------------------------------------------------------------------------------------------------------------- judges

Judge = Callable[[Any, Any, float], "Reason | None"]
"""Takes a field's value, the message that has it, and the largest measurement of the metric; says what is wrong."""


def _of(check: values.Check) -> Judge:
    return lambda value, _message, _largest: check(value)


def _each(check: values.Check) -> Judge:
    return lambda elements, _message, _largest: values.any_wrong(check, elements)


def _span_name(value: Any, span: Any, _: float) -> Reason | None:
    return values.span_name(value, mapping(span.attributes))


def _metric_name(value: Any, _message: Any, _largest: float) -> Reason | None:
    return metric_name(value)


def metric_name(value: object) -> Reason | None:
    """Judge the name of a metric: of the conventions, or declared."""
    if type(value) is not str:
        return "wrong_type"
    declared = is_declared(value) or is_declared_key(value)
    return None if metric(value) or looks_like_one(value) or declared else values.unknown_name(value)


def unit(value: object, name: str) -> Reason | None:
    """Judge the unit of a metric: that of the conventions, or none."""
    known = metric(name)
    return None if not value or (known is not None and value == known.unit) else "not_in_vocabulary"


def _description(value: Any, message: Any, _: float) -> Reason | None:
    return None if _BRIEFS.get(message.name) == value else "must_be_empty"


def _gauged(value: Any, point: Any, largest: float) -> Reason | None:
    return values.added_up(value, largest, point.start_time_unix_nano, point.time_unix_nano)


def _summed(value: Any, point: Any, largest: float) -> Reason | None:
    return values.summed(largest, point.count)(value)


def _extreme(value: Any, _point: Any, largest: float) -> Reason | None:
    return values.extreme(value, largest)


def _measured(value: Any, _message: Any, largest: float) -> Reason | None:
    return values.within(-largest, largest)(value)


def _bounds(elements: Any, _message: Any, _largest: float) -> Reason | None:
    return values.bounds(elements)


def _member(field: str) -> Judge:
    def _judge(value: Any, message: Any, _: float) -> Reason | None:
        listed: EnumDescriptor = message.DESCRIPTOR.fields_by_name[field].enum_type
        return None if value in listed.values_by_number else "out_of_range"

    return _judge


def _body(value: Any, _message: Any, _largest: float) -> Reason | None:
    return "must_be_empty" if value.WhichOneof("value") else None


def _below(*_: object) -> None:
    """Stand for what is judged field by field."""


def _plain_attributes(*_: object) -> None:
    """Stand for attributes of spans, events, links, log records and points."""


def _resource_attributes(*_: object) -> None:
    """Stand for attributes of resources."""


BELOW: Final[Judge] = _below
PAIRS: Final[Judge] = _plain_attributes
RESOURCE: Final[Judge] = _resource_attributes
LARGEST: Final = float(values.LARGEST_TOTAL)
_BRIEFS: Final = {each.name: each.brief for each in METRICS}
_EMPTY: Final = _of(values.empty)
_TIME: Final = _of(values.time)
_COUNT: Final = _of(values.count)
_TOTAL: Final = _of(values.total)
_URL: Final = _of(values.schema_url)
_TRACE: Final = _of(values.id_of(16))
_SPAN: Final = _of(values.id_of(8))
_FLAGS: Final = _of(values.within(0, 0x3FF))
_TRUTH: Final = _of(lambda value: None if type(value) is bool else "wrong_type")
_NO_RECORD: Final = _of(values.within(0, 1))
_SCALE: Final = _of(values.within(-10, 20))
_OFFSET: Final = _of(values.within(-1100 * 2**20, 1100 * 2**20))

_TIMES: Final[dict[str, Judge]] = {"start_time_unix_nano": _TIME, "time_unix_nano": _TIME}
_POINT: Final[dict[str, Judge]] = {"attributes": PAIRS, "exemplars": BELOW, "flags": _NO_RECORD, **_TIMES}
_SUMS: Final[dict[str, Judge]] = {"count": _TOTAL, "sum": _summed, "min": _extreme, "max": _extreme}
_DATA: Final[dict[str, Judge]] = {
    "data_points": BELOW,
    "aggregation_temporality": _member("aggregation_temporality"),
    "is_monotonic": _TRUTH,
}
PLACES: Final[dict[str, dict[str, Judge]]] = {
    "ExportTraceServiceRequest": {"resource_spans": BELOW},
    "ExportMetricsServiceRequest": {"resource_metrics": BELOW},
    "ExportLogsServiceRequest": {"resource_logs": BELOW},
    "ResourceSpans": {"resource": BELOW, "scope_spans": BELOW, "schema_url": _URL},
    "ResourceMetrics": {"resource": BELOW, "scope_metrics": BELOW, "schema_url": _URL},
    "ResourceLogs": {"resource": BELOW, "scope_logs": BELOW, "schema_url": _URL},
    "Resource": {"attributes": RESOURCE, "dropped_attributes_count": _COUNT},
    "ScopeSpans": {"scope": BELOW, "spans": BELOW, "schema_url": _URL},
    "ScopeMetrics": {"scope": BELOW, "metrics": BELOW, "schema_url": _URL},
    "ScopeLogs": {"scope": BELOW, "log_records": BELOW, "schema_url": _URL},
    "InstrumentationScope": {
        "name": _of(values.scope_name),
        "version": _of(values.version),
        "attributes": _EMPTY,
        "dropped_attributes_count": _COUNT,
    },
    "Span": {
        "trace_id": _TRACE,
        "span_id": _SPAN,
        "parent_span_id": _SPAN,
        "trace_state": _EMPTY,
        "flags": _FLAGS,
        "start_time_unix_nano": _TIME,
        "end_time_unix_nano": _TIME,
        "name": _span_name,
        "kind": _member("kind"),
        "attributes": PAIRS,
        "events": BELOW,
        "links": BELOW,
        "status": BELOW,
        "dropped_attributes_count": _COUNT,
        "dropped_events_count": _COUNT,
        "dropped_links_count": _COUNT,
    },
    "Event": {
        "time_unix_nano": _TIME,
        "name": _of(values.event_name),
        "attributes": PAIRS,
        "dropped_attributes_count": _COUNT,
    },
    "Link": {
        "trace_id": _TRACE,
        "span_id": _SPAN,
        "trace_state": _EMPTY,
        "attributes": PAIRS,
        "flags": _FLAGS,
        "dropped_attributes_count": _COUNT,
    },
    "Status": {"message": _EMPTY, "code": _member("code")},
    "Metric": {
        "name": _metric_name,
        "description": _description,
        "metadata": _EMPTY,
        "unit": lambda value, message, _: unit(value, message.name),
        **dict.fromkeys(("gauge", "sum", "histogram", "exponential_histogram", "summary"), BELOW),
    },
    **dict.fromkeys(("Gauge", "Sum", "Histogram", "ExponentialHistogram", "Summary"), _DATA),
    "NumberDataPoint": {**_POINT, "as_double": _gauged, "as_int": _gauged},
    "HistogramDataPoint": {**_POINT, **_SUMS, "bucket_counts": _each(values.total), "explicit_bounds": _bounds},
    "ExponentialHistogramDataPoint": {
        **_POINT,
        **_SUMS,
        "scale": _SCALE,
        "zero_count": _TOTAL,
        "zero_threshold": _measured,
        "positive": BELOW,
        "negative": BELOW,
    },
    "Buckets": {"offset": _OFFSET, "bucket_counts": _each(values.total)},
    "SummaryDataPoint": {**_POINT, "count": _TOTAL, "sum": _summed, "quantile_values": BELOW},
    "ValueAtQuantile": {"quantile": _of(values.share), "value": _measured},
    "Exemplar": {
        "filtered_attributes": _EMPTY,
        "time_unix_nano": _TIME,
        "span_id": _SPAN,
        "trace_id": _TRACE,
        "as_double": _measured,
        "as_int": _measured,
    },
    "LogRecord": {
        "time_unix_nano": _TIME,
        "observed_time_unix_nano": _TIME,
        "severity_number": _member("severity_number"),
        "severity_text": _of(values.severity),
        "body": _body,
        "attributes": PAIRS,
        "flags": _FLAGS,
        "dropped_attributes_count": _COUNT,
        "trace_id": _TRACE,
        "span_id": _SPAN,
        "event_name": _of(values.event_name),
    },
}
"""Every field of every message that may hold something, and what. A field that is missing here is refused."""
