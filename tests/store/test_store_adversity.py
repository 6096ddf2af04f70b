"""What happens to stores: disks that fill up, files that are taken away, half written, damaged, or none at all.

No acknowledged row is lost, no program notices, and whoever asks gets one sentence.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from spanguard.store import Database, StoreError

ROW = (1, "spans", 1, 1)
posix = pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX")


def count(path: Path) -> int:
    """Count the rows that were written."""
    with Database.open(path, read_only=True) as database:
        return int(database.rows("SELECT count(*) FROM drops")[0][0])


def names(path: Path) -> set[str]:
    """Return the names of the spans that are there."""
    with Database.open(path, read_only=True) as database:
        return {row["name"] for row in database.rows("SELECT name FROM spans")}


# ------------------------------------------------------------------------------------------------- while a program runs


def record(program, name: str) -> None:
    """Record a span, and have it written."""
    program.tracer.start_span(name).end()
    program.flush()


@posix
def test_a_store_that_is_deleted_is_begun_anew(start, path, caplog):
    """A program that goes on writes into a new file, and not into one that nobody can find any more."""
    program = start()
    record(program, "before")
    for file in path.parent.glob("telemetry.db*"):
        file.unlink()
    record(program, "after")
    assert names(path) == {"after"}
    record(program, "and on")
    program.stop()
    assert names(path) == {"after", "and on"}
    assert not caplog.messages


@posix
def test_a_store_that_is_moved_away_stays_whole(start, path, tmp_path):
    """Neither file gets rows of the other's, or loses its log to it."""
    program = start()
    record(program, "before")
    (tmp_path / "old").mkdir()
    for file in path.parent.glob("telemetry.db*"):
        file.rename(tmp_path / "old" / file.name)
    record(program, "after")
    program.stop()
    assert (names(tmp_path / "old" / path.name), names(path)) == ({"before"}, {"after"})


def test_a_store_that_is_damaged_disturbs_nobody(start, path, caplog):
    """What cannot be written is dropped, counted and said once; the file stays for whoever can save something of it."""
    with Database.open(path) as database:
        database.write({"drops": [ROW] * 5_000})
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * (path.stat().st_size - 8192))
    before = path.read_bytes()
    program = start()
    for _ in range(3):
        record(program, "lost")
    program.stop()
    assert program.spans.dropped == 3
    assert len([line for line in caplog.messages if line.startswith("spans dropped: the local store is damaged")]) == 1
    assert path.read_bytes() == before


@posix
def test_a_store_that_is_cut_short_disturbs_nobody(start, path, caplog):
    """While it is open."""
    program = start()
    for _ in range(20):
        record(program, "before")
    os.truncate(path, 100)
    for _ in range(3):
        record(program, "after")
    program.stop()
    assert len([line for line in caplog.messages if line.startswith("spans dropped")]) <= 1


FULL = """
import resource, signal, spanguard
from spanguard import traced_llm_call

@traced_llm_call(provider="openai", model="gpt-5.2")
def ask():
    return {"usage": {"input_tokens": 3, "output_tokens": 1}}

pipeline = spanguard.configure(run="full")
ask()
pipeline.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))  # no file may grow beyond
for _ in range(3):
    for _ in range(300):
        ask()
    pipeline.flush()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
ask()
pipeline.flush()
print("done")
"""


@posix
def test_a_full_disk_disturbs_no_program(tmp_path):
    """A real one, to the system: what was written stays, what was not is counted, and it is said once for each signal."""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", FULL], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert (ran.returncode, ran.stdout) == (0, "done\n"), ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stderr.count("spans dropped: the local store") == 1
    with Database.open(tmp_path / ".spanguard" / "telemetry.db", read_only=True) as database:
        assert database.rows("PRAGMA integrity_check")[0][0] == "ok"
        (lost,) = database.rows("SELECT total(items) FROM drops WHERE signal = 'spans'")[0]
        (kept,) = database.rows("SELECT count(*) FROM spans")[0]
    assert (lost > 0, kept + lost) == (True, 902)


# --------------------------------------------------------------------------------------------------- what others left


HALF = """
import os, signal, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA journal_mode = DELETE")
connection.execute("PRAGMA cache_size = 1")  # so that pages are written before they are committed
connection.execute("BEGIN")
connection.execute("UPDATE drops SET items = 7")
os.kill(os.getpid(), signal.SIGKILL)
"""


@posix
def test_what_a_killed_process_left_half_changed_is_rolled_back(path):
    """By the next that writes; one that only reads says so, and changes nothing."""
    with Database.open(path) as database:
        database.write({"drops": [ROW] * 20_000})
    subprocess.run([sys.executable, "-c", HALF, path], check=False)
    assert path.with_name("telemetry.db-journal").stat().st_size
    with pytest.raises(StoreError, match="mended by the next program that writes it"):
        count(path)
    with Database.open(path) as database:
        database.write({"drops": [ROW]})
        assert database.rows("SELECT count(*), sum(items) FROM drops")[0][:] == (20_001, 20_001)
    assert not path.with_name("telemetry.db-journal").exists()


@pytest.mark.parametrize("rest", ["-journal", "-wal"])
def test_rubbish_beside_the_store_costs_nothing(path, rest):
    """A journal or a log that is none."""
    with Database.open(path) as database:
        database.write({"drops": [ROW] * 10})
    path.with_name(path.name + rest).write_bytes(b"rubbish" * 1_000)
    with Database.open(path) as database:
        database.write({"drops": [ROW]})
    assert count(path) == 11


def test_a_log_that_was_left_behind_is_read(path, tmp_path):
    """A copy of a store whose program is still at work, or was killed; its index is made anew."""
    copy = tmp_path / "copy.db"
    with Database.open(path) as database:
        database.write({"drops": [ROW] * 10})
        for rest in ("", "-wal"):
            shutil.copy(path.with_name(path.name + rest), copy.with_name(copy.name + rest))
    assert count(copy) == 10
    with Database.open(copy) as database:
        database.write({"drops": [ROW]})
    assert count(copy) == 11


@pytest.mark.parametrize("kind", ["directory", "dangling", "loop", "pipe"])
@posix
def test_what_is_no_file_is_no_store(path, tmp_path, kind):
    """One sentence, whether it is to be read or written; nothing waits, and nothing is made."""
    made = {
        "directory": path.mkdir,
        "dangling": lambda: path.symlink_to(tmp_path / "nowhere.db"),
        "loop": lambda: path.symlink_to(path),
        "pipe": lambda: os.mkfifo(path),
    }
    made[kind]()
    for read_only in (True, False):
        with pytest.raises(StoreError, match="is no file, but a directory, a link to nothing or the like"):
            Database.open(path, read_only=read_only)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


@posix
def test_a_link_to_a_store_is_a_store(path, tmp_path):
    """Both names are of one file with one log, whoever writes."""
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "real.db"
    path.symlink_to(target)
    with Database.open(target) as one, Database.open(path) as other:
        one.write({"drops": [ROW]})
        other.write({"drops": [ROW]})
        assert count(path) == count(target) == 2
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == ["telemetry.db"]


@contextmanager
def as_somebody() -> Iterator[None]:
    """Be a user who may write nowhere; for root modes mean nothing."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(before)


@pytest.fixture
def sealed() -> Iterator[Path]:
    """A directory that everybody may look into, and nobody write; with a store in it."""
    directory = Path(tempfile.mkdtemp())
    with Database.open(directory / "telemetry.db") as database:
        database.write({"drops": [ROW] * 3})
    (directory / "telemetry.db").chmod(0o444)
    directory.chmod(0o555)
    yield directory / "telemetry.db"
    directory.chmod(0o755)
    shutil.rmtree(directory)


@posix
def test_a_store_is_read_where_nothing_can_be_written(sealed):
    """An archive, an artifact of CI, a disk that is mounted read-only."""
    with as_somebody():
        assert count(sealed) == 3
        with pytest.raises(StoreError, match="cannot be used"):
            Database.open(sealed)
    assert [each.name for each in sealed.parent.iterdir()] == ["telemetry.db"]


@posix
def test_rows_in_a_log_that_cannot_be_read_are_not_left_out_in_silence(sealed):
    """Whoever reads is told to copy the files elsewhere."""
    sealed.parent.chmod(0o755)
    with Database.open(sealed) as database:
        database.write({"drops": [ROW]})
        log = sealed.with_name("telemetry.db-wal").read_bytes()
    sealed.with_name("telemetry.db-wal").write_bytes(log)
    sealed.with_name("telemetry.db-wal").chmod(0o444)
    sealed.parent.chmod(0o555)
    with as_somebody(), pytest.raises(StoreError, match="copy both elsewhere"):
        count(sealed)


# ------------------------------------------------------------------------------------------------------------- privacy

UMASK = """
import os
os.umask(0)
import spanguard
pipeline = spanguard.configure()
with spanguard.traced_llm_call(model="gpt-5.2"):
    pass
pipeline.shutdown()
"""


@posix
@pytest.mark.parametrize("exporter", ["spanguard", "spanguard_jsonl", "otlp"])
def test_nobody_else_can_read_what_is_kept(tmp_path, exporter):
    """Files of mode 0600 in a directory of mode 0700, whatever the umask says: the store, JSON lines, the spool."""
    environment = {f"OTEL_{signal}_EXPORTER": exporter for signal in ("TRACES", "METRICS", "LOGS")}
    environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:9"
    subprocess.run([sys.executable, "-c", UMASK], cwd=tmp_path, check=True, timeout=60, env={**os.environ, **environment})
    directory = tmp_path / ".spanguard"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in directory.iterdir() if file.name != ".gitignore"}
    assert modes
    assert set(modes.values()) == {0o600}
