"""The metric points of a run, added up to one series for each metric and set of attributes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
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

    def add(self, point: sqlite3.Row) -> None:
        """Add one row of ``metric_points``."""
        self.start_ns = min(self.start_ns, point["start_ns"])
        self.end_ns = max(self.end_ns, point["time_ns"])
        self.value += point["value"] or 0
        self.count += point["count"] or 0
        self.sum += point["sum"] or 0
        if point["bounds"]:
            self.buckets.add(_parsed_bounds(point["bounds"]), json.loads(point["counts"]))

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


def read(db: Database, run: str) -> Points:
    """Read the metrics that a summary is made of."""
    rows = db.rows(
        f"""SELECT p.resource_id, p.scope, p.name, p.attributes, p.temporality, p.start_ns, p.time_ns, p.value, p.count,
        p.sum, p.bounds, p.counts FROM resources AS r JOIN metric_points AS p ON p.resource_id = r.id
        WHERE r.run = ? AND p.name IN ({", ".join("?" * len(_NAMES))})""",  # noqa: S608 - question marks
        [run, *_NAMES],
    )
    series: dict[tuple[str, str], Series] = {}
    for point in _latest(rows):
        key = point["name"], point["attributes"]
        if key not in series:
            series[key] = Series(json.loads(point["attributes"]), point["start_ns"])
        series[key].add(point)
    return Points(series)


def _latest(rows: Iterable[sqlite3.Row]) -> Iterable[sqlite3.Row]:
    """Give every delta, and of cumulative points, which contain all before them, the last."""
    cumulative: dict[tuple[object, ...], sqlite3.Row] = {}
    for row in rows:
        if row["temporality"] == "CUMULATIVE":
            key = tuple(row[column] for column in ("resource_id", "scope", "name", "attributes", "start_ns"))
            if key not in cumulative or row["time_ns"] > cumulative[key]["time_ns"]:
                cumulative[key] = row
        else:
            yield row
    yield from cumulative.values()


@lru_cache(maxsize=64)
def _parsed_bounds(text: str) -> tuple[float, ...]:
    return tuple(json.loads(text))
