"""Write what the store holds into files: a table each as Parquet or JSON lines, or a signal each as OTLP-JSON lines.

All files are of one moment: programs may go on writing. Each is written beside its place and moved there when it is whole
and its rows have been counted again.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import import_module
from pathlib import Path
from typing import IO, Final, Literal

from spanguard.store import otlp
from spanguard.store.database import Database, StoreError
from spanguard.store.selection import Selection
from spanguard.store.views import VIEWS, Column, View
from spanguard.store.views.kinds import KINDS

Format = Literal["parquet", "jsonl", "otlp"]
TABLES: Final = {**VIEWS, **KINDS}
"""Everything that can be exported as a table: the views, and the generic rows by kind."""
SIGNALS: Final = {"traces": "spans", "metrics": "metric_points", "logs": "log_events"}
_BATCH: Final = 1000
_DUCKDB: Final = {"text": "VARCHAR", "integer": "BIGINT", "real": "DOUBLE", "boolean": "BOOLEAN", "json": "VARCHAR"} | {
    "time": "TIMESTAMP"
}


class MissingDuckDBError(Exception):
    """Raised when Parquet is asked for and DuckDB is not installed."""

    def __str__(self) -> str:
        return 'Parquet is written by DuckDB; install it with: pip install "spanguard[parquet]"'


@dataclass(frozen=True)
class Exported:
    """One file: its table or signal, where it is, its rows (spans, points, events), and its size in bytes."""

    name: str
    path: str
    rows: int
    bytes: int


def count(db: Database, names: Iterable[str], selection: Selection) -> int:
    """Count the rows that tables hold of a selection, all together."""
    with db.snapshot() as connection:
        return sum(_count(connection, TABLES[name], selection) for name in names)


def holds(db: Database, names: Iterable[str], selection: Selection) -> bool:
    """Whether any of these tables has a row of a selection; quick, where `count` looks at all of them."""
    condition, values = _condition(selection)
    wanted = (f"SELECT 1 FROM ({TABLES[name].statement}) WHERE {condition} LIMIT 1" for name in names)  # noqa: S608 - of this package
    return any(db.rows(each, values) for each in wanted)


def export_tables(
    db: Database,
    directory: Path,
    names: Iterable[str],
    selection: Selection,
    *,
    parquet: bool,
    told: Callable[[int], object] = lambda _: None,
) -> list[Exported]:
    """Write each table into a file of its own; ``told`` hears of rows as they are written.

    Raises `StoreError` if a file cannot be written or has other rows than the store, `MissingDuckDBError` if it is.
    """
    _prepare(db, directory, parquet=parquet)
    with db.snapshot() as connection:
        return [_table(connection, directory, TABLES[name], selection, parquet=parquet, told=told) for name in names]


def export_otlp(
    db: Database, directory: Path, selection: Selection, *, told: Callable[[int], object] = lambda _: None
) -> list[Exported]:
    """Write ``traces.jsonl``, ``metrics.jsonl`` and ``logs.jsonl``, which the collector's otlpjsonfile receiver reads."""
    _prepare(db, directory, parquet=False)
    with db.snapshot() as connection:
        return [_signal(connection, directory, signal, selection, told) for signal in SIGNALS]


def _prepare(db: Database, directory: Path, *, parquet: bool) -> None:
    if parquet:
        try:
            import_module("duckdb")
        except ImportError:
            raise MissingDuckDBError from None
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(directory, f"cannot be made ({error.strerror})") from error
    db.rows("SELECT 1")


def _table(
    connection: sqlite3.Connection,
    directory: Path,
    view: View,
    selection: Selection,
    *,
    parquet: bool,
    told: Callable[[int], object],
) -> Exported:
    with _written(directory / f"{view.name}.jsonl", keep=not parquet) as (file, path):
        wanted = _write_rows(file, connection, view, selection, told)
        file.flush()
        if parquet:
            target = directory / f"{view.name}.parquet"
            rows = _parquet(path, target, view, wanted)
        else:
            target, rows = directory / f"{view.name}.jsonl", _lines(path)
            _check(target, rows, wanted)
    return Exported(view.name, str(target), rows, target.stat().st_size)


def _write_rows(
    file: IO[bytes], connection: sqlite3.Connection, view: View, selection: Selection, told: Callable[[int], object]
) -> int:
    """Write the rows of a table as JSON lines, and return how many the store gave.

    SQLite makes the text, as bytes that Python need not look at: that takes a third of the time of `json`.
    """
    condition, values = _condition(selection)
    cells = ", ".join(f"'{column.name}', {_json(column)}" for column in view.columns)
    source = f"FROM ({view.statement}) WHERE {condition}"
    cursor = connection.execute(f"SELECT CAST(json_object({cells}) || char(10) AS BLOB) {source}", values)
    cursor.row_factory = None
    rows = 0
    while batch := cursor.fetchmany(_BATCH):
        file.write(b"".join(line for (line,) in batch))
        rows += len(batch)
        told(len(batch))
    return rows


def _json(column: Column) -> str:
    """Return the SQL for a cell as JSON has it: truth values as such, numbers with all their digits (SQLite writes 15).

    What is no number in a column of numbers, as somebody else's attribute may have it, is null.
    """
    name = f'"{column.name}"'
    if column.type == "boolean":
        return f"json(CASE WHEN {name} THEN 'true' WHEN NOT {name} THEN 'false' ELSE 'null' END)"
    if column.type == "real":
        exact = f"WHEN CAST(CAST({name} AS TEXT) AS REAL) <> {name} THEN json(printf('%!.17g', {name}))"
        return f"CASE WHEN typeof({name}) NOT IN ('real', 'integer') THEN NULL {exact} ELSE {name} END"
    if column.type == "integer":
        return f"CASE WHEN {name} = CAST({name} AS INTEGER) THEN CAST({name} AS INTEGER) END"
    return name


def _parquet(lines: Path, target: Path, view: View, wanted: int) -> int:
    duckdb = import_module("duckdb")
    # Nothing is fetched from anywhere: what is needed is in the wheel.
    offline = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
    columns = ", ".join(f"'{column.name}': '{_DUCKDB[column.type]}'" for column in view.columns)
    part = target.with_name(target.name + ".part")
    with _private(part), duckdb.connect(":memory:", config=offline) as connection:
        source = f"read_json({_quoted(lines)}, format = 'newline_delimited', columns = {{{columns}}})"
        written = "FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false"  # older ones put a file of their own beside it
        try:
            connection.execute(f"COPY (FROM {source}) TO {_quoted(part)} ({written})")
        except duckdb.Error as error:
            reason = str(error).split(" in file ", 1)[0].splitlines()[0]  # what stands behind it may be content
            raise StoreError(target, f"was not written: DuckDB says {reason!r}") from error
        rows = int(connection.execute(f"SELECT count(*) FROM read_parquet({_quoted(part)})").fetchone()[0])  # noqa: S608
        _check(target, rows, wanted)
        part.replace(target)
    return rows


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _signal(
    connection: sqlite3.Connection, directory: Path, signal: str, selection: Selection, told: Callable[[int], object]
) -> Exported:
    table = SIGNALS[signal]
    time = "start_ns" if table == "spans" else "time_ns"
    run = "coalesce(t.run, r.run)" if table == "spans" else "r.run"
    condition, values = selection.of(f"t.{time}", run)
    source = f"FROM {table} AS t JOIN resources AS r ON r.id = t.resource_id WHERE {condition}"
    wanted = int(connection.execute(f"SELECT count(*) {source}", values).fetchone()[0])
    resources: otlp.Resources = {
        row["id"]: row["attributes"] for row in connection.execute("SELECT id, attributes FROM resources")
    }
    target, rows = directory / f"{signal}.jsonl", 0
    cursor = connection.execute(f"SELECT t.* {source} ORDER BY t.id", values)
    with _written(target, keep=True) as (file, path):
        while batch := cursor.fetchmany(_BATCH):
            file.write(otlp.line(_request(connection, table, batch, resources)).encode("ascii"))
            rows += len(batch)
            told(len(batch))
        file.flush()
        _check(target, _items(path), wanted)
    return Exported(signal, str(target), rows, target.stat().st_size)


def _request(
    connection: sqlite3.Connection, table: str, batch: Sequence[sqlite3.Row], resources: otlp.Resources
) -> otlp.Json:
    rows = [{key: row[key] for key in row.keys()} for row in batch]  # noqa: SIM118 - a Row's own iteration gives values
    if table == "spans":
        return otlp.traces(rows, _events(connection, batch), resources)
    return (otlp.metrics if table == "metric_points" else otlp.logs)(rows, resources)


def _events(
    connection: sqlite3.Connection, batch: Sequence[sqlite3.Row]
) -> dict[tuple[object, object], list[dict[str, object]]]:
    events: defaultdict[tuple[object, object], list[dict[str, object]]] = defaultdict(list)
    between = batch[0]["id"], batch[-1]["id"]
    for row in connection.execute(
        """SELECT e.* FROM spans AS s JOIN span_events AS e ON e.trace_id = s.trace_id AND e.span_id = s.span_id
        WHERE s.id BETWEEN ? AND ? ORDER BY e.id""",
        between,
    ):
        events[row["trace_id"], row["span_id"]].append({key: row[key] for key in row.keys()})  # noqa: SIM118
    return events


def _condition(selection: Selection) -> tuple[str, dict[str, str | int]]:
    condition, values = selection.of("time", "run")
    times = {key: _iso(value) if isinstance(value, int) else value for key, value in values.items()}
    return condition, dict(times)


def _iso(ns: int) -> str:
    """Return a time as the views write it, in which order of text is order of time."""
    return datetime.fromtimestamp(ns // 10**9, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S") + f".{ns // 1000 % 10**6:06d}Z"


def _count(connection: sqlite3.Connection, view: View, selection: Selection) -> int:
    condition, values = _condition(selection)
    statement = f"SELECT count(*) FROM ({view.statement}) WHERE {condition}"  # noqa: S608 - of this package
    return int(connection.execute(statement, values).fetchone()[0])


@contextmanager
def _written(target: Path, *, keep: bool) -> Iterator[tuple[IO[bytes], Path]]:
    """Write a file beside its place, and move it there if it is to be kept and nothing went wrong."""
    part = target.with_name(target.name + ".part")
    with _private(part), part.open("wb") as file:
        yield file, part
        file.close()
        if keep:
            part.replace(target)


@contextmanager
def _private(part: Path) -> Iterator[None]:
    """Make an empty file that its owner alone can read, and leave nothing of it behind."""
    try:
        os.close(os.open(part, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600))
        yield
    except OSError as error:
        raise StoreError(part, f"cannot be written ({error.strerror or type(error).__name__})") from error
    finally:
        with suppress(OSError):
            part.unlink()


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def _items(path: Path) -> int:
    """Count the spans, points or events in a file of OTLP-JSON lines."""
    total = 0
    with path.open(encoding="ascii") as file:
        for text in file:
            total += sum(len(items) for items in _leaves(json.loads(text)))
    return total


def _leaves(request: dict[str, list[dict[str, list[dict[str, object]]]]]) -> Iterator[list[object]]:
    for outer in request.values():
        for resource in outer:
            for scope in next(value for key, value in resource.items() if key != "resource"):
                items = next(value for key, value in scope.items() if key != "scope")
                for each in items if isinstance(items, list) else ():
                    points = next((part["dataPoints"] for part in each.values() if _has_points(part)), None)
                    yield [each] if points is None else points


def _has_points(part: object) -> bool:
    return isinstance(part, dict) and "dataPoints" in part


def _check(target: Path, rows: int, wanted: int) -> None:
    if rows != wanted:
        raise StoreError(target, f"was not written: it would have {rows} rows, the store has {wanted}")
