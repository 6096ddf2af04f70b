"""The tables of the local store, and how a file of one version becomes a file of the next.

A file's version is its ``PRAGMA user_version``: how many of `MIGRATIONS` it has been through. A migration that is released
is never changed; a new one is added behind it.
"""

from __future__ import annotations

import sqlite3
from typing import Final, TypeAlias

from spanguard import semconv

Value: TypeAlias = str | int | float | bytes | None
Row: TypeAlias = tuple[Value, ...]
Rows: TypeAlias = dict[str, list[Row]]
"""Rows to be written, by table; each in the order of `COLUMNS`."""

APPLICATION_ID: Final = 0x53504744
"""``SPGD``: what tells a store from every other SQLite file."""

PROMOTED: Final = {
    semconv.OUTCOME: "outcome",
    semconv.ERROR_TYPE: "error_type",
    semconv.POLICY_TYPE: "policy_type",
    semconv.POLICY_NAME: "policy_name",
    semconv.GEN_AI_OPERATION: "operation",
    semconv.GEN_AI_PROVIDER: "provider",
    semconv.GEN_AI_MODEL: "model",
}
"""Attributes of spans that have a column of their own; they are not repeated in the JSON of the others."""

COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "resources": ("id", "run", "service", "attributes"),
    "spans": (
        *("trace_id", "span_id", "parent_id", "resource_id", "scope", "name", "kind", "start_ns", "end_ns", "status"),
        *PROMOTED.values(),
        *("attributes", "links"),
    ),
    "span_events": ("trace_id", "span_id", "time_ns", "name", "attributes"),
    "metric_points": (
        *("resource_id", "scope", "name", "unit", "kind", "temporality", "start_ns", "time_ns", "attributes"),
        *("value", "count", "sum", "min", "max", "bounds", "counts"),
    ),
    "log_events": (*("resource_id", "scope", "name", "time_ns", "severity", "trace_id", "span_id", "attributes"),),
    "drops": ("resource_id", "signal", "time_ns", "items"),
}

# A resource's id is a hash of its attributes: writers in any number of processes agree on it without reading.
MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        f"PRAGMA application_id = {APPLICATION_ID}",
        """CREATE TABLE resources (
            id INTEGER PRIMARY KEY, run TEXT NOT NULL, service TEXT NOT NULL, attributes TEXT NOT NULL)""",
        """CREATE TABLE spans (
            id INTEGER PRIMARY KEY, trace_id BLOB NOT NULL, span_id BLOB NOT NULL, parent_id BLOB,
            resource_id INTEGER NOT NULL, scope TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL,
            start_ns INTEGER NOT NULL, end_ns INTEGER NOT NULL, status TEXT NOT NULL,
            outcome TEXT, error_type TEXT, policy_type TEXT, policy_name TEXT, operation TEXT, provider TEXT,
            model TEXT, attributes TEXT NOT NULL, links TEXT)""",
        "CREATE INDEX spans_start ON spans (start_ns)",
        "CREATE INDEX spans_trace ON spans (trace_id)",
        """CREATE TABLE span_events (
            id INTEGER PRIMARY KEY, trace_id BLOB NOT NULL, span_id BLOB NOT NULL, time_ns INTEGER NOT NULL,
            name TEXT NOT NULL, attributes TEXT NOT NULL)""",
        "CREATE INDEX span_events_trace ON span_events (trace_id)",
        """CREATE TABLE metric_points (
            id INTEGER PRIMARY KEY, resource_id INTEGER NOT NULL, scope TEXT NOT NULL, name TEXT NOT NULL,
            unit TEXT NOT NULL, kind TEXT NOT NULL, temporality TEXT, start_ns INTEGER NOT NULL,
            time_ns INTEGER NOT NULL, attributes TEXT NOT NULL, value NUMERIC,
            count INTEGER, sum NUMERIC, min NUMERIC, max NUMERIC, bounds TEXT, counts TEXT)""",
        "CREATE INDEX metric_points_start ON metric_points (start_ns)",
        "CREATE INDEX metric_points_resource ON metric_points (resource_id, name)",
        """CREATE TABLE log_events (
            id INTEGER PRIMARY KEY, resource_id INTEGER NOT NULL, scope TEXT NOT NULL, name TEXT NOT NULL,
            time_ns INTEGER NOT NULL, severity TEXT, trace_id BLOB, span_id BLOB, attributes TEXT NOT NULL)""",
        "CREATE INDEX log_events_time ON log_events (time_ns)",
        "CREATE INDEX log_events_trace ON log_events (trace_id)",
        """CREATE TABLE drops (
            id INTEGER PRIMARY KEY, resource_id INTEGER NOT NULL, signal TEXT NOT NULL, time_ns INTEGER NOT NULL,
            items INTEGER NOT NULL)""",
    ),
)


def version(connection: sqlite3.Connection) -> int:
    """Return how many migrations the file has been through."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def newest_version() -> int:
    """Return the version of the files that this spanguard writes."""
    return len(MIGRATIONS)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the file to the newest version, each step in a transaction of its own."""
    while version(connection) < newest_version():
        with connection:  # commits, or rolls back what was begun
            connection.execute("BEGIN IMMEDIATE")
            step = version(connection)  # again: another process may have been first
            if step < newest_version():
                for statement in MIGRATIONS[step]:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {step + 1}")


def insert(table: str) -> str:
    """Return the statement that writes one row of the table; a resource that is there already stays as it is."""
    columns = COLUMNS[table]
    names, places = ", ".join(columns), ", ".join("?" * len(columns))
    known = " ON CONFLICT (id) DO NOTHING" if table == "resources" else ""
    return f"INSERT INTO {table} ({names}) VALUES ({places}){known}"  # noqa: S608 - names of this module
