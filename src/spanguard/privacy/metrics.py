"""Metrics as they may leave the process: known names and units, cleaned points; points that become the same are added up."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    ExponentialHistogram,
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

from spanguard.privacy import conventions, modes
from spanguard.privacy.attributes import clean_attributes
from spanguard.privacy.parts import clean_resource, clean_scope, clean_url
from spanguard.privacy.points import Point, merged
from spanguard.privacy.redactions import dropped_key, redacted
from spanguard.vocabulary.declared import is_declared

_log: Final = logging.getLogger("spanguard")

_LARGEST: Final = 1e12
"""Of sums, and of a metric that the program declared: no convention says what it may be."""
_LARGEST_BOUND: Final = 1e8
"""Of the buckets of histograms, which stand in code; those of the GenAI conventions reach 67,108,864 tokens."""


@dataclass(frozen=True)
class CleanMetricsData(MetricsData):
    """Metrics that are clean already, known by their class."""


def clean_metrics(data: MetricsData) -> MetricsData:
    """Return the metrics as they may leave; a metric that cannot be cleaned is left out."""
    if type(data) is CleanMetricsData or modes.mode == "off":
        return data
    try:
        return CleanMetricsData([_resource_metrics(each) for each in data.resource_metrics])
    except Exception as error:
        redacted("metric", "whole", "internal_error")
        _log.warning("metrics could not be cleaned (%s) and were left out", type(error).__name__)
        return CleanMetricsData([])


def _resource_metrics(each: ResourceMetrics) -> ResourceMetrics:
    scopes = [_scope_metrics(scope) for scope in each.scope_metrics]
    return replace(
        each,
        resource=clean_resource(each.resource),
        scope_metrics=[scope for scope in scopes if scope.metrics],
        schema_url=clean_url(each.schema_url, "resource"),
    )


def _scope_metrics(each: ScopeMetrics) -> ScopeMetrics:
    metrics = [cleaned for metric in each.metrics if (cleaned := _never_raw(metric)) is not None]
    return replace(
        each, scope=clean_scope(each.scope) or each.scope, metrics=metrics, schema_url=clean_url(each.schema_url, "scope")
    )


def _never_raw(metric: Metric) -> Metric | None:
    try:
        return _clean_metric(metric)
    except Exception as error:
        redacted("metric", "whole", "internal_error")
        _log.warning("a metric could not be cleaned (%s) and was left out", type(error).__name__)
        return None


def _clean_metric(metric: Metric) -> Metric | None:
    if type(metric.name) is not str:
        redacted("metric", "name", "wrong_type")
        return None
    rule = conventions.metric(metric.name)
    if rule is None and not is_declared(metric.name):
        dropped_key("metric", "name", metric.name)
        return None
    data = metric.data
    largest = _LARGEST if rule is None else rule.largest
    if isinstance(data, Sum):
        largest = max(largest, _LARGEST)  # of all measurements together
    points: list[Point] = []
    for point in data.data_points:
        cleaned = _clean_point(point, largest)
        if cleaned is not None:
            points.append(cleaned)
    if not points:
        return None
    kept = merged(points, by_time=isinstance(data, Gauge))
    unit = metric.unit if rule is not None and metric.unit == rule.unit else rule.unit if rule is not None else ""
    return Metric(metric.name, "", unit, _with_points(data, kept))


Data = Sum | Gauge | Histogram | ExponentialHistogram


def _with_points(data: Data, points: Sequence[Point]) -> Data:
    return replace(data, data_points=points)  # type: ignore[arg-type]  # of the kind that they were


def _clean_point(point: Point, largest: float) -> Point | None:
    """Return the point with what its attributes and exemplars may tell, or None if its values cannot be."""
    if isinstance(point, NumberDataPoint):
        plausible = _is_plausible(point.value, largest)
    else:
        plausible = all(_is_plausible(value, largest) for value in (point.min, point.max))
        plausible = plausible and _is_plausible(point.sum, largest * max(point.count, 1))
    if not plausible:
        redacted("metric", "number", "out_of_range")
        return None
    if isinstance(point, HistogramDataPoint) and not all(
        _is_plausible(bound, _LARGEST_BOUND) for bound in point.explicit_bounds
    ):
        redacted("metric", "number", "out_of_range")
        return None
    return replace(
        point,
        attributes=clean_attributes(point.attributes, "metric"),
        exemplars=[clean for exemplar in point.exemplars if (clean := _clean_exemplar(exemplar, largest)) is not None],
    )


def _is_plausible(value: object, largest: float) -> bool:
    if type(value) is int:
        return -largest <= value <= largest
    # The SDK's smallest and largest value of a histogram without measurements are infinite.
    return value is None or (type(value) is float and (-largest <= value <= largest or math.isinf(value)))


def _clean_exemplar(exemplar: Exemplar, largest: float) -> Exemplar | None:
    """Return the exemplar with ids, time and value: what a view took out of the attributes is in it again."""
    if exemplar.filtered_attributes:
        redacted("exemplar", "attribute", "unknown_key")
    if not _is_plausible(exemplar.value, largest):
        redacted("exemplar", "number", "out_of_range")
        return None
    return replace(exemplar, filtered_attributes={})
