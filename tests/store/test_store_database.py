"""One file, many processes and threads."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from spanguard import semconv
from spanguard.store import Database, StoreError, schema, trace

ROW = (1, "spans", 1, 1)
forks = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]

WRITER = """
import sys
from spanguard.store import Database
path, batches, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
with Database.open(path) as database:
    for number in range(batches):
        database.write({"drops": [(1, "spans", number, 1)] * size})
        print(number + 1, flush=True)
"""


def writer(path: Path, batches: int, size: int) -> subprocess.Popen[str]:
    """Start another process that writes when it is told to, and says after each batch how many it has written."""
    command = [sys.executable, "-c", WRITER, str(path), str(batches), str(size)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    """Tell the writer to begin."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def count(database: Database) -> int:
    """Count the rows that were written."""
    return database.rows("SELECT count(*) FROM drops")[0][0]


def integrity(path: Path) -> str:
    """Let SQLite check the whole file."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchone()[0]


def pragma(database: Database, name: str) -> object:
    """Return what SQLite says of the store."""
    return database.rows(f"PRAGMA {name}")[0][0]


# ---------------------------------------------------------------------------------------------------------- the file


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX")
def test_only_the_owner_can_read_the_file(path):
    """The store and its log have mode 0600, whatever the umask says."""
    before = os.umask(0)
    try:
        with Database.open(path) as database:
            database.write({"drops": [ROW]})
            files = sorted(path.parent.iterdir())
            assert [file.name for file in files] == ["telemetry.db", "telemetry.db-shm", "telemetry.db-wal"]
            assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    finally:
        os.umask(before)


def test_the_file_is_set_up_for_many_writers(path):
    """Write-ahead log, space given back in steps, large pages, a wait of ten seconds for others."""
    with Database.open(path) as database:
        found = {
            name: pragma(database, name)
            for name in ("journal_mode", "synchronous", "busy_timeout", "auto_vacuum", "page_size")
        }
    assert found == {"journal_mode": "wal", "synchronous": 1, "busy_timeout": 10_000, "auto_vacuum": 2, "page_size": 8192}


def test_a_path_may_hold_any_character(tmp_path):
    """Spaces, question marks, hashes and percent signs in a path mean nothing to SQLite."""
    path = tmp_path / "a b%20#1?mode=ro.db"
    with Database.open(path) as database:
        database.write({"drops": [ROW]})
    assert path.is_file()


def test_a_batch_is_written_whole_or_not_at_all(path):
    """If one row of a batch is refused, none of it is in the store."""
    with Database.open(path) as database:
        with pytest.raises(StoreError, match="NOT NULL"):
            database.write({"drops": [ROW, (None, None, None, None)]})
        assert count(database) == 0
        database.write({"drops": [ROW]})
        assert count(database) == 1


def test_a_closed_store_stays_closed(path):
    """After close() nothing is read or written, and closing again does nothing."""
    database = Database.open(path)
    database.close()
    database.close()
    with pytest.raises(StoreError, match="was closed"):
        database.write({"drops": [ROW]})


# ------------------------------------------------------------------------------------------- what is not a store


def refused(path: Path, *, read_only: bool = False) -> str:
    """Return why the file is refused, after checking that it was left as it was."""
    before = path.read_bytes()
    with pytest.raises(StoreError) as error:
        Database.open(path, read_only=read_only)
    assert path.read_bytes() == before
    assert str(error.value).startswith(f"{path}: ")
    return error.value.reason


@pytest.fixture
def store(path: Path) -> Path:
    """Make a store of many pages."""
    with Database.open(path) as database:
        database.write({"drops": [ROW] * 5_000})
    return path


@pytest.mark.parametrize("read_only", [False, True])
def test_a_truncated_store_is_refused(store, read_only):
    """Half a file is damaged, and is left for whoever can save something of it."""
    os.truncate(store, store.stat().st_size // 2)
    assert "damaged" in refused(store, read_only=read_only)


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_no_database_is_refused(path, read_only):
    """A text file is not overwritten."""
    path.write_text("my notes\n" * 100)
    assert "no store of spanguard" in refused(path, read_only=read_only)


@pytest.mark.parametrize("read_only", [False, True])
def test_a_database_of_another_program_is_refused(path, read_only):
    """Somebody's database gets no tables of ours."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE cookies (name TEXT)")
    assert "another program" in refused(path, read_only=read_only)


@pytest.mark.parametrize("read_only", [False, True])
def test_a_store_of_a_newer_version_is_refused(store, read_only):
    """An older spanguard does not touch what it does not know."""
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert f"newer spanguard (schema 99, this one knows {len(schema.MIGRATIONS)})" in refused(store, read_only=read_only)


def test_an_empty_file_becomes_a_store(path):
    """A file without a byte (mktemp, touch) is used; to a reader it has nothing in it yet."""
    path.touch()
    assert "nothing was written" in refused(path, read_only=True)
    with Database.open(path) as database:
        assert count(database) == 0


def test_a_reader_does_not_make_a_store(path):
    """To look where nothing is raises, and leaves nothing."""
    with pytest.raises(StoreError, match="there is no store"):
        Database.open(path, read_only=True)
    assert not path.exists()


def test_a_reader_cannot_write(store):
    """A store that is opened for reading is not written."""
    with Database.open(store, read_only=True) as database, pytest.raises(StoreError, match="readonly"):
        database.write({"drops": [ROW]})


def test_a_missing_directory_is_an_error(path):
    """The store does not make directories; resolve() does."""
    with pytest.raises(StoreError, match="cannot be made or opened"):
        Database.open(path / "missing" / "t.db")


def test_an_older_store_is_brought_up_to_date(store, monkeypatch):
    """A file of an older version goes through the migrations it has not seen, and keeps its rows."""
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, ("CREATE TABLE more (x)", "INSERT INTO more VALUES (7)")))
    assert "nothing was written by this version" in refused(store, read_only=True)
    for _ in range(2):
        with Database.open(store) as database:
            assert pragma(database, "user_version") == len(schema.MIGRATIONS)
            assert [row["x"] for row in database.rows("SELECT x FROM more")] == [7]
            assert count(database) == 5_000


def test_a_migration_that_fails_changes_nothing(store, monkeypatch):
    """Each migration is one transaction: a store is never between two versions."""
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, ("CREATE TABLE more (x)", "CREATE TABLE more (x)")))
    with pytest.raises(StoreError, match="already exists"):
        Database.open(store)
    monkeypatch.undo()
    with Database.open(store) as database:
        assert pragma(database, "user_version") == len(schema.MIGRATIONS)
        assert not database.rows("SELECT 1 FROM sqlite_master WHERE name = 'more'")


# -------------------------------------------------------------------------------------------------- many at once


def test_processes_write_at_once(path):
    """Processes that make and write the same store at the same moment lose nothing."""
    processes = [writer(path, batches=20, size=50) for _ in range(4)]
    for process in processes:
        go(process)
    for process in processes:
        process.communicate()
    assert [process.returncode for process in processes] == [0] * 4
    with Database.open(path, read_only=True) as database:
        assert count(database) == 4 * 20 * 50
    assert integrity(path) == "ok"


def test_threads_share_a_connection(path):
    """Threads of a process take turns, and none has to know of the others."""
    with Database.open(path) as database:
        threads = [
            threading.Thread(target=lambda: [database.write({"drops": [ROW] * 10}) for _ in range(20)]) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert count(database) == 8 * 20 * 10


def test_a_reader_sees_whole_batches_while_another_process_writes(path):
    """Reading does not wait for the writer, never sees part of a batch, and never sees less than before."""
    Database.open(path).close()
    process = writer(path, batches=100, size=7)
    seen = [0]
    with Database.open(path, read_only=True) as database:
        go(process)
        while process.poll() is None:
            seen.append(count(database))
        seen.append(count(database))
    process.communicate()
    assert seen == sorted(seen)
    assert {rows % 7 for rows in seen} == {0}
    assert seen[-1] == 700


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_what_was_written_survives_kill_9(path):
    """A process that is killed leaves a sound file with every batch that it had written, and no part of another."""
    process = writer(path, batches=100_000, size=7)
    go(process)
    assert process.stdout is not None
    acknowledged = [process.stdout.readline() for _ in range(30)]
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with Database.open(path, read_only=True) as database:
        assert count(database) >= 7 * int(acknowledged[-1])
        assert count(database) % 7 == 0
    assert integrity(path) == "ok"


# ------------------------------------------------------------------------------------------------------------ fork


def in_child(work) -> int:
    """Do the work in a forked child; return its exit status."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class TestFork:
    """A process that forks while the store is open."""

    pytestmark = forks

    def test_parent_and_child_both_write(self, path):
        """A store that was open when the process forked is written by both afterwards."""
        with Database.open(path) as database:
            database.write({"drops": [ROW]})
            assert in_child(lambda: database.write({"drops": [ROW] * 2})) == 0
            database.write({"drops": [ROW] * 4})
            assert count(database) == 7
        assert integrity(path) == "ok"

    def test_a_child_outlives_its_parents_connection(self, path):
        """What the child writes after the parent has closed the store is kept.

        SQLite's locks do not pass to a child, though its memory of them does: a parent with an open connection would take
        itself for the last user of the file, and remove the log that the child goes on writing.
        """
        database = Database.open(path)
        database.write({"drops": [ROW]})
        tell_parent, tell_child = os.pipe(), os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                database.write({"drops": [ROW] * 2})
                os.write(tell_parent[1], b".")
                os.read(tell_child[0], 1)
                database.write({"drops": [ROW] * 4})
            finally:
                os._exit(0)
        os.read(tell_parent[0], 1)
        database.write({"drops": [ROW] * 8})
        database.close()
        os.write(tell_child[1], b".")
        os.waitpid(pid, 0)
        for end in (*tell_parent, *tell_child):
            os.close(end)
        with Database.open(path, read_only=True) as database:
            assert count(database) == 15

    def test_a_child_is_not_stopped_by_another_thread_of_its_parent(self, path, monkeypatch):
        """If a thread holds the store for too long the fork goes on; the child then keeps nothing, and says why."""
        monkeypatch.setattr("spanguard.store.database.FORK_SECONDS", 0.01)
        entered, leave = threading.Event(), threading.Event()

        def occupy() -> None:
            with database._use():
                entered.set()
                leave.wait()

        def refused() -> None:
            with pytest.raises(StoreError, match="when the process forked"):
                database.write({"drops": [ROW]})

        with Database.open(path) as database:
            thread = threading.Thread(target=occupy)
            thread.start()
            entered.wait()
            assert in_child(refused) == 0
            leave.set()
            thread.join()
            database.write({"drops": [ROW]})
            assert count(database) == 1


def test_the_first_version_is_read_by_the_second(path, monkeypatch):
    """What got columns of its own moves there from the JSON of older rows, and back into what is read."""
    monkeypatch.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
    old = {semconv.USER: "h:1", semconv.RUN_ID: "nightly", semconv.GEN_AI_INPUT: 7, semconv.CALL_COST: 0.5, "other": [1]}
    known = ("trace_id", "span_id", "resource_id", "scope", "name", "kind", "start_ns", "end_ns", "status", "operation")
    values = (b"t" * 16, b"s" * 8, 1, "s", "chat", "CLIENT", 1, 2, "UNSET", "chat", json.dumps(old))
    with Database.open(path) as database, database.transaction() as connection:
        connection.execute("INSERT INTO resources VALUES (1, 'r', 'shop', '{}')")
        statement = f"INSERT INTO spans ({', '.join(known)}, attributes) VALUES ({', '.join('?' * len(values))})"
        connection.execute(statement, values)
    monkeypatch.undo()
    with Database.open(path) as database:
        (row,) = database.rows("SELECT * FROM spans")
        assert json.loads(row["attributes"]) == {"other": [1]}
        (call,) = database.rows("SELECT run, user, input_tokens, cost FROM llm_calls")
        assert tuple(call) == ("nightly", "h:1", 7, 0.5)
        (span,) = trace(database, (b"t" * 16).hex())
    assert span.attributes == {**old, semconv.GEN_AI_OPERATION: "chat"}
