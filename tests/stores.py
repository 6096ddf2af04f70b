"""Fixtures of tests whose programs write a store: where it is, how it is read, and programs that are stopped in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol, TypeVar

import pytest

from spanguard.privacy import modes
from spanguard.store import Database
from spanguard.store.columns import COLUMNS
from spanguard.store.schema import Rows


class Stopped(Protocol):
    """What is started for a test."""

    def stop(self) -> None:
        """End it; again does nothing."""
        ...


T = TypeVar("T", bound=Stopped)


def started(begin: Callable[..., T]) -> Iterator[Callable[..., T]]:
    """Start programs; each is stopped at the end of the test."""
    programs: list[T] = []

    def start(*args: object, **kwargs: object) -> T:
        programs.append(begin(*args, **kwargs))
        return programs[-1]

    yield start
    for program in programs:
        program.stop()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store of the test will be."""
    return tmp_path / "telemetry.db"


@pytest.fixture
def store(path: Path) -> Iterator[Database]:
    """One store for all examples of a law; `refilled` empties it."""
    with Database.open(path) as database:
        yield database


def refilled(database: Database, rows: Rows) -> Database:
    """Give a store these rows and no others: it takes a tenth of the time that a new one takes."""
    with database.transaction() as connection:
        for table in COLUMNS:
            connection.execute(f"DELETE FROM {table}")
    database.write(rows)
    return database


@pytest.fixture
def read(path: Path) -> Iterator[Callable[[], Database]]:
    """Open the store for reading; closed at the end of the test."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(Database.open(path, read_only=True))


@pytest.fixture(autouse=True)
def as_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let made-up names and attributes pass the guard: what it does is tested elsewhere."""
    monkeypatch.setattr(modes.in_force, "mode", "off")
