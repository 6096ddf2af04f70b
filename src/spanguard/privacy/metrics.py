"""Metrics as they may leave the process: known names and units, cleaned points; points that become the same are added up."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
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
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from spanguard.privacy import conventions, modes
from spanguard.privacy.attributes import clean_attributes
from spanguard.privacy.border import lost
from spanguard.privacy.conventions import MetricRule
from spanguard.privacy.parts import clean_resource, clean_scope, clean_url
from spanguard.privacy.points import Point, merged
from spanguard.privacy.redactions import dropped_key, redacted
from spanguard.privacy.rules import LARGEST
from spanguard.vocabulary.declared import is_declared

_LARGEST: Final = 1e12
"""Of sums, and of a metric that the program declared: no convention says what it may be."""


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
        lost("metric", error)
        return CleanMetricsData([])


def _resource_metrics(each: ResourceMetrics) -> ResourceMetrics:
    return replace(
        each,
        resource=clean_resource(each.resource),
        scope_metrics=_joined(map(_scope_metrics, each.scope_metrics)),
        schema_url=clean_url(each.schema_url, "resource"),
    )


def _scope_metrics(each: ScopeMetrics) -> ScopeMetrics:
    metrics = [cleaned for metric in each.metrics if (cleaned := _never_raw(metric)) is not None]
    return replace(
        each, scope=clean_scope(each.scope) or each.scope, metrics=metrics, schema_url=clean_url(each.schema_url, "scope")
    )


def _joined(scopes: Iterable[ScopeMetrics]) -> list[ScopeMetrics]:
    """Join what has the same scope once that is clean: the encoder keeps the last of these only."""
    joined: dict[InstrumentationScope, ScopeMetrics] = {}
    for each in scopes:
        before = joined.get(each.scope)
        if each.metrics:
            joined[each.scope] = each if before is None else replace(before, metrics=[*before.metrics, *each.metrics])
    return list(joined.values())


def _never_raw(metric: Metric) -> Metric | None:
    try:
        return _clean_metric(metric)
    except Exception as error:
        lost("metric", error)
        return None


def _clean_metric(metric: Metric) -> Metric | None:
    if type(metric.name) is not str:
        redacted("metric", "name", "wrong_type")
        return None
    rule = conventions.metric(metric.name)
    if rule is None and not is_declared(metric.name):
        dropped_key("metric", "name", metric.name)
        return None
    rule = rule or MetricRule("", "", _LARGEST)
    data = metric.data
    points: list[Point] = []
    for point in data.data_points:
        cleaned = _clean_point(point, rule, added_up=isinstance(data, Sum))
        if cleaned is not None:
            points.append(cleaned)
    if not points:
        return None
    return Metric(metric.name, "", rule.unit, _with_points(data, merged(points, by_time=isinstance(data, Gauge))))


Data = Sum | Gauge | Histogram | ExponentialHistogram


def _with_points(data: Data, points: Sequence[Point]) -> Data:
    return replace(data, data_points=points)  # type: ignore[arg-type]  # of the kind that they were


def _clean_point(point: Point, rule: MetricRule, *, added_up: bool) -> Point | None:
    """Return the point with what its attributes and exemplars may tell, or None if its values cannot be."""
    changed: Point | None
    if isinstance(point, NumberDataPoint):
        value = _within(point.value, max(rule.largest, _LARGEST)) if added_up else _measured(point.value, rule)
        changed = None if value is None else replace(point, value=value)
    else:
        changed = _clean_histogram(point, rule)
    if changed is None:
        redacted("metric", "number", "out_of_range")
        return None
    return replace(
        changed,
        attributes=clean_attributes(point.attributes, "metric"),
        exemplars=[clean for exemplar in point.exemplars if (clean := _clean_exemplar(exemplar, rule)) is not None],
    )


def _clean_histogram(point: HistogramDataPoint | ExponentialHistogramDataPoint, rule: MetricRule) -> Point | None:
    """Return the point with bounds that tell nothing, or None if what was measured cannot be."""
    low, high = (_extreme(value, rule) for value in (point.min, point.max))
    total = low if point.count == 1 else _within(point.sum, rule.largest * max(point.count, 1))
    if low is None or high is None or total is None:
        return None
    told = replace(point, min=low, max=high, sum=total)
    if isinstance(told, ExponentialHistogramDataPoint) or all(_is_bound(each, rule.largest) for each in told.explicit_bounds):
        return told
    redacted("metric", "number", "out_of_range")
    return replace(told, explicit_bounds=(), bucket_counts=(point.count,))


def _measured(value: float, rule: MetricRule) -> float | None:
    return rule.shown(value) if type(value) is int or type(value) is float else None


def _extreme(value: float, rule: MetricRule) -> float | None:
    """Return the smallest or largest measurement as it may be shown; it is infinite where none is recorded."""
    return value if type(value) is float and math.isinf(value) else _measured(value, rule)


def _within(value: float, largest: float) -> float | None:
    return value if (type(value) is int or type(value) is float) and -largest <= value <= largest else None


def _is_bound(bound: float, largest: float) -> bool:
    """Whether a bound of a bucket is no number of somebody's: above 9,999,999 a power of two, or round."""
    if _within(bound, largest) is None:
        return False
    return abs(bound) <= LARGEST or bound % 100_000 == 0 or not int(bound) & (int(bound) - 1)


def _clean_exemplar(exemplar: Exemplar, rule: MetricRule) -> Exemplar | None:
    """Return the exemplar with ids, time and value: what a view took out of the attributes is in it again."""
    if exemplar.filtered_attributes:
        redacted("exemplar", "attribute", "unknown_key")
    value = _measured(exemplar.value, rule)
    if value is None:
        redacted("exemplar", "number", "out_of_range")
        return None
    return replace(exemplar, filtered_attributes={}, value=value)
