"""What is deleted, by age, by size and on request."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from spanguard import settings
from spanguard.settings import Settings
from spanguard.store import Database, StoreError, retention
from spanguard.store.columns import COLUMNS
from spanguard.store.location import network
from spanguard.store.retention import DAY_NS, Retention, count, purge

NOW = time.time_ns()


def rows(number: int, at: int = NOW, resource: int = 1, run: str | None = None, first: int = 0) -> dict[str, list[tuple]]:
    """Return so many spans with an event each, and as many points."""
    ids = [(place.to_bytes(16, "big"), place.to_bytes(8, "big")) for place in range(first, first + number)]
    known = {"resource_id": resource, "scope": "s", "name": "n", "kind": "INTERNAL", "status": "UNSET", "run": run}
    span = {**known, "start_ns": at, "end_ns": at, "attributes": '{"x":"' + "y" * 400 + '"}'}
    columns = COLUMNS["spans"][2:]
    point = {"resource_id": resource, "scope": "s", "name": "n", "unit": "", "kind": "sum", "attributes": "{}"}
    point |= {"start_ns": at, "time_ns": at}
    return {
        "spans": [(*each, *(span.get(column) for column in columns)) for each in ids],
        "span_events": [(*each, at, "e", "{}") for each in ids],
        "metric_points": [tuple(point.get(column) for column in COLUMNS["metric_points"])] * number,
    }


def left(database: Database) -> list[int]:
    """Count what is in the store: spans, their events, points."""
    return [database.rows(f"SELECT count(*) FROM {table}")[0][0] for table in ("spans", "span_events", "metric_points")]


def megabytes(database: Database) -> float:
    """Return what the rows of the store take."""
    pages, free, size = (database.rows(f"PRAGMA {name}")[0][0] for name in ("page_count", "freelist_count", "page_size"))
    return (pages - free) * size / 1e6


@pytest.fixture
def database(path):
    """An open store."""
    with Database.open(path) as opened:
        yield opened


def test_what_is_too_old_goes(database):
    """Spans with their events, and points; what is young enough stays."""
    database.write(rows(10, NOW - 3 * DAY_NS))
    database.write(rows(5, NOW - DAY_NS, first=100))
    Retention(database, days=2, megabytes=0).after(1)
    assert left(database) == [5, 5, 5]


def test_a_store_does_not_outgrow_its_size(database):
    """However much is written, what the rows take stays near the limit; the newest are there."""
    keep = Retention(database, days=0, megabytes=2)
    for batch in range(12):
        database.write(rows(1000, first=1000 * batch))
        keep.after(3000)
    assert megabytes(database) <= 2.5
    assert database.rows("SELECT max(span_id) FROM spans")[0][0] == (11_999).to_bytes(8, "big")
    assert left(database)[0] == left(database)[1]


def test_the_file_gets_smaller(database, path):
    """Free pages are given back a few at a time."""
    database.write(rows(5000))
    database.give_back()
    before = path.stat().st_size
    keep = Retention(database, days=0, megabytes=0.1)
    for _ in range(20):
        keep.after(1000)
    database.give_back()
    assert path.stat().st_size < before / 4


def test_a_little_goes_with_each_batch(database):
    """One step deletes a thousand rows of a table at most, so that others are not held up; batch by batch all go."""
    database.write(rows(5000, NOW - 3 * DAY_NS))
    keep = Retention(database, days=1, megabytes=0)
    keep.after(1)
    assert left(database) == [4000, 4000, 4000]
    for _ in range(4):
        keep.after(1)
    assert left(database) == [0, 0, 0]


def test_without_limits_everything_stays(database):
    """0 is no limit."""
    database.write(rows(10, NOW - 1000 * DAY_NS))
    Retention(database, days=0, megabytes=0).after(10)
    assert left(database) == [10, 10, 10]


def test_a_clock_that_nobody_set_is_not_believed(database):
    """Rows of 1970 were written just now, by a machine that had not heard the time yet."""
    database.write(rows(3, at=1))
    Retention(database, days=1, megabytes=0).after(3)
    assert left(database) == [3, 3, 3]


def test_a_clock_that_jumped_is_not_believed(database, monkeypatch):
    """A process whose clock went a year ahead deletes nothing by age."""
    database.write(rows(3))
    keep = Retention(database, days=1, megabytes=0)
    monkeypatch.setattr(retention.time, "time", lambda: NOW / 1e9 + 365 * 86_400)
    monkeypatch.setattr(retention.time, "time_ns", lambda: NOW + 365 * DAY_NS)
    keep.after(3)
    assert left(database) == [3, 3, 3]


def test_the_settings_decide(start, read, monkeypatch):
    """SPANGUARD_STORE_DAYS holds for every program that writes."""
    monkeypatch.setattr(settings, "in_force", Settings(store_days=1))
    program = start()
    program.tracer.start_span("old", start_time=NOW - 2 * DAY_NS).end()
    program.flush()
    program.tracer.start_span("new").end()
    program.stop()
    assert [row["name"] for row in read().rows("SELECT name FROM spans")] == ["new"]


@pytest.mark.parametrize(("name", "text"), [("SPANGUARD_STORE_DAYS", "-1"), ("SPANGUARD_STORE_MB", "nan")])
def test_a_limit_is_a_number(name, text):
    """And not a negative one."""
    with pytest.raises(settings.SettingsError, match=f"{name}: expected a number from 0"):
        Settings.from_environment({name: text})


# ------------------------------------------------------------------------------------------------------------- purge


@pytest.fixture
def two_runs(database):
    """Two runs, one of them old; the second also has spans that an association gave to another."""
    database.write({"resources": [(1, "one", "shop", "{}"), (2, "two", "shop", "{}")]})
    database.write(rows(1500, NOW - 3 * DAY_NS))
    database.write(rows(20, resource=2, first=2000))
    database.write(rows(5, resource=2, run="one", first=3000))
    return database


def test_a_run_is_purged(two_runs):
    """All that is its own, what an association gave to it included; the others stay."""
    assert count(two_runs, run="one") == 1500 + 1500 + 5
    assert purge(two_runs, run="one") == {"spans": 1505, "metric_points": 1500, "log_events": 0, "drops": 0}
    assert left(two_runs) == [20, 20, 25]
    assert [row["run"] for row in two_runs.rows("SELECT run FROM resources")] == ["two"]


def test_what_is_older_is_purged(two_runs):
    """Before a time, and only of a run if one is named."""
    assert count(two_runs, run="two", before_ns=NOW - DAY_NS) == 0
    assert purge(two_runs, before_ns=NOW - DAY_NS)["spans"] == 1500
    assert left(two_runs) == [25, 25, 25]


def test_all_is_purged_and_overwritten(two_runs, path):
    """Nothing of it is in any of the files, and the store is small again."""
    steps: list[int] = []
    purge(two_runs, told=steps.append)
    assert (left(two_runs), sum(steps), max(steps)) == ([0, 0, 0], 1525 * 2, 1000)
    two_runs.close()
    for file in path.parent.iterdir():
        assert b"yyyy" not in file.read_bytes()
    assert path.stat().st_size < 300_000


def test_others_write_during_a_purge(two_runs, path):
    """What a program writes meanwhile is not lost."""
    with Database.open(path) as other:
        purge(two_runs, run="one", told=lambda _: other.write(rows(1, resource=2, first=9000 + len(rows(1)["spans"]))))
        assert other.rows("SELECT count(*) FROM spans WHERE resource_id = 2")[0][0] > 20


def test_a_store_that_cannot_be_written_cannot_be_purged(two_runs, path):
    """It is an error, not a silence."""
    with Database.open(path, read_only=True) as reader, pytest.raises(StoreError, match="readonly"):
        purge(reader)


# --------------------------------------------------------------------------------------------------------- networks


@pytest.mark.parametrize(
    ("mounts", "is_network"),
    [
        ("/dev/sda / ext4 rw", False),
        ("/dev/sda / ext4 rw\nserver:/home {here} nfs4 rw", True),
        ("server:/home / nfs rw\n/dev/sdb {here} ext4 rw", False),
        ("/dev/sda / ext4 rw\nuser@host: {here} fuse.sshfs rw", True),
        ("/dev/sda / ext4 rw\nserver:/x {here}x nfs rw", False),
        ("server:/x {here} nfs rw\ntmpfs {here} tmpfs rw", False),
        ("nonsense", False),
    ],
)
def test_a_network_filesystem_is_recognised(tmp_path, mounts, is_network):
    """The mount that a directory is under decides, the longest and the latest."""
    (tmp_path / "mounts").write_text(mounts.format(here=tmp_path))
    assert network(tmp_path / "deep" / "er", tmp_path / "mounts") is is_network


def test_without_proc_nobody_tells(tmp_path):
    """Other systems than Linux have no such file."""
    assert network(tmp_path, Path("/nonexistent/mounts")) is False


def test_a_store_on_a_network_is_elsewhere(tmp_path, monkeypatch, caplog):
    """Its locks do not hold there: the state directory is taken, with a warning."""
    from spanguard.store import location

    state = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    monkeypatch.setattr(location, "network", lambda directory: state not in directory.parents)
    assert location.resolve("", tmp_path / "project") == state / "spanguard" / "telemetry.db"
    assert "network filesystem" in caplog.text
