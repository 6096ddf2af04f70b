"""Connections that read a store for many who ask at once, none of them for longer than a given time."""

from __future__ import annotations

import queue
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from spanguard.store.database import Database, StoreError

SECONDS: Final = 5.0
"""How long a question may take."""
_STEPS: Final = 20_000
"""Steps of SQLite's machine between two looks at the clock, some hundred microseconds."""


class TooSlowError(StoreError):
    """Raised when a question takes too long, or everybody else's do."""


class _Reader(Database):
    """A connection for one question at a time."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, read_only=True)
        self.until = 0.0

    def _connect(self) -> sqlite3.Connection:
        connection = super()._connect()
        connection.execute("PRAGMA query_only = ON")
        connection.set_progress_handler(lambda: time.monotonic() > self.until, _STEPS)
        return connection


class Readers:
    """A few connections that only read one store; the file need not be there yet."""

    def __init__(self, path: Path, count: int = 4, seconds: float = SECONDS) -> None:
        self.path = path
        self._seconds = seconds
        self._free: queue.LifoQueue[_Reader] = queue.LifoQueue()
        self._all = [_Reader(path) for _ in range(count)]
        for each in self._all:
            self._free.put(each)

    @contextmanager
    def one(self) -> Iterator[Database]:
        """Have a connection to oneself. Raises `TooSlowError` where what is asked, or the wait for it, takes too long."""
        try:
            reader = self._free.get(timeout=self._seconds)
        except queue.Empty:
            raise TooSlowError(self.path, "is being read by too many at once") from None
        reader.until = time.monotonic() + self._seconds
        try:
            yield reader
        except StoreError as error:
            if time.monotonic() > reader.until:
                raise TooSlowError(self.path, f"takes longer than {self._seconds:g} s to say that") from error
            raise
        finally:
            self._free.put(reader)

    def close(self) -> None:
        """Close all of them."""
        for each in self._all:
            each.close()
