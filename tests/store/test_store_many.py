"""Sixteen writers, a live reader, and kill -9 at random: nothing that was acknowledged is lost."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from spanguard.store import Database

WRITERS = 16
SECONDS = 6
WRITER = """
import sys
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExportResult
from spanguard.store import StoreSpanExporter
from spanguard.privacy import modes
modes.use("off")
name, exporter = sys.argv[2], StoreSpanExporter(sys.argv[1])
tracer = TracerProvider(shutdown_on_exit=False).get_tracer("t")
for batch in range(1_000_000):
    spans = [tracer.start_span(f"{name}-{batch}-{number}") for number in range(20)]
    for span in spans:
        span.end()
    if exporter.export(spans) is not SpanExportResult.SUCCESS:
        print("failed", flush=True)
    print(batch, flush=True)
"""


def start(path: Path, name: int) -> subprocess.Popen[str]:
    """Start a process that writes batches of twenty spans, and says after each that it is written."""
    return subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(name)], stdout=subprocess.PIPE, text=True)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_no_acknowledged_row_is_lost(path):
    """Half of the writers are killed and replaced while all write; a reader sees whole batches only, and ever more."""
    Database.open(path).close()
    chance = random.Random(4711)
    alive = [start(path, name) for name in range(WRITERS)]
    told: list[str] = []
    seen, names = 0, WRITERS
    until = time.monotonic() + SECONDS
    with Database.open(path, read_only=True) as reader:
        while time.monotonic() < until:
            time.sleep(0.3)
            count = reader.rows("SELECT count(*) FROM spans")[0][0]
            assert (count % 20, count >= seen) == (0, True)
            seen = count
            place = chance.randrange(WRITERS)
            alive[place].send_signal(signal.SIGKILL)
            told.append(_acknowledged(alive[place]))
            alive[place] = start(path, names)
            names += 1
    for process in alive:
        process.send_signal(signal.SIGKILL)
        told.append(_acknowledged(process))
    assert not [line for lines in told for line in lines.splitlines() if line == "failed"]
    acknowledged = sum(len(lines.splitlines()) for lines in told)
    with Database.open(path) as database:
        assert database.rows("PRAGMA integrity_check")[0][0] == "ok"
        rows = database.rows("SELECT name FROM spans")
    batches = {row["name"].rpartition("-")[0] for row in rows}
    assert len(rows) == 20 * len(batches)
    # One that was killed between writing and saying so has written one batch more.
    assert 0 <= len(batches) - acknowledged <= len(told)
    assert acknowledged > WRITERS


def _acknowledged(process: subprocess.Popen[str]) -> str:
    with closing(process.stdout) as output:  # type: ignore[type-var]
        text = output.read()
    process.wait()
    return text[: text.rfind("\n") + 1]


@pytest.mark.slow
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


@pytest.mark.slow
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
