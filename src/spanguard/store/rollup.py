"""Figures of a store that is being written, kept up to date: each row is read once, whatever is asked how often.

What a page or a scrape asks again and again would otherwise cost as much as there are rows. Figures are kept for each minute
of the last hours and for each hour before.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from spanguard import semconv
from spanguard.store.database import Database
from spanguard.store.growth import Measured, Streams, measured
from spanguard.store.histogram import Buckets
from spanguard.store.indicators import Tallies, Tally
from spanguard.store.points import Points, Series
from spanguard.store.queries import RunRow
from spanguard.store.selection import SECOND_NS

CHUNK: Final = 2_000
"""Metric points that are read in one go; of spans, which SQLite counts itself, ten times as many."""
MINUTE: Final = 60
HOUR: Final = 3600
MINUTES: Final = 7 * HOUR
"""Seconds back from the newest row for which each minute is kept; before that each hour is."""
MOST_SERIES: Final = 20_000
"""Series of all time that are kept for a scrape; what comes later is left out of it."""

_OBSERVED: Final = ("up_down_sum", "gauge")
"""Kinds of metrics that are the present value of something: it is observed again and again, and does not add up."""

_POINTS: Final = """SELECT id, resource_id, scope, name, unit, kind, temporality, start_ns, time_ns, attributes,
    value, count, sum, min, max, bounds, counts FROM metric_points WHERE id > ? ORDER BY id LIMIT ?"""
_SPANS: Final = """SELECT resource_id, min(start_ns), max(end_ns), count(*) FROM spans WHERE id > ? AND id <= ?
    GROUP BY resource_id"""
_DEPENDENCIES: Final = f"""SELECT s.start_ns, d.value FROM spans AS s,
    json_each(s.attributes, '$."{semconv.DEPENDENCIES}"') AS d
    WHERE s.id > ? AND s.id <= ? AND instr(s.attributes, '"{semconv.DEPENDENCIES}"')"""  # noqa: S608 - a name of ours


@dataclass(slots=True)
class Total:
    """All that was ever read of one metric with the same attributes, of one service; of a gauge the last value."""

    name: str
    unit: str
    kind: str
    service: str
    series: Series


@dataclass(slots=True)
class _Cell(Series):
    """A series that knows how often it was observed, too."""

    points: int = 0

    def merge(self, other: _Cell) -> None:
        self.start_ns, self.end_ns = min(self.start_ns, other.start_ns), max(self.end_ns, other.end_ns)
        self.value += other.value
        self.count += other.count
        self.sum += other.sum
        self.points += other.points
        self.low, self.high = _least(self.low, other.low), _most(self.high, other.high)
        self.buckets.merge(other.buckets)


@dataclass(slots=True)
class _Slot:
    """What happened in a minute or an hour."""

    cells: dict[tuple[str, str], _Cell] = field(default_factory=dict)
    dependencies: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Window:
    """The figures of a time: all together, and for each step of so many seconds by its begin (s since 1970)."""

    start_ns: int
    end_ns: int
    step: int
    points: Points
    tallies: Tallies
    steps: dict[int, Points]
    dependencies: dict[str, int]


class Rollup:
    """Reads a store's rows once each, and answers from memory. Safe to use from several threads.

    ``names`` are the metrics that count. A row that was deleted (`spanguard purge`) is forgotten within one `tidy`.
    """

    def __init__(self, db: Database, names: Iterable[str]) -> None:
        self._db = db
        self._names = frozenset(names)
        self._lock = threading.Lock()
        self._clear()

    def _clear(self) -> None:
        self._marks = {"metric_points": 0, "spans": 0}
        self._minutes: dict[int, _Slot] = {}
        self._hours: dict[int, _Slot] = {}
        self._totals: dict[tuple[str, str, str], Total] = {}
        self._streams = Streams()
        self._resources: dict[int, tuple[str, str]] = {}
        self._lives: dict[int, list[int]] = {}
        self._newest_ns = 0

    def read_on(self, most: int = CHUNK) -> bool:
        """Read what came since, at most so many points (and ten times the spans); whether there may be more."""
        with self._lock, self._db.snapshot() as connection:
            ends = {table: _end(connection, table) for table in self._marks}
            if any(end < self._marks[table] for table, end in ends.items()):  # everything was purged
                self._clear()
            read = self._read_points(connection, most)
            self._read_spans(connection, 10 * most, ends["spans"])
            return read == most or self._marks["spans"] < ends["spans"]

    def catch_up(self) -> None:
        """Read everything that is there."""
        while self.read_on():
            pass

    def share_read(self) -> float:
        """Return how much of the store was read, from 0 to 1."""
        with self._lock:
            ends = {table: int(self._db.rows(f"SELECT coalesce(max(id), 0) FROM {table}")[0][0]) for table in self._marks}  # noqa: S608 - of ours
            return min((self._marks[table] / end for table, end in ends.items() if end), default=1.0)

    def tidy(self) -> None:
        """Forget what was deleted since."""
        with self._lock:
            left = {int(row[0]) for row in self._db.rows("SELECT id FROM resources")}
            if not self._resources.keys() <= left:
                self._clear()
                return
            times = ("SELECT min(time_ns) FROM metric_points", "SELECT min(start_ns) FROM spans")
            oldest = min((row[0] for each in times for row in self._db.rows(each) if row[0] is not None), default=0)
            for slots, length in ((self._minutes, MINUTE), (self._hours, HOUR)):
                for begin in [each for each in slots if (each + length) * SECOND_NS <= oldest]:
                    del slots[begin]

    @property
    def newest_ns(self) -> int:
        """When the newest row was recorded, in ns since 1970; 0 if there is none."""
        return self._newest_ns

    @property
    def oldest_ns(self) -> int:
        """When the oldest row was recorded, in ns since 1970; 0 if there is none."""
        with self._lock:
            return min((life[0] for life in self._lives.values()), default=0)

    def marks(self) -> tuple[int, ...]:
        """Return a mark that changes with what was read."""
        return tuple(self._marks.values())

    def window(self, start_ns: int, end_ns: int, step: int) -> Window:
        """Return the figures of a time, in steps of so many seconds, or with 0 the whole alone.

        Where minutes are not kept any more it begins with the hour.
        """
        with self._lock:
            first, last = start_ns // SECOND_NS, -(-end_ns // SECOND_NS)
            fine = first >= self._newest_ns // SECOND_NS - MINUTES + HOUR
            slots, length = (self._minutes, MINUTE) if fine else (self._hours, HOUR)
            begin = first // length * length
            inside = [(at, slots[at]) for at in range(begin, last, length) if at in slots]
            whole, steps = _summed(slot for _, slot in inside), _stepped(inside, step) if step else {}
            dependencies: Counter[str] = Counter()
            for _, slot in inside:
                dependencies.update(slot.dependencies)
        ranked = sorted(dependencies.items(), key=lambda each: (-each[1], each[0]))
        return Window(begin * SECOND_NS, end_ns, step, Points({**whole}), _tallies(whole), steps, dict(ranked))

    def totals(self) -> list[Total]:
        """Return what is told to a scrape, series of one metric beside each other."""
        with self._lock:
            return sorted(self._totals.values(), key=lambda each: (each.name, each.kind, each.unit))

    def runs(self) -> list[RunRow]:
        """Return the runs, the newest (the one that began last) first, as `spanguard.store.runs` does."""
        found: dict[str, RunRow] = {}
        with self._lock:
            for resource, (first, last, spans) in self._lives.items():
                run, service = self._resources[resource]
                old = found.get(run, RunRow(run, service, first, last, 0))
                found[run] = RunRow(
                    run, min(old.service, service), min(old.start_ns, first), max(old.end_ns, last), old.spans + spans
                )
        return sorted(found.values(), key=lambda each: -each.start_ns)

    def _read_points(self, connection: sqlite3.Connection, most: int) -> int:
        cursor = connection.execute(_POINTS, (self._marks["metric_points"], most))
        cursor.row_factory = None
        rows = cursor.fetchall()
        for number, resource, *point in rows:
            self._marks["metric_points"] = number
            self._live(connection, resource, point[5], point[6], 0)
            if point[1] in self._names:
                self._take(resource, point)
        return len(rows)

    def _read_spans(self, connection: sqlite3.Connection, most: int, end: int) -> None:
        between = self._marks["spans"], min(self._marks["spans"] + most, end)
        for resource, first, last, count in connection.execute(_SPANS, between):
            self._live(connection, resource, first, last, count)
        for start, name in connection.execute(_DEPENDENCIES, between):
            for slot in self._slots(start):
                slot.dependencies[str(name)] += 1
        self._marks["spans"] = between[1]

    def _live(self, connection: sqlite3.Connection, resource: int, first: int, last: int, spans: int) -> None:
        if resource not in self._resources:
            found = connection.execute("SELECT run, service FROM resources WHERE id = ?", (resource,)).fetchone()
            self._resources[resource] = (found["run"], found["service"]) if found else ("", "")
        life = self._lives.setdefault(resource, [first, last, 0])
        life[:] = min(life[0], first), max(life[1], last), life[2] + spans
        self._newest_ns = max(self._newest_ns, last)

    def _slots(self, at_ns: int) -> Iterator[_Slot]:
        """Give the slots that a time belongs to; minutes that are too old go."""
        at, newest = at_ns // SECOND_NS, self._newest_ns // SECOND_NS
        yield _slot(self._hours, at // HOUR * HOUR)
        if at > newest - MINUTES:
            yield _slot(self._minutes, at // MINUTE * MINUTE)
        if len(self._minutes) > 2 * MINUTES // MINUTE:
            for old in [each for each in self._minutes if each <= newest - MINUTES]:
                del self._minutes[old]

    def _take(self, resource: int, point: Sequence[object]) -> None:
        scope, name, unit, kind, temporality, start, end, attributes, *numbers = point
        growth = measured(numbers)
        if temporality == "CUMULATIVE" and kind not in _OBSERVED:
            growth = self._streams.grown((resource, scope, name, attributes, start), int(str(end)), growth)
        known = str(name), str(attributes)
        for slot in self._slots(int(str(end))):
            cell = slot.cells.get(known)
            if cell is None:
                cell = slot.cells[known] = _Cell(_parsed(known[1]), int(str(start)))
            _add(cell, growth, int(str(start)), int(str(end)))
            cell.points += 1
        self._sum_up(known, growth, (str(unit), str(kind), self._resources[resource][1]), (int(str(start)), int(str(end))))

    def _sum_up(self, known: tuple[str, str], growth: Measured, about: tuple[str, str, str], times: tuple[int, int]) -> None:
        name, attributes = known
        key = (name, attributes, about[-1])
        total = self._totals.get(key)
        if total is None:
            if len(self._totals) >= MOST_SERIES:
                return
            total = self._totals[key] = Total(name, *about, Series(_parsed(attributes), times[0]))
        if about[1] in _OBSERVED:
            total.series.value = 0
        _add(total.series, growth, *times)


def _slot(slots: dict[int, _Slot], begin: int) -> _Slot:
    found = slots.get(begin)
    if found is None:
        found = slots[begin] = _Slot()
    return found


def _add(series: Series, growth: Measured, start: int, end: int) -> None:
    series.start_ns, series.end_ns = min(series.start_ns, start), max(series.end_ns, end)
    series.value += growth.value
    series.count += growth.number
    series.sum += growth.sum
    series.low, series.high = _least(series.low, growth.low), _most(series.high, growth.high)
    if growth.counts:
        series.buckets.add(growth.bounds, growth.counts)


@lru_cache(maxsize=4096)
def _parsed(attributes: str) -> dict[str, object]:
    found: dict[str, object] = json.loads(attributes)
    return found


def _least(one: float | None, other: float | None) -> float | None:
    return other if one is None or (other is not None and other < one) else one


def _most(one: float | None, other: float | None) -> float | None:
    return other if one is None or (other is not None and other > one) else one


def _summed(slots: Iterable[_Slot]) -> dict[tuple[str, str], _Cell]:
    found: dict[tuple[str, str], _Cell] = {}
    for slot in slots:
        for key, cell in slot.cells.items():
            if key not in found:
                found[key] = _Cell(cell.attributes, cell.start_ns, buckets=Buckets())
            found[key].merge(cell)
    return found


def _stepped(inside: Sequence[tuple[int, _Slot]], step: int) -> dict[int, Points]:
    apart: dict[int, list[_Slot]] = {}
    for at, slot in inside:
        apart.setdefault(at // step * step, []).append(slot)
    return {at: Points({**_summed(slots)}) for at, slots in apart.items()}


def _tallies(cells: dict[tuple[str, str], _Cell]) -> Tallies:
    found: Tallies = {}
    for (name, _), cell in cells.items():
        tally = Tally(cell.attributes, cell.value, cell.count, cell.sum, cell.points, cell.buckets)
        found.setdefault(name, []).append(tally)
    return found


def _end(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()[0])  # noqa: S608 - of ours
