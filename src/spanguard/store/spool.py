"""Telemetry that waits on disk until its OTLP endpoint takes it: a file of its own, `spool.db`, beside the local store.

Its own, because it is there when the local store is off, because neither retention nor ``purge`` of the store may take what
was promised to be sent, and because a damaged spool must not cost the store, nor the other way round.

Many processes share one spool. Whoever wants to send a batch claims it by a lease; when that has run out, because its holder
was killed, anybody may. No address and no header stands in the file: a batch knows its endpoint by a hash with the file's own
key, and is sent only by a process whose environment names the same endpoint.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import logging
import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeVar

from spanguard.settings import state_directory
from spanguard.store.database import Database, EmptyStoreError, StoreError, identity
from spanguard.store.location import DIRECTORY, FILE, _usable
from spanguard.store.losses import lost
from spanguard.store.retention import MEGABYTE, _size
from spanguard.store.schema import Schema

SPOOL: Final = "spool.db"
LONGEST_LEASE: Final = 120.0
"""Seconds. A lease that runs longer was given by a clock that has since been set back, and does not hold."""

Fate = Literal["spooled", "sent", "replaced", "queue_full", "full", "refused", "rejected", "damaged", "lost"]
"""What became of items. ``replaced`` are points of a cumulative metric of which a newer one waits. The last six are drops:
the SDK's queue was full (``queue_full``), or the spool was; the endpoint ``refused`` their request for good, or took it and
``rejected`` them; the file was ``damaged``, or they were ``lost`` from memory for want of a spool that can be written."""

DROPPED: Final[tuple[Fate, ...]] = ("queue_full", "full", "refused", "rejected", "damaged", "lost")

_FREE_PAGES: Final = 64
_APPLICATION_ID: Final = 0x53504751  # SPGQ
_SCHEMA: Final = Schema(
    _APPLICATION_ID,
    (
        (
            f"PRAGMA application_id = {_APPLICATION_ID}",
            """CREATE TABLE batches (
                id INTEGER PRIMARY KEY AUTOINCREMENT, signal TEXT NOT NULL, endpoint BLOB NOT NULL, series BLOB,
                items INTEGER NOT NULL, made_ms INTEGER NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
                holder BLOB, until_ms INTEGER NOT NULL DEFAULT 0, body BLOB NOT NULL)""",
            "CREATE INDEX batches_next ON batches (signal, endpoint, tries, id, until_ms)",
            "CREATE INDEX batches_series ON batches (series) WHERE series IS NOT NULL",
            """CREATE TABLE counts (
                signal TEXT NOT NULL, fate TEXT NOT NULL, items INTEGER NOT NULL, PRIMARY KEY (signal, fate))""",
            "CREATE TABLE keys (key BLOB NOT NULL)",
            "INSERT INTO keys VALUES (randomblob(16))",
        ),
    ),
)
_FREE: Final = "NOT (until_ms > :now AND until_ms <= :now + :longest)"

_log: Final = logging.getLogger("spanguard")
T = TypeVar("T")


class Part(NamedTuple):
    """A request to be sent, serialised. Of those with the same ``series`` (if any) a newer one is merged into the older."""

    body: bytes
    items: int
    series: bytes | None = None


class Claimed(NamedTuple):
    """A request that this process has claimed, as it was given."""

    row: int
    body: bytes
    items: int


class Waiting(NamedTuple):
    """What waits of one signal: batches, the items (spans, points, log records) in them, their bytes, the oldest's time."""

    signal: str
    batches: int
    items: int
    bytes: int
    oldest_ms: int


class Status(NamedTuple):
    """What waits in a spool, and what became of the items that were ever in it, by signal and fate."""

    waiting: tuple[Waiting, ...]
    counts: dict[tuple[str, str], int]

    @property
    def dropped(self) -> int:
        """How many items were dropped, for any reason."""
        return sum(items for (_, fate), items in self.counts.items() if fate in DROPPED)


class _SpoolFile(Database):
    def _schema(self) -> Schema:
        return _SCHEMA


class Place:
    """Where the spool is: beside the local store that the setting names, or in the user's state directory.

    The working directory counts as it is now. Nothing is made before the spool is needed.
    """

    def __init__(self, setting: str = "", directory: Path | None = None) -> None:
        store = os.path.expanduser(setting) if setting not in ("", "off") else Path(DIRECTORY, FILE)  # noqa: PTH111 - as there
        bases: list[Path] = []
        with contextlib.suppress(OSError):  # the working directory may be gone
            bases.append((directory or Path.cwd()) / store)
        if state := state_directory():
            bases.append(state / FILE)
        self._candidates = [each.with_name(SPOOL) for each in bases]

    def existing(self) -> Path | None:
        """Return the spool that is there, if it is where one would be made now."""
        for each in self._candidates:
            if each.is_file():
                return each
            above = next(parent for parent in each.parents if parent.exists())
            if os.access(above, os.W_OK | os.X_OK):
                return None
        return None

    def usable(self) -> Path | None:
        """Return the first that can be written, and make its directory; None if there is none."""
        return next((each for each in self._candidates if _usable(each)), None)


class Spool:
    """The batches of one signal for one endpoint, and how to claim them. The file is opened, or made, when it is needed.

    Methods that write raise `StoreError` if the file cannot be written. A damaged file is set aside as `spool.db.damaged`,
    with a warning, and a new one begun.
    """

    def __init__(self, place: Place, signal: str, endpoint: str, megabytes: float = 64.0) -> None:
        self.signal = signal
        self._place = place
        self._endpoint = endpoint
        self._limit = int(megabytes * MEGABYTE)
        self._holder = os.urandom(8)
        self._lock = threading.Lock()
        self._file: _SpoolFile | None = None

    def exists(self) -> bool:
        """Whether there is a spool to look into."""
        try:
            return self._limit > 0 and (self._file is not None or self._place.existing() is not None)
        except OSError:  # a directory that may not even be looked into
            return False

    def add(
        self, parts: Sequence[Part], *, lease: float = 0.0, merge: Callable[[list[bytes]], tuple[bytes, int]] | None = None
    ) -> list[int]:
        """Commit requests, claimed for ``lease`` seconds if that is not 0, and return their rows; drops the oldest if full.

        ``merge`` makes one body and its number of items of those of a series, the oldest first.
        """

        def write(connection: sqlite3.Connection) -> list[int]:
            rows = [self._insert(connection, part, lease, merge) for part in parts]
            self._make_room(connection)
            return rows

        rows = self._change(write)
        self._shrink()
        return rows

    def claim(self, lease: float) -> Claimed | None:
        """Claim the batch that has been tried least, the oldest of those, for so many seconds; None if there is none."""
        while self.exists() and self.due() == 0.0:
            claimed = self._change(lambda connection: self._claim(connection, lease))
            if claimed is None:
                return None
            body = _unpacked(claimed.body)
            if body is not None:
                return claimed._replace(body=body)
            self.finish([claimed.row], "damaged")
            lost(self.signal, "damaged", claimed.items)
        return None

    def due(self) -> float | None:
        """Return the seconds until there is something to claim, None if nothing waits for this endpoint."""
        if not self.exists():
            return None

        def look(file: _SpoolFile) -> float | None:
            left = f"SELECT min(CASE WHEN {_FREE} THEN 0 ELSE until_ms - :now END)"
            with file.snapshot() as connection:
                found = connection.execute(
                    f"{left} FROM batches WHERE signal = :signal AND endpoint = :endpoint", self._which(connection)
                ).fetchone()[0]
            return None if found is None else found / 1000

        return self._with_file(look)

    def release(self, rows: Sequence[int], *, tried: bool = True) -> None:
        """Give claimed batches back."""
        statement = "UPDATE batches SET until_ms = 0, holder = NULL, tries = tries + ? WHERE id = ? AND holder = ?"
        self._change(lambda db: [db.execute(statement, (tried, row, self._holder)) for row in rows])

    def finish(self, rows: Sequence[int], fate: Fate, rejected: int = 0) -> None:
        """Take away batches that were sent, or are to be dropped, and count their items: so many as rejected by the way."""

        def delete(connection: sqlite3.Connection) -> None:
            left = rejected
            for row in rows:
                for (items,) in connection.execute("SELECT items FROM batches WHERE id = ?", (row,)).fetchall():
                    connection.execute("DELETE FROM batches WHERE id = ?", (row,))
                    apart = min(left, items)
                    _count(connection, self.signal, "rejected", apart)
                    _count(connection, self.signal, fate, items - apart)
                    left -= apart

        self._change(delete)
        self._shrink()

    def count(self, fate: Fate, items: int) -> None:
        """Count items that never were in the spool."""
        self._change(lambda connection: _count(connection, self.signal, fate, items))

    def close(self) -> None:
        """Close the file; it is opened again if it is needed."""
        with self._lock:
            file, self._file = self._file, None
        if file:
            file.close()

    # ------------------------------------------------------------------------------------------------------------ the file

    def _opened(self) -> _SpoolFile:
        with self._lock:
            if self._file is None:
                path = self._place.usable() if self._limit else None
                if path is None:
                    raise StoreError(Path(SPOOL), "cannot be written" if self._limit else "is switched off")
                self._file = _SpoolFile(path)
            return self._file

    def _with_file(self, work: Callable[[_SpoolFile], T]) -> T:
        file = self._opened()
        before = identity(file.path)
        try:
            return work(file)
        except StoreError as error:
            if type(error.__cause__) is not sqlite3.DatabaseError:  # its subclasses are other faults
                raise
        self.close()
        if identity(file.path) == before:  # else another process has set it aside
            _set_aside(file.path)
        return work(self._opened())

    def _change(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def change(file: _SpoolFile) -> T:
            with file.transaction() as connection:
                return work(connection)

        return self._with_file(change)

    def _which(self, connection: sqlite3.Connection) -> dict[str, str | int | bytes]:
        (key,) = connection.execute("SELECT key FROM keys").fetchone()
        endpoint = hashlib.blake2b(self._endpoint.encode(), key=key, digest_size=8).digest()
        longest = int(LONGEST_LEASE * 1000)
        return {"signal": self.signal, "endpoint": endpoint, "now": _now_ms(), "longest": longest, "holder": self._holder}

    def _insert(
        self,
        connection: sqlite3.Connection,
        part: Part,
        lease: float,
        merge: Callable[[list[bytes]], tuple[bytes, int]] | None,
    ) -> int:
        which = self._which(connection)
        _count(connection, self.signal, "spooled", part.items)
        if part.series is not None and merge is not None:
            part = self._merged(connection, part, which, merge)
        until = _now_ms() + int(lease * 1000) if lease else 0
        values = {**which, "series": part.series, "items": part.items, "until": until}
        values["body"] = gzip.compress(part.body, 3, mtime=0)
        statement = """INSERT INTO batches (signal, endpoint, series, items, made_ms, holder, until_ms, body)
            VALUES (:signal, :endpoint, :series, :items, :now, :holder, :until, :body)"""
        return connection.execute(statement, values).lastrowid or 0

    def _merged(
        self,
        connection: sqlite3.Connection,
        part: Part,
        which: dict[str, str | int | bytes],
        merge: Callable[[list[bytes]], tuple[bytes, int]],
    ) -> Part:
        where = f"WHERE series = :series AND endpoint = :endpoint AND {_FREE}"
        values = {**which, "series": part.series}
        older = connection.execute(f"SELECT items, body FROM batches {where} ORDER BY id", values).fetchall()  # noqa: S608
        if not older:
            return part
        connection.execute(f"DELETE FROM batches {where}", values)  # noqa: S608 - of this module
        bodies = [body for each in older if (body := _unpacked(each["body"])) is not None]
        body, items = merge([*bodies, part.body])
        _count(connection, self.signal, "replaced", sum(each["items"] for each in older) + part.items - items)
        return part._replace(body=body, items=items)

    def _claim(self, connection: sqlite3.Connection, lease: float) -> Claimed | None:
        values = {**self._which(connection), "until": _now_ms() + int(lease * 1000)}
        found = connection.execute(
            f"""SELECT id, body, items FROM batches WHERE signal = :signal AND endpoint = :endpoint AND {_FREE}
            ORDER BY tries, id LIMIT 1""",  # noqa: S608 - of this module
            values,
        ).fetchone()
        if found is None:
            return None
        values["id"] = found["id"]
        connection.execute("UPDATE batches SET holder = :holder, until_ms = :until WHERE id = :id", values)
        return Claimed(found["id"], found["body"], found["items"])

    def _make_room(self, connection: sqlite3.Connection) -> None:
        """Drop the oldest batches, of any signal and endpoint, until the rest is within the limit."""
        values = self._which(connection)
        oldest = f"SELECT id, signal, items FROM batches WHERE {_FREE} ORDER BY id LIMIT 1"  # noqa: S608 - of this module
        while _size(connection) > self._limit:
            found = connection.execute(oldest, values).fetchone()
            if found is None:
                return
            connection.execute("DELETE FROM batches WHERE id = ?", (found["id"],))
            _count(connection, found["signal"], "full", found["items"])
            lost(found["signal"], "spool_full", found["items"])

    def _shrink(self) -> None:
        """Give free pages back to the disk, now and then; a fault here is no fault of what was done."""
        with contextlib.suppress(StoreError):
            file = self._opened()
            free = file.rows("PRAGMA freelist_count")[0][0]
            if free > 2 * _FREE_PAGES:
                file.give_back(free - _FREE_PAGES)


def status(path: Path) -> Status:
    """Say what waits in a spool and what was dropped; raises `StoreError` if the file cannot be read."""
    try:
        with _SpoolFile.open(path, read_only=True) as file, file.snapshot() as connection:
            waiting = connection.execute(
                "SELECT signal, count(*), sum(items), sum(length(body)), min(made_ms) FROM batches GROUP BY 1 ORDER BY 1"
            ).fetchall()
            counts = connection.execute("SELECT signal, fate, items FROM counts").fetchall()
    except EmptyStoreError:  # it is being made
        return Status((), {})
    return Status(tuple(Waiting(*row) for row in waiting), {(signal, fate): items for signal, fate, items in counts})


def _count(connection: sqlite3.Connection, signal: str, fate: Fate, items: int) -> None:
    statement = """INSERT INTO counts VALUES (?, ?, ?)
        ON CONFLICT (signal, fate) DO UPDATE SET items = items + excluded.items"""
    if items:
        connection.execute(statement, (signal, fate, items))


def _unpacked(body: bytes) -> bytes | None:
    """Return what was packed; None if the disk has given back something else."""
    try:
        return gzip.decompress(body)
    except (OSError, EOFError, zlib.error):
        return None


def _now_ms() -> int:
    return time.time_ns() // 10**6


def _set_aside(path: Path) -> None:
    damaged = f"{path.name}.damaged"
    for suffix in ("", "-wal", "-shm"):
        with contextlib.suppress(OSError):
            path.with_name(path.name + suffix).replace(path.with_name(damaged + suffix))
    _log.warning("the spool was damaged: it is set aside as %s, and a new one is begun", damaged)
