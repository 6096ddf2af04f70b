"""The metric points of a run, added up to one series for each metric and set of attributes."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from spanguard import semconv
from spanguard.store.database import Database
from spanguard.store.histogram import Buckets

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
    buckets: Buckets = field(default_factory=Buckets)

    def add(self, row: sqlite3.Row) -> None:
        """Add points of equal counts, of which ``value``, ``count`` and ``sum`` are added up already."""
        self.start_ns = min(self.start_ns, row["start_ns"])
        self.end_ns = max(self.end_ns, row["time_ns"])
        self.value += row["value"] or 0
        self.count += row["count"] or 0
        self.sum += row["sum"] or 0
        if row["bounds"]:
            counts = [count * row["times"] for count in json.loads(row["counts"])]
            self.buckets.add(_parsed_bounds(row["bounds"]), counts)

    def text(self, key: str) -> str:
        """Return an attribute as text, empty if there is none."""
        return str(self.attributes.get(key, ""))


class Points:
    """The series of a run, by metric."""

    def __init__(self, series: dict[tuple[str, str], Series]) -> None:
        self._series = series

    def all(self) -> list[Series]:
        """Return every series."""
        return list(self._series.values())

    def of(self, *names: str) -> list[Series]:
        """Return the series of these metrics."""
        return [series for (name, _), series in self._series.items() if name in names]


# Deltas add up, and SQLite adds those of equal counts; a cumulative point contains all before it, so the last one counts
# (with max(), SQLite takes the other columns from the row that has it).
_READ: Final = """WITH p AS (
    SELECT * FROM metric_points WHERE resource_id IN (SELECT id FROM resources WHERE run = ?) AND name IN ({names}))
SELECT name, attributes, min(start_ns) AS start_ns, max(time_ns) AS time_ns, total(value) AS value, sum(count) AS count,
    total(sum) AS sum, bounds, counts, count(*) AS times
FROM p WHERE temporality = 'DELTA' GROUP BY name, attributes, bounds, counts
UNION ALL SELECT name, attributes, start_ns, max(time_ns), value, count, sum, bounds, counts, 1
FROM p WHERE temporality = 'CUMULATIVE' GROUP BY resource_id, scope, name, attributes, start_ns"""


def read(db: Database, run: str) -> Points:
    """Read the metrics that a summary is made of."""
    series: dict[tuple[str, str], Series] = {}
    for row in db.rows(_READ.format(names=", ".join("?" * len(_NAMES))), [run, *_NAMES]):
        key = row["name"], row["attributes"]
        if key not in series:
            series[key] = Series(json.loads(row["attributes"]), row["start_ns"])
        series[key].add(row)
    return Points(series)


@lru_cache(maxsize=64)
def _parsed_bounds(text: str) -> tuple[float, ...]:
    return tuple(json.loads(text))
