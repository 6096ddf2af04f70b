"""Metrics as they may leave the process: known names and units, cleaned points; points that become the same are added up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ExponentialHistogram,
    Gauge,
    Histogram,
    Metric,
    MetricsData,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from spanguard.privacy.border import guarded_each, lost
from spanguard.privacy.conventions import MetricRule
from spanguard.privacy.conventions import metric as rule_of
from spanguard.privacy.measured import LARGEST_SUM, clean_point, shown_total
from spanguard.privacy.modes import in_force
from spanguard.privacy.parts import clean_resource, clean_scope, clean_url
from spanguard.privacy.points import Point, merged
from spanguard.privacy.redactions import dropped_key, redacted
from spanguard.vocabulary.declared import is_declared, is_declared_key


@dataclass(frozen=True)
class CleanMetricsData(MetricsData):
    """Metrics that are clean already, known by their class."""


def clean_metrics(data: MetricsData) -> MetricsData:
    """Return the metrics as they may leave; a metric that cannot be cleaned is left out."""
    if type(data) is CleanMetricsData or in_force.mode == "off":
        return data
    try:
        return CleanMetricsData(guarded_each("metric", _resource_metrics, data.resource_metrics))
    except Exception as error:
        lost("metric", error)
        return CleanMetricsData([])


def _resource_metrics(each: ResourceMetrics) -> ResourceMetrics:
    scopes = guarded_each("metric", _scope_metrics, each.scope_metrics)
    return ResourceMetrics(clean_resource(each.resource), _joined(scopes), clean_url(each.schema_url, "resource"))


def _scope_metrics(each: ScopeMetrics) -> ScopeMetrics:
    scope = clean_scope(each.scope) or InstrumentationScope("")
    return ScopeMetrics(scope, guarded_each("metric", _clean_metric, each.metrics), clean_url(each.schema_url, "scope"))


def _joined(scopes: Iterable[ScopeMetrics]) -> list[ScopeMetrics]:
    """Join what has the same scope once that is clean: the encoder keeps the last of these only."""
    joined: dict[InstrumentationScope, ScopeMetrics] = {}
    for each in scopes:
        before = joined.get(each.scope)
        if each.metrics:
            joined[each.scope] = each if before is None else replace(before, metrics=[*before.metrics, *each.metrics])
    return list(joined.values())


def _clean_metric(metric: Metric) -> Metric | None:
    if type(metric.name) is not str:
        redacted("metric", "name", "wrong_type")
        return None
    rule = rule_of(metric.name)
    if rule is None and not (is_declared(metric.name) or is_declared_key(metric.name)):
        dropped_key("metric", "name", metric.name)
        return None
    rule = rule or MetricRule("", "", LARGEST_SUM)
    data = metric.data
    points: list[Point] = []
    for point in data.data_points:
        cleaned = clean_point(point, rule, added_up=isinstance(data, Sum))
        if cleaned is not None:
            points.append(cleaned)
    if not points:
        return None
    points = merged(points, by_time=isinstance(data, Gauge))
    if isinstance(data, Sum):  # after the joining: what two have come to is one sum
        points = [shown_total(point, rule) for point in points]
    return Metric(metric.name, "", rule.unit, _with_points(data, points))


Data = Sum | Gauge | Histogram | ExponentialHistogram


def _with_points(data: Data, points: Sequence[Any]) -> Data:
    """Return data of the same kind with these points, and nothing else that it had."""
    if isinstance(data, Gauge):
        return Gauge(points)
    temporality = AggregationTemporality(data.aggregation_temporality)
    if isinstance(data, Sum):
        return Sum(points, temporality, data.is_monotonic is True)
    return (Histogram if isinstance(data, Histogram) else ExponentialHistogram)(points, temporality)
