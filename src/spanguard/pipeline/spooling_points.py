"""Of cumulative metrics the newest point says all that the older ones did: which points wait, and which need not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AGGREGATION_TEMPORALITY_CUMULATIVE,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    SummaryDataPoint,
)

from spanguard.store.spool import Part

_Point: TypeAlias = NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint | SummaryDataPoint
_Series: TypeAlias = tuple[bytes, ...]

_TEMPORAL: Final = ("sum", "histogram", "exponential_histogram")


def count(request: ExportMetricsServiceRequest) -> int:
    """Count the points of a request."""
    return sum(1 for _ in _points(request))


def split(body: bytes, series: bytes) -> list[Part]:
    """Divide a request into what has to be sent in any case, and what a newer request of the same ``series`` replaces."""
    whole = ExportMetricsServiceRequest.FromString(body)
    kept, replaced = _only(whole, lambda metric: not _cumulative(metric)), _only(whole, _cumulative)
    parts = [(kept, None), (replaced, series)]
    return [Part(each.SerializeToString(), count(each), key) for each, key in parts if each.resource_metrics]


def newest(bodies: list[bytes]) -> tuple[bytes, int]:
    """Make one request with the last point of each series in these, the oldest request first; and count its points."""
    merged = ExportMetricsServiceRequest()
    seen: set[_Series] = set()
    for body in reversed(bodies):
        request = ExportMetricsServiceRequest.FromString(body)
        series = {key for key, _, _ in _points(request)}
        for key, metric, point in list(_points(request)):
            if key in seen:
                getattr(metric, metric.WhichOneof("data") or "").data_points.remove(point)
        merged.resource_metrics.extend(_only(request, _has_points).resource_metrics)
        seen |= series
    return merged.SerializeToString(), count(merged)


def _cumulative(metric: Metric) -> bool:
    kind = metric.WhichOneof("data")
    return kind in _TEMPORAL and getattr(metric, kind).aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE


def _has_points(metric: Metric) -> bool:
    return bool(getattr(metric, metric.WhichOneof("data") or "").data_points)


def _only(request: ExportMetricsServiceRequest, wanted: Callable[[Metric], bool]) -> ExportMetricsServiceRequest:
    """Return the request with these metrics alone, and nothing empty around them."""
    found = ExportMetricsServiceRequest()
    for of_resource in request.resource_metrics:
        scopes = [(scope, [metric for metric in scope.metrics if wanted(metric)]) for scope in of_resource.scope_metrics]
        if any(metrics for _, metrics in scopes):
            copy = found.resource_metrics.add(resource=of_resource.resource, schema_url=of_resource.schema_url)
            for scope, metrics in scopes:
                if metrics:
                    copy.scope_metrics.add(scope=scope.scope, schema_url=scope.schema_url, metrics=metrics)
    return found


def _points(request: ExportMetricsServiceRequest) -> Iterator[tuple[_Series, Metric, _Point]]:
    """Give each point with its metric and with what makes its series."""
    for of_resource in request.resource_metrics:
        resource = of_resource.resource.SerializeToString(deterministic=True)
        for of_scope in of_resource.scope_metrics:
            scope = of_scope.scope.SerializeToString(deterministic=True)
            for metric in of_scope.metrics:
                kind = metric.WhichOneof("data")
                for point in getattr(metric, kind).data_points if kind else ():
                    attributes = sorted(each.SerializeToString(deterministic=True) for each in point.attributes)
                    yield (resource, scope, metric.name.encode(), *attributes), metric, point
