"""The tables of the local store, and how a file of one version becomes a file of the next.

A file's version is its ``PRAGMA user_version``: how many of `MIGRATIONS` it has been through. A migration that is released
is never changed; a new one is added behind it.
"""

from __future__ import annotations

import sqlite3
from typing import Final, NamedTuple, TypeAlias

from spanguard.store.columns import COLUMNS, PROMOTED
from spanguard.store.views import VIEWS

Value: TypeAlias = str | int | float | bytes | None
Row: TypeAlias = tuple[Value, ...]
Rows: TypeAlias = dict[str, list[Row]]
"""Rows to be written, by table; each in the order of `COLUMNS`."""

APPLICATION_ID: Final = 0x53504744
"""``SPGD``: what tells a store from every other SQLite file."""

# Columns that came with the second version, and what is moved into them from the JSON of older rows.
_SECOND: Final = {
    **dict.fromkeys(("run", "role", "user", "space", "tenant", "response_model", "error_category", "cache_result"), "TEXT"),
    "input_tokens": "INTEGER",
    "output_tokens": "INTEGER",
    "cost": "REAL",
    "attempt": "INTEGER",
}
_KEYS: Final = {column: f"""'$."{key}"'""" for key, column in PROMOTED.items() if column in _SECOND}
_MOVED: Final = ", ".join(f"{column} = json_extract(attributes, {path})" for column, path in _KEYS.items())
_PATHS: Final = ", ".join(_KEYS.values())

Migrations: TypeAlias = tuple[tuple[str, ...], ...]
"""The statements of each step from one version to the next."""


class Schema(NamedTuple):
    """What a file is to have in it: the mark of its kind, and the steps that make it."""

    application_id: int
    migrations: Migrations


# A resource's id is a hash of its attributes: writers in any number of processes agree on it without reading.
MIGRATIONS: Final[Migrations] = (
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
    (  # whose work it is and what it used get columns of their own; events and parents are found by span; the views
        *(f"ALTER TABLE spans ADD COLUMN {column} {kind}" for column, kind in _SECOND.items()),
        f"UPDATE spans SET {_MOVED}, attributes = json_remove(attributes, {_PATHS})",  # noqa: S608 - names of ours
        "DROP INDEX spans_trace",
        "CREATE INDEX spans_trace ON spans (trace_id, span_id)",
        "DROP INDEX metric_points_start",
        "CREATE INDEX metric_points_time ON metric_points (time_ns)",
        *(f"CREATE VIEW {view.name} AS {view.statement}" for view in VIEWS.values()),
    ),
)


def version(connection: sqlite3.Connection) -> int:
    """Return how many migrations the file has been through."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def present() -> Schema:
    """Return what a store is to have in it today."""
    return Schema(APPLICATION_ID, MIGRATIONS)


def migrate(connection: sqlite3.Connection, migrations: Migrations | None = None) -> None:
    """Bring the file to the newest version (of a store), each step in a transaction of its own."""
    migrations = present().migrations if migrations is None else migrations
    while version(connection) < len(migrations):
        with connection:  # commits, or rolls back what was begun
            connection.execute("BEGIN IMMEDIATE")
            step = version(connection)  # again: another process may have been first
            if step < len(migrations):
                for statement in migrations[step]:
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {step + 1}")


def insert(table: str) -> str:
    """Return the statement that writes one row of the table; a resource that is there already stays as it is."""
    columns = COLUMNS[table]
    names, places = ", ".join(columns), ", ".join("?" * len(columns))
    known = " ON CONFLICT (id) DO NOTHING" if table == "resources" else ""
    return f"INSERT INTO {table} ({names}) VALUES ({places}){known}"  # noqa: S608 - names of this module
