"""Cumulative streams: how much a point adds to what was known before it, for whoever reads them."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanguard import semconv
from spanguard.store.columns import COLUMNS
from spanguard.store.growth import Measured, Streams
from spanguard.store.indicators import tallies
from spanguard.store.points import read
from spanguard.store.rollup import Rollup
from spanguard.store.selection import SECOND_NS, Selection
from stores import refilled

METRIC = semconv.OPERATION_DURATION
BOUNDS = METRIC.boundaries
BEGIN = 1_790_000_000


class Life(NamedTuple):
    """The buckets that each point adds, from a stream's begin until it begins anew."""

    added: list[list[int]]


COUNTS = st.lists(st.integers(0, 3), min_size=len(BOUNDS) + 1, max_size=len(BOUNDS) + 1)
LIVES = st.lists(st.builds(Life, st.lists(COUNTS, min_size=1, max_size=4)), min_size=1, max_size=3)


def histogram(counts: list[int]) -> Measured:
    """Return a point of a histogram whose values are all 1."""
    return Measured(0, sum(counts), sum(counts), 1, 1, BOUNDS, tuple(counts))


def points(lives: list[Life]) -> list[Measured]:
    """Return what the points of a stream say: of each life all that was added until then."""
    found = []
    for life in lives:
        total = [0] * (len(BOUNDS) + 1)
        for added in life.added:
            total = [old + new for old, new in zip(total, added, strict=True)]
            found.append(histogram(total))
    return found


def rows(said: list[Measured]) -> dict[str, Any]:
    """Return the rows of such a stream, a point each second."""
    found = []
    for second, point in enumerate(said):
        known: dict[str, Any] = {
            "resource_id": 0,
            "scope": "s",
            "name": METRIC.name,
            "unit": "s",
            "kind": "histogram",
            "temporality": "CUMULATIVE",
            "start_ns": BEGIN * SECOND_NS,
            "time_ns": (BEGIN + second) * SECOND_NS,
            "attributes": "{}",
            "count": point.number,
            "sum": point.sum,
            "min": 1,
            "max": 1,
            "bounds": json.dumps(BOUNDS),
            "counts": json.dumps(point.counts),
        }
        found.append(tuple(known.get(column) for column in COLUMNS["metric_points"]))
    return {"resources": [(0, "r", "shop", "{}")], "metric_points": found}


@given(LIVES)
def test_what_a_stream_grew_by_adds_up(lives):
    """Nothing is negative, a histogram's buckets tell of its count, and between falls the growth is what was added."""
    streams, total, last = Streams(), 0, None
    for second, now in enumerate(points(lives)):
        growth = streams.grown("a", second, now)
        assert min(growth.counts) >= 0
        assert sum(growth.counts) == growth.number
        fell = last is not None and any(new < old for new, old in zip(now.counts, last.counts, strict=True))
        assert growth.number == (now.number if last is None or fell else now.number - last.number)
        total, last = total + growth.number, now
    assert total >= max(point.number for point in points(lives))


@given(LIVES.map(lambda lives: lives[:1]), st.randoms(use_true_random=False))
def test_points_that_come_late_are_not_counted_twice(lives, random):
    """In whatever order the points of a stream come, they add up to the last."""
    said = list(enumerate(points(lives)))
    newest = said[-1][1]
    random.shuffle(said)
    streams = Streams()
    grown = [streams.grown("a", second, now) for second, now in said]
    assert sum(each.number for each in grown) == newest.number
    assert [sum(same) for same in zip(*(each.counts or (0,) * len(newest.counts) for each in grown), strict=True)] == [
        *newest.counts
    ]


def test_a_histogram_falls_as_a_whole():
    """A stream of which one bucket falls began anew, though others rose and its count did too."""
    streams = Streams()
    streams.grown("a", 1, Measured(number=3, bounds=(1.0,), counts=(3, 0)))
    assert streams.grown("a", 2, Measured(number=5, bounds=(1.0,), counts=(1, 4))) == Measured(
        number=5, bounds=(1.0,), counts=(1, 4)
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(LIVES)
def test_all_readers_count_alike(store, lives):
    """A summary, the SLIs and the page's figures have the same count, sum and buckets of a stream."""
    db = refilled(store, rows(points(lives)))
    rollup = Rollup(db, [METRIC.name])
    rollup.catch_up()
    (series,) = read(db, Selection()).of(METRIC.name)
    (tally,) = tallies(db, Selection(), [METRIC.name])[METRIC.name]
    (cell,) = rollup.window(BEGIN * SECOND_NS, (BEGIN + 60) * SECOND_NS, 0).points.of(METRIC.name)
    said = [(each.count, each.sum, each.buckets._by_upper()) for each in (series, tally, cell)]
    assert said[0] == said[1] == said[2]
