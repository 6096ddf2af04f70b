"""The metric points of a selection, added up to one series for each metric and set of attributes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from spanguard import semconv
from spanguard.store.database import Database
from spanguard.store.histogram import Buckets
from spanguard.store.selection import Selection

DURATIONS: Final = tuple(generation.duration.name for generation in semconv.GENERATIONS.values())
"""How long calls took, in each generation of the conventions."""
_NAMES: Final = sorted(
    {
        *DURATIONS,
        *(each.metric.name for generation in semconv.GENERATIONS.values() for each in generation.tokens),
        *(metric.name for metric in semconv.METRICS),
    }
)


@dataclass
class Series:
    """All points of one metric with the same attributes, added up."""

    attributes: dict[str, object]
    start_ns: int
    end_ns: int = 0
    value: float = 0
    count: int = 0
    sum: float = 0
    low: float | None = None
    high: float | None = None
    buckets: Buckets = field(default_factory=Buckets)

    def add(self, point: tuple[float | None, ...], bounds: str | None, counts: str | None) -> None:
        """Add a point: its begin and end, value, count, sum, minimum and maximum; then its buckets, as JSON."""
        start, end, value, count, total, low, high = point
        self.start_ns = min(self.start_ns, int(start or 0))
        self.end_ns = max(self.end_ns, int(end or 0))
        self.value += value or 0
        self.count += int(count or 0)
        self.sum += total or 0
        if low is not None and (self.low is None or low < self.low):
            self.low = low
        if high is not None and (self.high is None or high > self.high):
            self.high = high
        if bounds is not None and counts is not None:
            self.buckets.add(_parsed_bounds(bounds), _parsed_counts(counts))

    def text(self, key: str) -> str:
        """Return an attribute as text, empty if there is none."""
        return str(self.attributes.get(key, ""))


class Points:
    """The series of a selection, by metric."""

    def __init__(self, series: dict[tuple[str, str], Series]) -> None:
        self._series = series

    def all(self) -> list[Series]:
        """Return every series."""
        return list(self._series.values())

    def items(self) -> list[tuple[tuple[str, str], Series]]:
        """Return every series with its metric and its attributes as JSON."""
        return list(self._series.items())

    def __bool__(self) -> bool:
        return bool(self._series)

    def of(self, *names: str) -> list[Series]:
        """Return the series of these metrics."""
        return [series for (name, _), series in self._series.items() if name in names]


# Deltas add up; a cumulative point contains all before it, so the last one counts (with max(), SQLite takes the other
# columns from the row that has it).
_READ: Final = """WITH p AS (
    SELECT p.*, {key} AS key FROM metric_points AS p JOIN resources AS r ON r.id = p.resource_id
    WHERE p.name IN ({names}) AND {where})
SELECT key, name, attributes, bounds, counts, start_ns, time_ns, value, count, sum, min, max
FROM p WHERE temporality = 'DELTA'
UNION ALL SELECT key, name, attributes, bounds, counts, start_ns, max(time_ns), value, count, sum, min, max
FROM p WHERE temporality = 'CUMULATIVE' GROUP BY key, resource_id, scope, name, attributes, start_ns"""


def read(db: Database, selection: Selection | str) -> Points:
    """Read the metrics that a summary is made of, of a selection or of a run by its name."""
    wanted = Selection(selection) if isinstance(selection, str) else selection
    return read_by(db, wanted, "''").get("", Points({}))


def read_by(db: Database, selection: Selection, key: str, metrics: Iterable[str] = _NAMES) -> dict[object, Points]:
    """Read them apart for each value of an SQL expression over the points ``p`` and their resources ``r``."""
    where, values = selection.of("p.time_ns", "r.run")
    names = {f"n{number}": name for number, name in enumerate(metrics)}
    statement = _READ.format(key=key, names=", ".join(f":{each}" for each in names), where=where)
    found: dict[object, dict[tuple[str, str], Series]] = {}
    with db.snapshot() as connection:
        cursor = connection.execute(statement, {**names, **values})
        cursor.row_factory = None  # a hundred thousand plain tuples are read in half the time
        for its, name, attributes, bounds, counts, *point in cursor:
            by_name = found.setdefault(its, {})
            series = by_name.get((name, attributes))
            if series is None:
                series = by_name[name, attributes] = Series(json.loads(attributes), point[0])
            series.add(tuple(point), bounds, counts)
    return {its: Points(series) for its, series in found.items()}


@lru_cache(maxsize=4096)
def _parsed_counts(text: str) -> tuple[int, ...]:
    return tuple(json.loads(text))


@lru_cache(maxsize=64)
def _parsed_bounds(text: str) -> tuple[float, ...]:
    return tuple(json.loads(text))
