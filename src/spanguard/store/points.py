"""The metric points of a selection, added up to one series for each metric and set of attributes."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from spanguard import semconv
from spanguard.store.columns import attribute
from spanguard.store.database import Database
from spanguard.store.from_spans import span_tallies
from spanguard.store.growth import Measured, grown, summed_up
from spanguard.store.histogram import Buckets
from spanguard.store.indicators import known_runs
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
        """Add points: their begin and end, value, count, sum, minimum, maximum; then bounds and counts of buckets."""
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
            self.buckets.add(*summed_up(bounds, counts))

    def text(self, key: str) -> str:
        """Return an attribute as text, empty if there is none."""
        return str(self.attributes.get(key, ""))


_Found: TypeAlias = "dict[object, dict[tuple[str, str], Series]]"


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


_FROM: Final = """FROM metric_points AS p JOIN resources AS r ON r.id = p.resource_id
    WHERE p.name IN ({names}) AND {where}"""
# Deltas add up; the counts of buckets come as one text (`summed_up`), which is read in a third of the time of a row for each
# point. Of what goes up and down the last observation counts: with max(), SQLite takes the other columns from its row.
_READ: Final = f"""SELECT {{key}} AS key, p.name, p.attributes, p.bounds, group_concat(p.counts) AS counts,
        min(p.start_ns), max(p.time_ns), sum(p.value), sum(p.count), sum(p.sum), min(p.min), max(p.max)
    {_FROM} AND p.temporality = 'DELTA' GROUP BY 1, 2, 3, 4
    UNION ALL SELECT {{key}}, p.name, p.attributes, NULL, NULL,
        p.start_ns, max(p.time_ns), p.value, p.count, p.sum, p.min, p.max
    {_FROM} AND p.temporality = 'CUMULATIVE' AND p.kind = 'up_down_sum'
    GROUP BY 1, p.resource_id, p.scope, p.name, p.attributes, p.start_ns"""
_CUMULATIVE: Final = f"""SELECT p.*, {{key}} AS key {_FROM} AND p.temporality = 'CUMULATIVE' AND p.kind <> 'up_down_sum'
    ORDER BY p.time_ns, p.id"""

_CALLED: Final = f"""SELECT {{key}} AS key, ({attribute(semconv.ERROR_TYPE, "p")} <> '') IS TRUE AS failed,
    sum(p.count) AS calls {_FROM} AND p.temporality = 'DELTA' GROUP BY 1, 2"""


def read(db: Database, selection: Selection | str) -> Points:
    """Read the metrics that a summary is made of, of a selection or of a run by its name.

    Of a run that ``association(run=)`` named inside a process there are none: they are made up of its spans.
    """
    wanted = Selection(selection) if isinstance(selection, str) else selection
    if wanted.run is not None and known_runs(db, wanted.run) == (False, True):
        return _of_spans(db, wanted, wanted.run)
    return read_by(db, wanted, "''").get("", Points({}))


def _of_spans(db: Database, selection: Selection, run: str) -> Points:
    """Return what points would say of a run of ``association(run=)``, which has spans alone."""
    where, values = selection.of_spans()
    times = f"""SELECT min(s.start_ns), max(s.end_ns) FROM spans AS s JOIN resources AS r ON r.id = s.resource_id
        WHERE {where}"""  # noqa: S608 - of this package
    start, end = db.rows(times, values)[0]
    found: dict[tuple[str, str], Series] = {}
    for name, tallies in span_tallies(db, run, None, selection)[0].items():
        for each in tallies:
            key = name, json.dumps(each.attributes, sort_keys=True)
            found[key] = Series(dict(each.attributes), start, end, each.value, each.count, each.sum, buckets=each.buckets)
    return Points(found)


def read_by(db: Database, selection: Selection, key: str, metrics: Iterable[str] = _NAMES) -> dict[object, Points]:
    """Read them apart for each value of an SQL expression over the points ``p`` and their resources ``r``."""
    found: _Found = {}
    with db.snapshot() as connection:
        cursor = _asked(connection, _READ, selection, key, metrics)
        cursor.row_factory = None
        for its, name, attributes, bounds, counts, *point in cursor:
            _series(found, its, name, attributes, point[0]).add(tuple(point), bounds, counts)
        rows = _asked(connection, _CUMULATIVE, replace(selection, start_ns=None), key, metrics)
        _add_growth(found, grown(rows, selection.start_ns or 0))
    return {its: Points(series) for its, series in found.items()}


def called_by(db: Database, selection: Selection, key: str) -> dict[object, tuple[int, int]]:
    """Count calls and those that failed, in a fifth of the time that `read_by` takes."""
    found: defaultdict[object, list[int]] = defaultdict(lambda: [0, 0])
    with db.snapshot() as connection:
        for row in _asked(connection, _CALLED, selection, key, DURATIONS):
            found[row["key"]][row["failed"]] += row["calls"]
        rows = _asked(connection, _CUMULATIVE, replace(selection, start_ns=None), key, DURATIONS)
        for row, growth in grown(rows, selection.start_ns or 0):
            found[row["key"]][bool(json.loads(row["attributes"]).get(semconv.ERROR_TYPE))] += growth.number
    return {its: (fine + failed, failed) for its, (fine, failed) in found.items()}


def _asked(
    connection: sqlite3.Connection, statement: str, selection: Selection, key: str, metrics: Iterable[str]
) -> sqlite3.Cursor:
    names = {f"n{number}": name for number, name in enumerate(metrics)}
    where, values = selection.of("p.time_ns", "r.run")
    listed = ", ".join(f":{each}" for each in names)
    return connection.execute(statement.format(key=key, names=listed, where=where), {**names, **values})


def _series(found: _Found, key: object, name: str, attributes: str, start_ns: int) -> Series:
    by_name = found.setdefault(key, {})
    known = by_name.get((name, attributes))
    if known is None:
        known = by_name[name, attributes] = Series(json.loads(attributes), start_ns)
    return known


def _add_growth(found: _Found, growths: Iterable[tuple[sqlite3.Row, Measured]]) -> None:
    for row, growth in growths:
        series = _series(found, row["key"], row["name"], row["attributes"], row["start_ns"])
        series.add((row["start_ns"], row["time_ns"], *growth[:5]), None, None)
        if growth.counts:
            series.buckets.add(growth.bounds, growth.counts)
