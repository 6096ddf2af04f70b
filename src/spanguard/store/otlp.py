"""Rows of the store as OTLP-JSON: the format of the collector's file exporter, one request a line.

Bucket bounds of exponential histograms are stored as explicit ones, and so they are exported. The versions of scopes are not
stored.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

from spanguard.store.columns import PROMOTED

Json: TypeAlias = dict[str, object]
Stored: TypeAlias = Mapping[str, object]
"""A row, by column."""
Resources: TypeAlias = Mapping[object, object]
"""The attributes of resources as JSON, by their id."""

SPAN_KINDS: Final = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
STATUSES: Final = ("UNSET", "OK", "ERROR")
TEMPORALITIES: Final = ("UNSPECIFIED", "DELTA", "CUMULATIVE")
_SEVERITIES: Final = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
_LARGEST: Final = 2**63


def traces(spans: Iterable[Stored], events: Mapping[tuple[object, object], Sequence[Stored]], resources: Resources) -> Json:
    """Return a request with these spans; events by trace and span, and what the resources are."""
    made = ((span, _span(span, events.get((span["trace_id"], span["span_id"]), ()))) for span in spans)
    return _request("resourceSpans", "scopeSpans", "spans", made, resources)


def metrics(points: Iterable[Stored], resources: Resources) -> Json:
    """Return a request with these points."""
    made: dict[tuple[object, ...], tuple[Stored, Json]] = {}
    for point in points:
        key = tuple(point[each] for each in ("resource_id", "scope", "name", "unit", "kind", "temporality"))
        if key not in made:
            made[key] = point, _metric(point)
        (data,) = (each for each in made[key][1].values() if isinstance(each, dict))
        data["dataPoints"].append(_point(point))
    return _request("resourceMetrics", "scopeMetrics", "metrics", made.values(), resources)


def logs(events: Iterable[Stored], resources: Resources) -> Json:
    """Return a request with these events."""
    return _request("resourceLogs", "scopeLogs", "logRecords", ((event, _log(event)) for event in events), resources)


def line(request: Json) -> str:
    """Return a request as one line."""
    return json.dumps(request, separators=(",", ":")) + "\n"


def _request(outer: str, inner: str, kind: str, made: Iterable[tuple[Stored, Json]], resources: Resources) -> Json:
    by: dict[object, dict[object, list[Json]]] = {}
    for row, item in made:
        by.setdefault(row["resource_id"], {}).setdefault(row["scope"], []).append(item)
    return {
        outer: [
            {
                "resource": {"attributes": _attributes(resources[resource])},
                inner: [{"scope": {"name": scope}, kind: items} for scope, items in scopes.items()],
            }
            for resource, scopes in by.items()
        ]
    }


def _span(row: Stored, events: Sequence[Stored]) -> Json:
    own = {key: row[column] for key, column in PROMOTED.items() if row[column] is not None}
    kind, status = str(row["kind"]), str(row["status"])
    return {
        **_ids(row),
        **({"parentSpanId": _hex(row["parent_id"])} if row["parent_id"] else {}),
        "name": row["name"],
        "kind": SPAN_KINDS.index(kind) if kind in SPAN_KINDS else 0,
        "startTimeUnixNano": str(row["start_ns"]),
        "endTimeUnixNano": str(row["end_ns"]),
        "attributes": _listed({**own, **_loaded(row["attributes"])}),
        "events": [
            {"timeUnixNano": str(each["time_ns"]), "name": each["name"], "attributes": _attributes(each["attributes"])}
            for each in events
        ],
        "links": [
            {"traceId": each["trace_id"], "spanId": each["span_id"], "attributes": _listed(each["attributes"])}
            for each in json.loads(str(row["links"] or "[]"))
        ],
        "status": {"code": STATUSES.index(status) if status in STATUSES else 0},
    }


def _log(row: Stored) -> Json:
    return {
        **_ids(row),
        "timeUnixNano": str(row["time_ns"]),
        "observedTimeUnixNano": str(row["time_ns"]),
        **_severity(row["severity"]),
        "eventName": row["name"],
        "attributes": _attributes(row["attributes"]),
    }


def _severity(stored: object) -> Json:
    text = str(stored or "")
    level, step = text.rstrip("234"), text[-1:] if text[-1:] in ("2", "3", "4") else "1"
    if level not in _SEVERITIES:
        return {}
    return {"severityText": text, "severityNumber": 4 * _SEVERITIES.index(level) + int(step)}


def _metric(row: Stored) -> Json:
    kind, temporality = str(row["kind"]), str(row["temporality"] or "UNSPECIFIED")
    data: Json = {"dataPoints": []}
    if kind != "gauge":
        data["aggregationTemporality"] = TEMPORALITIES.index(temporality)
    if kind.endswith("sum"):
        data["isMonotonic"] = kind == "sum"
    name = "gauge" if kind == "gauge" else "sum" if kind.endswith("sum") else "histogram"
    return {"name": row["name"], "unit": row["unit"], name: data}


def _point(row: Stored) -> Json:
    point: Json = {
        "attributes": _attributes(row["attributes"]),
        "startTimeUnixNano": str(row["start_ns"]),
        "timeUnixNano": str(row["time_ns"]),
    }
    if row["counts"] is None:
        value = row["value"]
        return {**point, **({"asInt": str(value)} if isinstance(value, int) else {"asDouble": value or 0.0})}
    known = {each: row[each] for each in ("sum", "min", "max") if row[each] is not None}
    counts = [str(each) for each in json.loads(str(row["counts"]))]
    bounds = json.loads(str(row["bounds"]))
    return {**point, "count": str(row["count"]), **known, "bucketCounts": counts, "explicitBounds": bounds}


def _ids(row: Stored) -> Json:
    return {key: _hex(row[name]) for key, name in (("traceId", "trace_id"), ("spanId", "span_id")) if row[name]}


def _hex(stored: object) -> str:
    return stored.hex() if isinstance(stored, bytes) else ""


def _loaded(stored: object) -> Json:
    loaded: Json = json.loads(str(stored))
    return loaded


def _attributes(stored: object) -> list[Json]:
    return _listed(_loaded(stored))


def _listed(attributes: Mapping[str, object]) -> list[Json]:
    return [{"key": key, "value": _value(value)} for key, value in attributes.items()]


def _value(value: object) -> Json:
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)} if -_LARGEST <= value < _LARGEST else {"stringValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, list):
        return {"arrayValue": {"values": [_value(each) for each in value]}}
    return {"kvlistValue": {"values": _listed(value)}} if isinstance(value, dict) else {}
