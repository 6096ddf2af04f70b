"""Points of metrics that have the same attributes once these are cleaned: one series can have one point at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from operator import add
from typing import Any

from opentelemetry.sdk.metrics.export import (
    Buckets,
    ExponentialHistogramDataPoint,
    HistogramDataPoint,
    NumberDataPoint,
)

Point = NumberDataPoint | HistogramDataPoint | ExponentialHistogramDataPoint


def merged(points: Iterable[Point], *, by_time: bool) -> list[Point]:
    """Return one point for each set of attributes: sums and counts added up, of a gauge (``by_time``) the newest."""
    series: dict[object, Point] = {}
    for point in points:
        attributes = frozenset((point.attributes or {}).items())
        first = series.get(attributes)
        if first is None:
            series[attributes] = point
        elif by_time:
            series[attributes] = max(first, point, key=lambda each: each.time_unix_nano)
        else:
            series[attributes] = _together(first, point)
    return list(series.values())


def _together(first: Point, second: Point) -> Point:
    if isinstance(first, NumberDataPoint) and isinstance(second, NumberDataPoint):
        return replace(first, value=first.value + second.value, **_common(first, second))
    if isinstance(first, HistogramDataPoint) and isinstance(second, HistogramDataPoint):
        if first.explicit_bounds != second.explicit_bounds:
            return first  # of one instrument in one view they are the same
        counts = tuple(map(add, first.bucket_counts, second.bucket_counts))
        return replace(first, bucket_counts=counts, **_totals(first, second), **_common(first, second))
    if isinstance(first, ExponentialHistogramDataPoint) and isinstance(second, ExponentialHistogramDataPoint):
        return _exponential(first, second)
    return first


def _exponential(first: ExponentialHistogramDataPoint, second: ExponentialHistogramDataPoint) -> Point:
    scale = min(first.scale, second.scale)
    return replace(
        first,
        scale=scale,
        zero_count=first.zero_count + second.zero_count,
        positive=_buckets(_coarser(first.positive, first.scale - scale), _coarser(second.positive, second.scale - scale)),
        negative=_buckets(_coarser(first.negative, first.scale - scale), _coarser(second.negative, second.scale - scale)),
        **_totals(first, second),
        **_common(first, second),
    )


def _coarser(buckets: Buckets, steps: int) -> dict[int, int]:
    """Return the counts by bucket index at a scale that is lower by so many steps: each step joins two neighbours."""
    counts: dict[int, int] = {}
    for position, count in enumerate(buckets.bucket_counts):
        if count:
            index = (buckets.offset + position) >> steps
            counts[index] = counts.get(index, 0) + count
    return counts


def _buckets(first: dict[int, int], second: dict[int, int]) -> Buckets:
    indexes = first.keys() | second.keys()
    if not indexes:
        return Buckets(0, ())
    low = min(indexes)
    return Buckets(low, tuple(first.get(i, 0) + second.get(i, 0) for i in range(low, max(indexes) + 1)))


def _totals(
    first: HistogramDataPoint | ExponentialHistogramDataPoint, second: HistogramDataPoint | ExponentialHistogramDataPoint
) -> dict[str, Any]:
    return {
        "count": first.count + second.count,
        "sum": first.sum + second.sum,
        "min": min(first.min, second.min),
        "max": max(first.max, second.max),
    }


def _common(first: Point, second: Point) -> dict[str, Any]:
    return {
        "start_time_unix_nano": min(first.start_time_unix_nano, second.start_time_unix_nano),
        "time_unix_nano": max(first.time_unix_nano, second.time_unix_nano),
        "exemplars": (*first.exemplars, *second.exemplars),
    }
