"""Quantiles, checked against an independent computation with fractions."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation

from spanguard.semconv import DURATION_BOUNDARIES
from spanguard.store.encode import explicit_buckets
from spanguard.store.histogram import Buckets

bounds = st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=12, unique=True).map(sorted)
values = st.lists(st.floats(0, 2e6), min_size=1, max_size=60)
shares = st.floats(0.01, 1)


def counted(values: Sequence[float], bounds: Sequence[float]) -> list[int]:
    """Count values as OpenTelemetry does: a bucket holds what is at most its bound and above the one before."""
    counts = [0] * (len(bounds) + 1)
    for value in values:
        counts[bisect_left(bounds, value)] += 1
    return counts


def quantile(q: float, bounds: Sequence[float], counts: Sequence[int]) -> float | None:
    """Ask for the quantile of one histogram."""
    buckets = Buckets()
    buckets.add(tuple(bounds), counts)
    return buckets.quantile(q)


def expected(q: float, bounds: Sequence[float], counts: Sequence[int]) -> float:
    """Read the quantile off the cumulative line through (0, 0), (bound, values up to it), ..., exactly."""
    line = [(Fraction(0), 0)]
    for bound, count in zip(bounds, counts, strict=False):
        line.append((Fraction(bound), line[-1][1] + count))
    rank = Fraction(q) * sum(counts)
    for (x0, y0), (x1, y1) in pairwise(line):
        if y1 >= rank:
            return float(x0 + (x1 - x0) * (rank - y0) / (y1 - y0))
    return float(bounds[-1])


@settings(deadline=None)
@given(bounds, values, shares)
def test_a_quantile_is_the_one_of_the_cumulative_line(bounds, values, q):
    """Any quantile of any histogram is the linear interpolation of its cumulative counts."""
    counts = counted(values, bounds)
    rank = q * len(values)
    if any(math.isclose(rank, below) for below in range(len(values) + 1)):
        q = min(1.0, round(rank) / len(values))  # there a rounding error of a float decides about the bucket
        if float(q * len(values)) != round(rank):
            return
    assert quantile(q, bounds, counts) == pytest.approx(expected(q, bounds, counts), rel=1e-9)


@settings(deadline=None)
@given(values, shares)
def test_a_quantile_lies_in_the_bucket_of_the_true_one(values, q):
    """The true quantile of the values is never further away than its bucket is wide."""
    bounds = [0.0, *DURATION_BOUNDARIES]
    rank = math.ceil(q * len(values))
    true = sorted(values)[rank - 1]
    found = quantile(q, DURATION_BOUNDARIES, counted(values, DURATION_BOUNDARIES))
    assert found is not None
    position = max(1, bisect_left(bounds, true))
    if position == len(bounds):
        assert found == bounds[-1]
    else:
        assert bounds[position - 1] <= found <= bounds[position]


@settings(deadline=None)
@given(bounds, values, values, shares)
def test_histograms_of_two_processes_add_up(bounds, some, others, q):
    """The quantile of two histograms together is that of all their values."""
    both = Buckets()
    for part in (some, others):
        buckets = Buckets()
        buckets.add(tuple(bounds), counted(part, bounds))
        both.merge(buckets)
    assert both.quantile(q) == quantile(q, bounds, counted([*some, *others], bounds))


@pytest.mark.parametrize(
    ("q", "bounds", "counts", "value"),
    [
        (0.5, (1.0, 2.0), (10, 10, 0), 1.0),
        (0.5, (1.0, 2.0, 4.0), (0, 10, 0, 0), 1.5),
        (0.95, (1.0, 2.0), (0, 0, 10), 2.0),
        (0.25, (1.0,), (4, 0), 0.25),
        (0.5, (-1.0, 1.0), (4, 0, 0), -1.0),
    ],
)
def test_known_quantiles(q, bounds, counts, value):
    """Worked by hand from the definition of histogram_quantile."""
    assert quantile(q, bounds, counts) == value


def test_no_values_have_no_quantile():
    """Nothing recorded is not 0 seconds; a histogram without bounds tells nothing either."""
    assert quantile(0.5, (1.0,), (0, 0)) is None
    assert Buckets().quantile(0.5) is None
    assert quantile(0.5, (), (5,)) is None


@settings(deadline=None)
@given(st.lists(st.one_of(st.just(0.0), st.floats(1e-6, 1e6)), min_size=1, max_size=40), shares)
def test_exponential_histograms_are_read_too(values, q):
    """An exponential histogram of the SDK becomes explicit buckets whose quantile is within its resolution."""
    reader = InMemoryMetricReader(preferred_aggregation={Histogram: ExponentialBucketHistogramAggregation()})
    provider = MeterProvider([reader], shutdown_on_exit=False)
    histogram = provider.get_meter("test").create_histogram("duration")
    for value in values:
        histogram.record(value)
    data = reader.get_metrics_data()
    provider.shutdown()
    assert data is not None
    point = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points[0]
    assert isinstance(point, ExponentialHistogramDataPoint)
    upper, counts = explicit_buckets(point)
    assert sum(counts) == len(values)
    true = sorted(values)[math.ceil(q * len(values)) - 1]
    base = 2.0 ** (2.0**-point.scale)
    found = quantile(q, upper, counts)
    assert found is not None
    assert true / base * (1 - 1e-9) <= found <= true * base * (1 + 1e-9)
