"""What the exporters of one process share for one file: its connection, and the account of what could not be written."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from opentelemetry.sdk.resources import Resource

from spanguard import settings
from spanguard.settings import Settings
from spanguard.store.database import Database, StoreError
from spanguard.store.encode import drop_rows
from spanguard.store.retention import Retention
from spanguard.store.schema import Rows

_log: Final = logging.getLogger("spanguard")
_writers: dict[Path, Writer] = {}
_lock = threading.Lock()


class Writer:
    """Writes batches to one file and never raises."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path)
        limits = settings.in_force or Settings.tolerant()[0]
        self._retention = Retention(self._database, limits.store_days, limits.store_mb)
        self._users = 0
        self._reported: set[str] = set()
        # Drops are written with the next batch that can be. A deque needs no lock that a fork could leave locked.
        self._unwritten: deque[Rows] = deque(maxlen=10_000)

    @classmethod
    def of(cls, path: Path) -> Writer:
        """Return this process's writer for the file; each caller has to `release` it."""
        with _lock:
            if path.absolute() not in _writers:
                _writers[path.absolute()] = cls(path)
            writer = _writers[path.absolute()]
            writer._users += 1
            return writer

    def release(self) -> None:
        """Close the file when nobody uses it any more."""
        with _lock:
            self._users -= 1
            if self._users:
                return
            _writers.pop(self._database.path, None)
        with contextlib.suppress(StoreError):
            self._write({})
        self._database.close()

    def keep(self, encode: Callable[[], Rows]) -> Exception | None:
        """Write a batch; return what went wrong, if anything did."""
        try:
            written = self._write(encode())
        except Exception as error:  # the border to the SDK, and to the program behind it
            return error
        self._tidy(written)
        return None

    def _tidy(self, written: int) -> None:
        """Delete what is too old or too much. The batch is written already: a fault here is no fault of it."""
        try:
            self._retention.after(written)
        except Exception as error:
            self._report("retention", "old rows stay", error)

    def dropped(self, resource: Resource | None, signal: str, items: int, error: Exception) -> None:
        """Take note that items were dropped, to be written when that is possible; log the first time."""
        self.note(resource, signal, items)
        self._report(signal, f"{signal} dropped", error)

    def note(self, resource: Resource | None, signal: str, items: int) -> None:
        """Take note that items were dropped, to be written with the next batch that can be."""
        with contextlib.suppress(Exception):  # it may be the resource that cannot be encoded
            self._unwritten.append(drop_rows(resource, signal, time.time_ns(), items))

    def _report(self, subject: str, fault: str, error: Exception) -> None:
        if subject not in self._reported:
            self._reported.add(subject)
            reason = error.reason if isinstance(error, StoreError) else type(error).__name__
            _log.warning("%s: the local store %s (reported once, all are counted)", fault, reason)

    def _write(self, rows: Rows) -> int:
        noted: list[Rows] = []
        with contextlib.suppress(IndexError):
            while True:
                noted.append(self._unwritten.popleft())
        try:
            if rows or noted:
                self._database.write(_merged([rows, *noted]))
        except BaseException:
            self._unwritten.extend(noted)
            raise
        return sum(map(len, rows.values()))


def _merged(batches: list[Rows]) -> Rows:
    merged: Rows = {}
    for batch in batches:
        for table, rows in batch.items():
            merged.setdefault(table, []).extend(rows)
    return merged


def _after_fork_in_child() -> None:
    """Leave to the parent what it dropped."""
    global _lock
    _lock = threading.Lock()
    for writer in _writers.values():
        writer._unwritten.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
