"""Points of metrics as they may leave: each built anew of times, counts and measurements that can be, and of what is known.

Of a point that somebody made by hand nothing else is carried on: what cannot be encoded would cost the whole batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import Buckets, ExponentialHistogramDataPoint, HistogramDataPoint, NumberDataPoint

from spanguard.privacy.attributes import clean_attributes
from spanguard.privacy.conventions import MetricRule, is_bound
from spanguard.privacy.parts import clean_id, clean_time
from spanguard.privacy.points import Point
from spanguard.privacy.redactions import redacted

LARGEST_SUM: Final = 10**12
"""Of sums, of counts, and of a metric that the program declared: no convention says what it may be."""
_SCALES: Final = -10, 20
_FARTHEST: Final = 1100 << 20
"""The largest index of a bucket of an exponential histogram: that of the largest number, at the finest scale."""


class _Odd(ValueError):  # noqa: N818 - never raised beyond this module
    """A number of a point is none that it could be."""


def clean_point(point: Point, rule: MetricRule, *, added_up: bool) -> Point | None:
    """Return the point with what its attributes and exemplars may tell, or None if its values cannot be."""
    try:
        if isinstance(point, NumberDataPoint):
            value = _within(point.value, max(rule.largest, LARGEST_SUM)) if added_up else _measured(point.value, rule)
            return NumberDataPoint(value=value, **_common(point, rule))
        if isinstance(point, HistogramDataPoint):
            return _histogram(point, rule)
        return _exponential(point, rule)
    except _Odd:
        redacted("metric", "number", "out_of_range")
        return None


def shown_total(point: Point, rule: MetricRule) -> Point:
    """Return a clean point of a counter with its sum as it may be shown."""
    if not isinstance(point, NumberDataPoint):
        return point
    start, end = point.start_time_unix_nano, point.time_unix_nano
    told = rule.total(point.value, end - start if start and end else 0)
    return point if told == point.value else replace(point, value=told)


def _common(point: Point, rule: MetricRule) -> dict[str, Any]:
    return {
        "attributes": clean_attributes(point.attributes, "metric"),
        "start_time_unix_nano": clean_time(point.start_time_unix_nano),
        "time_unix_nano": clean_time(point.time_unix_nano),
        "exemplars": [clean for exemplar in point.exemplars if (clean := _exemplar(exemplar, rule)) is not None],
    }


def _totals(point: HistogramDataPoint | ExponentialHistogramDataPoint, rule: MetricRule) -> dict[str, Any]:
    """Return count, sum and extremes; the sum of one measurement is that measurement."""
    count, total = _count(point.count), point.sum
    most = max(rule.largest, min(rule.largest * count, LARGEST_SUM))
    return {
        "count": count,
        "sum": _measured(total, rule) if count == 1 else _within(total, most),
        "min": _extreme(point.min, rule),
        "max": _extreme(point.max, rule),
    }


def _histogram(point: HistogramDataPoint, rule: MetricRule) -> HistogramDataPoint:
    """Return the histogram; without its buckets if their bounds may tell something."""
    totals, counts = _totals(point, rule), _counts(point.bucket_counts)
    bounds: Any = tuple(_listed(point.explicit_bounds))
    if not all(map(_may_bound, bounds)) or list(bounds) != sorted(set(bounds)):
        redacted("metric", "number", "out_of_range")
        bounds, counts = (), (totals["count"],)
    return HistogramDataPoint(explicit_bounds=bounds, bucket_counts=counts, **totals, **_common(point, rule))


def _exponential(point: ExponentialHistogramDataPoint, rule: MetricRule) -> ExponentialHistogramDataPoint:
    return ExponentialHistogramDataPoint(
        scale=_whole(point.scale, *_SCALES),
        zero_count=_count(point.zero_count),
        positive=_buckets(point.positive),
        negative=_buckets(point.negative),
        flags=_whole(point.flags, 0, 1),
        **_totals(point, rule),
        **_common(point, rule),
    )


def _buckets(buckets: Buckets) -> Buckets:
    return Buckets(_whole(buckets.offset, -_FARTHEST, _FARTHEST), _counts(buckets.bucket_counts))


def _listed(numbers: Iterable[object]) -> Iterable[object]:
    """Return the list; the bytes of a text are numbers too."""
    if type(numbers) is not list and type(numbers) is not tuple:
        raise _Odd
    return numbers


def _counts(counts: Iterable[object]) -> tuple[int, ...]:
    return tuple(map(_count, _listed(counts)))


def _count(count: object) -> int:
    return _whole(count, 0, LARGEST_SUM)


def _whole(number: object, low: int, high: int) -> int:
    if type(number) is not int or not low <= number <= high:
        raise _Odd
    return number


def _measured(value: object, rule: MetricRule) -> float:
    shown = rule.shown(value) if type(value) is int or type(value) is float else None
    if shown is None:
        raise _Odd
    return shown


def _extreme(value: object, rule: MetricRule) -> float:
    """Return the smallest or largest measurement as it may be shown; it is infinite where none is recorded."""
    return value if type(value) is float and math.isinf(value) else _measured(value, rule)


def _within(value: object, largest: float) -> float:
    if not (type(value) is int or type(value) is float) or not -largest <= value <= largest:
        raise _Odd
    return value


def _may_bound(bound: object) -> bool:
    """Whether it may be the bound of a bucket, which may be above what can be measured: 67,108,864 tokens of one call."""
    if not (type(bound) is int or type(bound) is float) or not -LARGEST_SUM <= bound <= LARGEST_SUM:
        return False
    return is_bound(bound)


def _exemplar(exemplar: Exemplar, rule: MetricRule) -> Exemplar | None:
    """Return the exemplar with ids, time and value: what a view took out of the attributes is in it again."""
    if exemplar.filtered_attributes:
        redacted("exemplar", "attribute", "unknown_key")
    try:
        value = _measured(exemplar.value, rule)
    except _Odd:
        redacted("exemplar", "number", "out_of_range")
        return None
    span_id, trace_id = exemplar.span_id, exemplar.trace_id
    return Exemplar(
        filtered_attributes={},
        value=value,
        time_unix_nano=clean_time(exemplar.time_unix_nano) or 0,
        span_id=None if span_id is None else clean_id(span_id, 64),
        trace_id=None if trace_id is None else clean_id(trace_id, 128),
    )
