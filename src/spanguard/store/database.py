"""One SQLite file that many processes and threads write and read at once."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

from spanguard.store.schema import Row, Schema, Value, insert, migrate, present, version

BUSY_SECONDS: Final = 10.0
"""How long one process waits for another that is writing."""
WAL_BYTES: Final = 64 * 2**20
"""What the write-ahead log is cut back to after it has grown."""
CHECKPOINT_PAGES: Final = 2000
"""Pages in the write-ahead log after which they are carried over: with SQLite's 1000 a writer waits a third longer in all."""
PAGE_BYTES: Final = 8192
"""Rows are about 500 bytes: larger pages than SQLite's default make the file 5 % smaller."""
FORK_SECONDS: Final = 1.0
"""How long a fork waits for a write that is under way."""

_databases: weakref.WeakSet[Database] = weakref.WeakSet()
_fork = threading.local()


class StoreError(Exception):
    """Raised when a local store cannot be read or written; its text is the file's path and what is wrong with it."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class EmptyStoreError(StoreError):
    """Raised when a store is read that nothing was written to yet, or nothing by this version."""


class Database:
    """A store file. It is opened when it is first used, again in each forked child, and closed by `close`.

    Each process has one connection for all its threads, which take turns. Everything that goes wrong is a `StoreError`.
    """

    def __init__(self, path: Path | str, *, read_only: bool = False) -> None:
        self.path: Path = Path(path).absolute()
        self.read_only = read_only
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._lock = threading.Lock()
        self._closed = ""
        _databases.add(self)

    @classmethod
    def open(cls, path: Path | str, *, read_only: bool = False) -> Database:
        """Open a store, and make it if it is not there and is to be written.

        Raises `StoreError`, and leaves the file as it is, if the file is no store, is damaged, or was written by a newer
        spanguard; with ``read_only`` also if there is none.
        """
        database = cls(path, read_only=read_only)
        with database._use():
            return database

    def write(self, rows: Mapping[str, Sequence[Row]]) -> None:
        """Write all rows in one transaction: either all of them are in the store, or none."""
        with self.transaction() as connection:
            for table, values in rows.items():
                connection.executemany(insert(table), values)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Have the store to oneself, to change it in several steps: all of them are kept, or none."""
        with self._use() as connection, connection:  # the connection commits, or rolls back
            connection.execute("BEGIN IMMEDIATE")
            yield connection

    def rows(self, statement: str, parameters: Sequence[Value] | Mapping[str, Value] = ()) -> list[sqlite3.Row]:
        """Return what a SELECT finds."""
        with self._use() as connection:
            return connection.execute(statement, parameters).fetchall()

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Read the store as it is now, in several steps, while others go on writing."""
        with self._use() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")

    def give_back(self, pages: int | None = None) -> None:
        """Make the file smaller by pages that are free: so many of them, or all and the log too if no one reads it."""
        with self._use() as connection:
            # It gives back one page a step; `execute` would take a single step of a statement that has no rows.
            connection.executescript(f"PRAGMA incremental_vacuum({pages or 0})")
            if pages is None:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close the file for good; closing again does nothing."""
        with self._lock:
            self._closed = self._closed or "was closed"
            self._disconnect()

    def __enter__(self) -> Database:  # noqa: PYI034 - Self needs Python 3.11
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @contextlib.contextmanager
    def _use(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            if self._closed:
                raise StoreError(self.path, self._closed)
            try:
                if self._connection is not None and identity(self.path) != self._file:
                    self._disconnect()  # somebody took the file away, or put another in its place
                if self._connection is None:
                    self._connection = self._connect()
                    self._file = identity(self.path)
                yield self._connection
            except (sqlite3.Error, OSError) as error:
                raise StoreError(self.path, _explain(error)) from error

    def _connect(self) -> sqlite3.Connection:
        """Look at the file without changing it; if it is a store, or nothing yet, open it as asked."""
        if os.path.lexists(self.path) and not self.path.is_file():
            raise StoreError(self.path, "is no file, but a directory, a link to nothing or the like")
        if not self.read_only:
            _create(self.path)
        elif not self.path.is_file():
            raise StoreError(self.path, "there is no store")
        connection = self._examined()
        if self.read_only:
            return connection
        connection.close()
        connection = _open(self.path, "mode=rw")
        try:
            _set_up(connection)
            migrate(connection, self._schema().migrations)
        except BaseException:
            connection.close()
            raise
        return connection

    def _examined(self) -> sqlite3.Connection:
        """Open the file for reading, and make sure that it is a store."""
        how = "mode=ro"
        while True:
            connection = _open(self.path, how)
            try:
                _examine(connection, self)
            except sqlite3.OperationalError as error:
                connection.close()
                how = self._other_way(how, error)
            except BaseException:
                connection.close()
                raise
            else:
                return connection

    def _other_way(self, how: str, error: sqlite3.OperationalError) -> str:
        """Return how a file can be read that SQLite would have to write to first; raises the error if it is another."""
        log, journal = (self.path.with_name(self.path.name + suffix) for suffix in ("-wal", "-journal"))
        if how != "mode=ro" or not any(word in str(error) for word in ("readonly", "unable to open")):
            raise error
        if _has_bytes(journal):  # a process was killed before the store was made, or another program was at work
            if self.read_only:
                raise StoreError(self.path, "was left half changed, and is mended by the next program that writes it")
            return "mode=rw"
        if _has_bytes(log):
            raise StoreError(self.path, "cannot be read where it is: its log has to be written; copy both elsewhere")
        return "immutable=1"  # the directory cannot be written, and there is no log whose rows would be missing

    def _schema(self) -> Schema:
        return present()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _let_go(self) -> bool:
        """Close the connection and keep the lock, unless another thread is at work for too long."""
        if not self._lock.acquire(timeout=FORK_SECONDS):
            return False
        self._disconnect()
        return True

    def _begin_as_child(self, *, clean: bool) -> None:
        """Start afresh in a forked child: with a new lock, and never with a connection of the parent's."""
        self._lock = threading.Lock()
        if not clean:
            self._closed = "was being written when the process forked, so the child cannot write it"


def _create(path: Path) -> None:
    """Make an empty file that only its owner can read; SQLite gives its log the same mode."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from every other that has, had or will have its name; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _has_bytes(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def _open(path: Path, how: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.as_uri()}?{how}", uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )
    connection.row_factory = sqlite3.Row
    return connection


def _examine(connection: sqlite3.Connection, database: Database) -> None:
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    schema = database._schema()
    ours = connection.execute("PRAGMA application_id").fetchone()[0] == schema.application_id
    found, newest = version(connection), len(schema.migrations)
    if tables and not ours:
        raise StoreError(database.path, "is a database of another program, not a store of spanguard")
    if found > newest:
        raise StoreError(database.path, f"was written by a newer spanguard (schema {found}, this one knows {newest})")
    if database.read_only and found < newest:
        raise EmptyStoreError(database.path, "nothing was written by this version of spanguard yet")


def _set_up(connection: sqlite3.Connection) -> None:
    """Set what SQLite keeps in the file (before the first table) and what it keeps for each connection."""
    if not connection.execute("PRAGMA page_count").fetchone()[0]:  # later it is too late, and would wait for other writers
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    _use_log(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA secure_delete = ON")  # what is deleted is overwritten
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")


def _use_log(connection: sqlite3.Connection) -> None:
    """Switch to the write-ahead log. SQLite does not wait for others here, whatever its timeout, so this does."""
    give_up = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.01)
        else:
            return


def _explain(error: sqlite3.Error | OSError) -> str:
    if isinstance(error, OSError):
        return f"cannot be made or opened ({error.strerror or type(error).__name__})"
    reason = str(error)
    if "not a database" in reason or "malformed" in reason:
        return f"is damaged, or is no store of spanguard ({reason}); move it away to begin a new one"
    return f"cannot be used ({reason})"


# SQLite keeps its locks per process and file, in memory that a fork copies without the locks: a child that opens a file
# which the parent had open believes that it holds them, and loses what it writes when the parent closes the file. So
# nothing is open while the process forks; both sides open the file again when they next use it.
def _before_fork() -> None:
    _fork.clean = [database for database in list(_databases) if database._let_go()]


def _after_fork_in_parent() -> None:
    for database in _fork.clean:
        database._lock.release()


def _after_fork_in_child() -> None:
    for database in list(_databases):
        database._begin_as_child(clean=database in _fork.clean)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
