"""Points that become the same: nothing is lost and nothing is counted twice when they are joined."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Buckets,
    ExponentialHistogramDataPoint,
    Histogram,
    HistogramDataPoint,
    InMemoryMetricReader,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from spanguard.privacy.metrics import clean_metrics
from spanguard.privacy.points import Point, merged
from support import EPOCH

measurements = st.lists(st.floats(-1e6, 1e6, allow_nan=False).map(lambda value: round(value, 3)), min_size=1, max_size=20)


def number(value: float, time: int = 1, **attributes: str) -> NumberDataPoint:
    """Return a point of a counter or a gauge."""
    return NumberDataPoint(attributes, 1, time, value)


def exponential(values: Sequence[float], scale: int) -> ExponentialHistogramDataPoint:
    """Return the exponential histogram of some values, by the definition of its buckets."""
    base = 2.0 ** (2.0**-scale)

    def buckets(of: Sequence[float]) -> Buckets:
        indexes = [math.ceil(math.log(value, base)) - 1 for value in of]
        low = min(indexes, default=0)
        return Buckets(low, tuple(indexes.count(i) for i in range(low, max(indexes, default=-1) + 1)))

    return ExponentialHistogramDataPoint(
        attributes={},
        start_time_unix_nano=1,
        time_unix_nano=2,
        count=len(values),
        sum=sum(values),
        scale=scale,
        zero_count=sum(value == 0 for value in values),
        positive=buckets([value for value in values if value > 0]),
        negative=buckets([-value for value in values if value < 0]),
        flags=0,
        min=min(values),
        max=max(values),
    )


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(-1000, 1000), st.sampled_from("abc")), max_size=30))
def test_sums_are_kept_for_each_series(recorded: list[tuple[int, str]]) -> None:
    """One point for each set of attributes, and what they add up to is what was added."""
    points: list[Point] = [number(value, key=key) for value, key in recorded]
    joined = merged(points, by_time=False)
    assert len(joined) == len({key for _, key in recorded})
    for point in joined:
        assert isinstance(point, NumberDataPoint)
        assert point.value == sum(value for value, key in recorded if {"key": key} == point.attributes)


def test_of_a_gauge_the_newest_is_kept() -> None:
    """Levels cannot be added."""
    (point,) = merged([number(1, 5), number(2, 9), number(3, 7)], by_time=True)
    assert isinstance(point, NumberDataPoint)
    assert point.value == 2


@settings(deadline=None, max_examples=60)
@given(measurements, measurements)
def test_histograms_are_added_bucket_by_bucket(first: list[float], second: list[float]) -> None:
    """Counts, sum, smallest and largest are those of all measurements together."""

    def histogram(values: list[float]) -> HistogramDataPoint:
        counts = tuple(sum(low < value <= high for value in values) for low, high in ((-1e9, 0), (0, 100), (100, 1e9)))
        return HistogramDataPoint({}, 1, 2, len(values), sum(values), counts, (0.0, 100.0), min(values), max(values))

    (point,) = merged([histogram(first), histogram(second)], by_time=False)
    together = histogram([*first, *second])
    assert isinstance(point, HistogramDataPoint)
    assert (point.count, point.bucket_counts) == (together.count, together.bucket_counts)
    assert (point.min, point.max) == (together.min, together.max)
    assert point.sum == pytest.approx(together.sum)


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.integers(-50, 50).map(float), min_size=1, max_size=15),
    st.lists(st.integers(-50, 50).map(float), min_size=1, max_size=15),
    st.integers(-2, 3),
    st.integers(-2, 3),
)
def test_exponential_histograms_meet_at_the_coarser_scale(
    first: list[float], second: list[float], fine: int, coarse: int
) -> None:
    """Each measurement is in the bucket that it had been in, had it been recorded at that scale."""
    (point,) = merged([exponential(first, fine), exponential(second, coarse)], by_time=False)
    assert isinstance(point, ExponentialHistogramDataPoint)
    together = exponential([*first, *second], min(fine, coarse))
    assert (point.scale, point.count, point.zero_count) == (together.scale, together.count, together.zero_count)
    assert (point.min, point.max, point.sum) == (together.min, together.max, pytest.approx(together.sum))
    for joined, right in ((point.positive, together.positive), (point.negative, together.negative)):
        assert sum(joined.bucket_counts) == sum(right.bucket_counts)
        # A power of the base lies on the border of two buckets, where a logarithm may err by one.
        assert joined.offset in {right.offset - 1, right.offset, right.offset + 1} or not right.bucket_counts


def test_histograms_of_other_bounds_are_not_added() -> None:
    """Of one instrument in one view they are the same; nothing is invented where they are not."""
    first = HistogramDataPoint({}, 1, 2, 1, 1.0, (1, 0), (5.0,), 1.0, 1.0)
    second = HistogramDataPoint({}, 1, 2, 1, 1.0, (1, 0), (6.0,), 1.0, 1.0)
    assert merged([first, second], by_time=False) == [first]


@pytest.mark.parametrize("exponentially", [True, False])
def test_what_differed_in_dropped_attributes_alone_is_one_series(*, exponentially: bool) -> None:
    """Three users' measurements become one point, with all of them in it, by the SDK's own aggregations."""
    reader = InMemoryMetricReader()
    views = [View(instrument_name="*", aggregation=ExponentialBucketHistogramAggregation())] if exponentially else []
    provider = MeterProvider([reader], views=views, shutdown_on_exit=False)
    histogram = provider.get_meter("spanguard").create_histogram("http.client.request.duration")
    for value in (0.5, 3.0, 700.0):
        histogram.record(value, {"user.email": f"{value}@example.com", "http.request.method": "GET"})
    data = reader.get_metrics_data()
    assert data is not None
    (metric,) = clean_metrics(data).resource_metrics[0].scope_metrics[0].metrics
    (point,) = metric.data.data_points
    assert isinstance(point, ExponentialHistogramDataPoint if exponentially else HistogramDataPoint)
    assert (point.count, point.sum, point.min, point.max) == (3, 703.5, 0.5, 700.0)
    assert point.attributes == {"http.request.method": "GET"}


def counted(name: str, value: float, seconds: float) -> float | None:
    """Return what is left of a counter that came to this in so many seconds."""
    point = NumberDataPoint({}, EPOCH, EPOCH + int(seconds * 10**9), value)
    data = Sum([point], AggregationTemporality.CUMULATIVE, is_monotonic=True)
    scopes = [ScopeMetrics(InstrumentationScope("t"), [Metric(name, "", "", data)], "")]
    cleaned = clean_metrics(MetricsData([ResourceMetrics(Resource({}), scopes, "")]))
    points: list[Any] = [
        each for scope in cleaned.resource_metrics[0].scope_metrics for each in scope.metrics[0].data.data_points
    ]
    return points[0].value if points else None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (9_999_999, 9_999_999),
        (19_850_412, 19_900_000),
        (15_551_234_567, 15_600_000_000),
        (15_551_234_567.5, 15_600_000_000.0),
    ],
)
def test_a_sum_that_came_all_at_once_is_shown_in_three_digits(value: float, shown: float) -> None:
    """A date of birth or a phone number that somebody counts is no count; a card's number is nothing at all."""
    told = counted("gen_ai.client.generation.choices", value, 1)
    assert (told, type(told)) == (shown, type(shown))
    assert counted("gen_ai.client.generation.choices", 4_111_111_111_111_111, 1) is None


def test_a_sum_that_can_have_come_together_is_exact() -> None:
    """Up to 9,999,999 a minute since the counter began: rates can be told from it."""
    assert counted("gen_ai.client.generation.choices", 15_551_234_567, 86_400 * 2) == 15_551_234_567
    assert counted("gen_ai.client.generation.choices", 15_551_234_567, 3_600) == 15_600_000_000


def test_sums_of_bytes_are_whole_mebibytes() -> None:
    """Above 9,999,999, however long it took: a gigabyte a second is usual."""
    assert counted("system.network.io", 9_999_999, 1) == 9_999_999
    assert counted("system.network.io", 15_551_234_567, 1) == 14_831 * 2**20
    assert counted("system.network.io", -15_551_234_567, 86_400) == -14_831 * 2**20


def test_sums_are_judged_once_they_are_joined() -> None:
    """Two that are shown in full can come to one that is not."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    counter = provider.get_meter("t").create_counter("gen_ai.client.generation.choices")
    counter.add(9_999_999, {"user": "a"})
    counter.add(2_345_678, {"user": "b"})
    data = reader.get_metrics_data()
    assert data is not None
    metric = clean_metrics(data).resource_metrics[0].scope_metrics[0].metrics[0]
    points: list[Any] = list(metric.data.data_points)
    assert [point.value for point in points] == [12_300_000]
    provider.shutdown()


@pytest.mark.parametrize("field", ["bucket_counts", "explicit_bounds"])
def test_the_bytes_of_a_text_are_no_counts(field: str) -> None:
    """They are numbers, and small ones; only lists and tuples are looked through."""
    fields: dict[str, Any] = {"bucket_counts": (1, 2, 3), "explicit_bounds": (1.0, 2.0), field: b"Alice"}
    point = HistogramDataPoint({}, EPOCH, EPOCH, count=6, sum=6.0, min=1.0, max=1.0, **fields)
    data = Histogram([point], AggregationTemporality.DELTA)
    scopes = [ScopeMetrics(InstrumentationScope("t"), [Metric("gen_ai.client.token.usage", "", "", data)], "")]
    cleaned = clean_metrics(MetricsData([ResourceMetrics(Resource({}), scopes, "")]))
    assert [each.scope_metrics for each in cleaned.resource_metrics] == [[]]
