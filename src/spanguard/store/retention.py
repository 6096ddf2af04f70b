"""What is deleted, and when: rows that are too old or too many, and what somebody asks to be purged. In small steps always.

Deleted rows are overwritten in the file. No step holds other writers up for longer than they take for a batch of theirs.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Final

from spanguard.store.database import Database

DAY_NS: Final = 86_400 * 10**9
MEGABYTE: Final = 10**6
STEP: Final = 1000
"""Rows of one table that one step deletes at most."""
_FREE_PAGES: Final = 64
"""Free pages that are kept for the next rows."""
_JUMP_SECONDS: Final = 60.0
_SET_NS: Final = 1_577_836_800 * 10**9
"""The year 2020: a row from before it was written by a clock that nobody had set, and its age is not known."""
_TIMES: Final = {"spans": "start_ns", "metric_points": "time_ns", "log_events": "time_ns", "drops": "time_ns"}
"""The tables that have rows to delete, and the column that says how old a row is."""
_Where = tuple[str, dict[str, str | int]]


class Retention:
    """Keeps a store within an age and a size; 0 means without limit. It does a little with each batch that is written."""

    def __init__(self, database: Database, days: float, megabytes: float) -> None:
        self._database = database
        self._age_ns = int(days * DAY_NS)
        self._bytes = int(megabytes * MEGABYTE)
        self._began = time.time(), time.monotonic()

    def after(self, rows: int) -> None:
        """Delete up to twice as many rows as were just written (and at least a step's worth), if there are any to delete.

        Raises `StoreError` as writing does.
        """
        for _ in range(1 + 2 * rows // STEP):
            if not self._due() or not self._step():
                return

    def _due(self) -> bool:
        """Look, without holding anybody up, whether there may be something to delete."""
        with self._database.snapshot() as connection:
            if self._bytes and _size(connection) > self._bytes:
                return True
            if not self._age_ns or not self._clock_is_steady():
                return False
            old = (f"SELECT 1 FROM {table} WHERE {self._old(table)[0]} LIMIT 1" for table in _TIMES)  # noqa: S608
            return any(connection.execute(each, self._old("drops")[1]).fetchone() for each in old)

    def _old(self, table: str) -> _Where:
        between: dict[str, str | int] = {"since": _SET_NS, "before": time.time_ns() - self._age_ns}
        return f"{_TIMES[table]} BETWEEN :since AND :before", between

    def _step(self) -> bool:
        with self._database.transaction() as connection:
            deleted = self._expired(connection) or self._surplus(connection)
            free = connection.execute("PRAGMA freelist_count").fetchone()[0]
        if free > _FREE_PAGES:
            self._database.give_back(min(free - _FREE_PAGES, STEP))
        return bool(deleted)

    def _expired(self, connection: sqlite3.Connection) -> int:
        if not self._age_ns or not self._clock_is_steady():
            return 0
        before = time.time_ns() - self._age_ns
        return sum(
            _delete(connection, table, (f"{column} < :before", {"before": before})) for table, column in _TIMES.items()
        )

    def _surplus(self, connection: sqlite3.Connection) -> int:
        """Delete the oldest rows if there are too many: by the order of writing, whatever clock they were written by."""
        if not self._bytes or _size(connection) <= self._bytes:
            return 0
        firsts = (f"SELECT {column}, '{table}' FROM {table} ORDER BY id LIMIT 1" for table, column in _TIMES.items())  # noqa: S608
        oldest = sorted(tuple(row) for first in firsts for row in connection.execute(first))
        return _delete(connection, oldest[0][1], ("1", {}), order="id") if oldest else 0

    def _clock_is_steady(self) -> bool:
        """Whether the clock went as time did since this process began: one that jumped says nothing about age."""
        wall, monotonic = self._began
        return abs((time.time() - wall) - (time.monotonic() - monotonic)) < _JUMP_SECONDS


def purge(
    database: Database,
    *,
    run: str | None = None,
    before_ns: int | None = None,
    told: Callable[[int], object] = lambda _: None,
) -> dict[str, int]:
    """Delete the rows of a run, those from before a time (ns), those that are both, or with neither all of them.

    Returns how many rows of each table were deleted; ``told`` hears after each step how many there were in it. What is
    written meanwhile may stay. The file is made smaller in the end.
    """
    deleted = dict.fromkeys(_TIMES, 0)
    for table, column in _TIMES.items():
        where = _wanted(table, column, run, before_ns)
        while True:
            with database.transaction() as connection:
                step = _delete(connection, table, where, order="id")
            deleted[table] += step
            told(step)
            if step < STEP:
                break
    _forget_resources(database)
    database.give_back()
    return deleted


def count(database: Database, *, run: str | None = None, before_ns: int | None = None) -> int:
    """Count the rows that `purge` would delete."""
    total = 0
    for table, column in _TIMES.items():
        condition, values = _wanted(table, column, run, before_ns)
        total += database.rows(f"SELECT count(*) FROM {table} WHERE {condition}", values)[0][0]  # noqa: S608 - of this module
    return total


def _wanted(table: str, column: str, run: str | None, before_ns: int | None) -> _Where:
    conditions: list[str] = []
    values: dict[str, str | int] = {}
    if run is not None:
        own = "run = :run OR run IS NULL AND " if table == "spans" else ""
        conditions.append(f"({own}resource_id IN (SELECT id FROM resources WHERE run = :run))")  # noqa: S608 - of this module
        values["run"] = run
    if before_ns is not None:
        conditions.append(f"{column} < :before")
        values["before"] = before_ns
    return " AND ".join(conditions) or "1", values


def _delete(connection: sqlite3.Connection, table: str, where: _Where, order: str = "") -> int:
    """Delete up to a step's worth of rows, the oldest first; a span takes its events with it."""
    condition, values = where
    order = order or _TIMES[table]
    chosen = f"SELECT {{}} FROM {table} WHERE {condition} ORDER BY {order} LIMIT {STEP}"  # noqa: S608 - of this module
    if table == "spans":
        pairs = chosen.format("trace_id, span_id")
        connection.execute(f"DELETE FROM span_events WHERE (trace_id, span_id) IN ({pairs})", values)  # noqa: S608
    return connection.execute(f"DELETE FROM {table} WHERE id IN ({chosen.format('id')})", values).rowcount  # noqa: S608


def _size(connection: sqlite3.Connection) -> int:
    pages, free, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def _forget_resources(database: Database) -> None:
    used = " UNION ".join(f"SELECT resource_id FROM {table}" for table in _TIMES)  # noqa: S608 - of this module
    with database.transaction() as connection:
        connection.execute(f"DELETE FROM resources WHERE id NOT IN ({used})")  # noqa: S608 - of this module
