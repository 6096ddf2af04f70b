"""Sixteen writers, a live reader, and kill -9 at random: nothing that was acknowledged is lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from spanguard.store import Database

WRITERS = 16
KILLS = 12
SECONDS = float(os.environ.get("SPANGUARD_TEST_SECONDS", "0"))
"""How long it goes on at least; a minute is what the store was judged by, and a few seconds find what a minute does."""
# One process that is ready to write, and forks a writer for each name that it is told: to start sixteen takes no time.
NURSERY = """
import os, signal, sys
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from spanguard.store import StoreSpanExporter
from spanguard.privacy import modes

def write(name):
    modes.use("off")
    exporter = StoreSpanExporter(sys.argv[1])
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("t")
    told = os.open(name, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    for batch in range(1_000_000):
        spans = [tracer.start_span(f"{name}-{batch}-{number}") for number in range(20)]
        for span in spans:
            span.end()
        written = exporter.export(spans) is SpanExportResult.SUCCESS
        os.write(told, b"." if written else b"!")

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    child = os.fork()
    if not child:
        write(line.strip())
    print(child, flush=True)
"""


class Writers:
    """Writers in processes of their own, each of which says in a file of its name how many batches it has written."""

    def __init__(self, nursery: subprocess.Popen[str], directory: Path) -> None:
        self._nursery = nursery
        self._directory = directory
        self.pids: dict[str, int] = {}
        self.names: list[str] = []

    def start(self) -> None:
        """Start one more."""
        name = f"w{len(self.names)}"
        self.names.append(name)
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        self._nursery.stdin.write(f"{name}\n")
        self._nursery.stdin.flush()
        self.pids[name] = int(self._nursery.stdout.readline())

    def told(self, name: str) -> bytes:
        """Return what a writer has said."""
        file = self._directory / name
        return file.read_bytes() if file.exists() else b""

    def kill(self, name: str) -> None:
        """Kill one in the middle of whatever it does."""
        os.kill(self.pids.pop(name), signal.SIGKILL)


@pytest.fixture
def writers(path: Path, tmp_path: Path):
    """Sixteen writers at work on one store."""
    Database.open(path).close()
    command = [sys.executable, "-c", NURSERY, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as nursery:
        found = Writers(nursery, tmp_path)
        try:
            for _ in range(WRITERS):
                found.start()
            yield found
        finally:
            for name in [*found.pids]:
                found.kill(name)
            nursery.kill()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_no_acknowledged_row_is_lost(path, writers):
    """Writers are killed and replaced while all write; a reader sees whole batches only, and ever more."""
    chance, begin, seen, killed = random.Random(4711), time.monotonic(), 0, 0
    with Database.open(path, read_only=True) as reader:
        while killed < KILLS or time.monotonic() < begin + SECONDS:
            assert time.monotonic() < begin + SECONDS + 120, "the writers do not get on"
            count = reader.rows("SELECT count(*) FROM spans")[0][0]
            assert (count % 20, count >= seen) == (0, True)
            seen = count
            at_work = [name for name in writers.pids if writers.told(name)]
            if at_work:
                writers.kill(chance.choice(at_work))
                writers.start()
                killed += 1
            time.sleep(0.05)
    for name in [*writers.pids]:
        writers.kill(name)
    told = [writers.told(name) for name in writers.names]
    assert b"!" not in b"".join(told)
    acknowledged = sum(map(len, told))
    with Database.open(path) as database:
        assert database.rows("PRAGMA integrity_check")[0][0] == "ok"
        rows = database.rows("SELECT name FROM spans")
    batches = {row["name"].rpartition("-")[0] for row in rows}
    assert len(rows) == 20 * len(batches)
    # One that was killed between writing and saying so has written one batch more.
    assert 0 <= len(batches) - acknowledged <= len(told)
    assert acknowledged >= KILLS


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")
def test_a_full_disk_disturbs_nobody(path, start, caplog, monkeypatch):
    """What cannot be written is dropped and counted, logged once, and the program goes on; later batches are kept."""
    program = start()
    program.tracer.start_span("before").end()
    program.flush()
    database = program.spans._writer._database
    # SQLite says "database or disk is full" beyond this many pages.
    pages = database.rows("PRAGMA page_count")[0][0]
    database.rows(f"PRAGMA max_page_count = {pages}")
    for _ in range(3):
        for _ in range(400):
            program.tracer.start_span("lost", attributes={"x": "y" * 200}).end()
        program.flush()
    database.rows("PRAGMA max_page_count = 1000000")
    program.tracer.start_span("after").end()
    program.stop()
    with Database.open(path, read_only=True) as reader:
        kept = {row["name"] for row in reader.rows("SELECT name FROM spans")}
        assert {"before", "after"} <= kept
        dropped = reader.rows("SELECT total(items) FROM drops")[0][0]
    assert dropped == program.spans.dropped >= 400
    assert len([line for line in caplog.messages if "full" in line]) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX")
def test_a_directory_that_becomes_read_only_disturbs_nobody(path, start, caplog):
    """A store that is taken away while a program runs: one line in the log, no exception."""
    program = start()
    program.tracer.start_span("before").end()
    program.flush()
    program.spans._writer._database._disconnect()
    for file in path.parent.glob("telemetry.db*"):
        file.unlink()
    path.mkdir()
    program.tracer.start_span("lost").end()
    program.stop()
    assert program.spans.dropped == 1
    assert len([line for line in caplog.messages if line.startswith("spans dropped")]) == 1
