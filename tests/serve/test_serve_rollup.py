"""Figures that are kept up to date while a store is written."""

from __future__ import annotations

import json
import time

import pytest

from spanguard import semconv
from spanguard.serve.served import METRICS
from spanguard.store import Database, runs
from spanguard.store.overview import overview
from spanguard.store.readers import Readers, TooSlowError
from spanguard.store.rollup import CHUNK, Rollup
from spanguard.store.selection import SECOND_NS

NOW = time.time_ns()
HIT = json.dumps({semconv.CACHE_RESULT: "hit"})


@pytest.fixture
def db(tmp_path):
    """A store that is written by hand."""
    with Database.open(tmp_path / "telemetry.db") as database:
        database.write({"resources": [(1, "run-1", "shop", "{}"), (2, "run-2", "shop", "{}")]})
        yield database


def lookups(value: float, ago: float = 0, resource: int = 1, temporality: str = "DELTA", start: int = 1):
    """Return a point of the counter of lookups, so many seconds ago."""
    metric, at = semconv.CACHE_LOOKUPS, NOW - int(ago * SECOND_NS)
    return (resource, "x", metric.name, metric.unit, "sum", temporality, start, at, HIT, value, *(None,) * 6)


def span(number: int, ago: float = 0, resource: int = 1, attributes: str = "{}"):
    """Return a span of a second."""
    start = NOW - int(ago * SECOND_NS)
    ids = number.to_bytes(16, "big"), number.to_bytes(8, "big"), None
    return (*ids, resource, "x", "s", "INTERNAL", start, start + SECOND_NS, "UNSET", *(None,) * 19, attributes, None)


def hits(rollup: Rollup, seconds: float) -> int:
    """Return how many hits there were in the last so many seconds."""
    window = rollup.window(NOW - int(seconds * SECOND_NS), NOW + 1, 60)
    return overview(window).cache.results.get("hit", 0)


def test_each_row_is_read_once(db) -> None:
    """What comes later is added to what is known."""
    rollup = Rollup(db, METRICS)
    for value in (1, 10, 100):
        db.write({"metric_points": [lookups(value)]})
        rollup.catch_up()
    assert hits(rollup, 300) == 111


def test_a_large_store_is_read_in_parts(db) -> None:
    """So that nobody waits for all of it."""
    db.write({"metric_points": [lookups(1) for _ in range(CHUNK + 1)], "spans": [span(1)]})
    rollup = Rollup(db, METRICS)
    assert rollup.read_on()
    assert 0.9 < rollup.share_read() < 1
    assert not rollup.read_on()
    assert (hits(rollup, 300), rollup.share_read()) == (CHUNK + 1, 1)


def test_cumulative_points_count_by_how_much_they_grow(db) -> None:
    """A stream that falls, or has another start, began anew."""
    points = [lookups(5, 9), lookups(8, 8), lookups(2, 7), lookups(1, 6, start=2), lookups(3, 6, resource=2)]
    db.write({"metric_points": [(*each[:5], "CUMULATIVE", *each[6:]) for each in points]})
    rollup = Rollup(db, METRICS)
    rollup.catch_up()
    assert hits(rollup, 300) == 8 + 2 + 1 + 3


def test_what_is_old_is_kept_by_the_hour(db) -> None:
    """Minutes are for the last hours."""
    db.write({"metric_points": [lookups(1, 90_000), lookups(10, 30_000), lookups(100, 3000), lookups(1000, 10)]})
    rollup = Rollup(db, METRICS)
    rollup.catch_up()
    assert [hits(rollup, seconds) for seconds in (300, 3600, 86_400, 7 * 86_400)] == [1000, 1100, 1110, 1111]


def test_steps_add_up_to_the_whole(db) -> None:
    """Whatever their length."""
    db.write({"metric_points": [lookups(1, 100 * each) for each in range(30)]})
    rollup = Rollup(db, METRICS)
    rollup.catch_up()
    for step in (60, 300, 3600):
        window = rollup.window(NOW - 3600 * SECOND_NS, NOW + 1, step)
        parts = [sum(series.value for series in points.of(semconv.CACHE_LOOKUPS.name)) for points in window.steps.values()]
        assert sum(parts) == 30


def test_what_is_purged_is_forgotten(db) -> None:
    """A run, or everything."""
    db.write({"metric_points": [lookups(1), lookups(10, resource=2)], "spans": [span(1), span(2, resource=2)]})
    rollup = Rollup(db, METRICS)
    rollup.catch_up()
    with db.transaction() as connection:
        for table in ("metric_points", "spans"):
            connection.execute(f"DELETE FROM {table} WHERE resource_id = 1")
        connection.execute("DELETE FROM resources WHERE id = 1")
    rollup.tidy()
    rollup.catch_up()
    assert (hits(rollup, 300), [each.run for each in rollup.runs()]) == (10, ["run-2"])
    with db.transaction() as connection:
        for table in ("metric_points", "spans", "resources"):
            connection.execute(f"DELETE FROM {table}")
    db.write({"resources": [(3, "run-3", "shop", "{}")], "metric_points": [lookups(100, resource=3)]})
    rollup.catch_up()
    assert hits(rollup, 300) == 100


def test_runs_and_dependencies_are_counted(db) -> None:
    """Runs as the store lists them; packages by the time of their span."""
    wanted = json.dumps({semconv.DEPENDENCIES: ["numpy", "json"]}, separators=(",", ":"))
    db.write(
        {"spans": [span(1, 5, 1, wanted), span(2, 4, 2, wanted), span(3, 100_000, 2, wanted)], "metric_points": [lookups(1)]}
    )
    rollup = Rollup(db, METRICS)
    rollup.catch_up()
    assert rollup.runs() == runs(db)
    assert rollup.window(NOW - 300 * SECOND_NS, NOW, 60).dependencies == {"json": 2, "numpy": 2}


def test_a_question_that_takes_too_long_is_cut_off(db) -> None:
    """And the connection can be used for the next."""
    readers = Readers(db.path, count=1, seconds=0.2)
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
    with pytest.raises(TooSlowError), readers.one() as reader:
        reader.rows(endless)
    with readers.one() as reader:
        assert reader.rows("SELECT 1")[0][0] == 1
        with pytest.raises(TooSlowError), readers.one():
            pass
    readers.close()


def test_readers_cannot_write(db) -> None:
    """Whatever a page asks."""
    readers = Readers(db.path)
    with pytest.raises(Exception, match="cannot be used"), readers.one() as reader:
        reader.rows("DELETE FROM resources")
    readers.close()
