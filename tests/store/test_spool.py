"""The spool file: what waits in it, who may send it, and what is dropped."""

from __future__ import annotations

import logging
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanguard.store import spool as module
from spanguard.store.database import StoreError
from spanguard.store.spool import DROPPED, LONGEST_LEASE, Part, Place, Spool, status

ENDPOINT = "https://collector.example.com/very-secret-path"


class Clock:
    """A wall clock that the test sets."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def now_ms(self) -> int:
        return int(self.seconds * 1000)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that leases are given by."""
    given_ = Clock()
    monkeypatch.setattr(module, "_now_ms", given_.now_ms)
    return given_


def make(directory: Path, signal: str = "traces", endpoint: str = ENDPOINT, megabytes: float = 64) -> Spool:
    """Return a spool as another process would open it."""
    return Spool(Place("", directory), signal, endpoint, megabytes)


def file(directory: Path) -> Path:
    """Return where it is."""
    return directory / ".spanguard" / "spool.db"


def bodies(spool: Spool) -> list[bytes]:
    """Claim all that there is."""
    found = []
    while claimed := spool.claim(60):
        found.append(claimed.body)
    return found


# ------------------------------------------------------------------------------------------------------ batches and leases


def test_nothing_is_made_before_something_waits(tmp_path: Path) -> None:
    """As long as the endpoint answers the disk is not touched."""
    spool = make(tmp_path)
    assert (spool.exists(), spool.claim(60), spool.due()) == (False, None, None)
    assert list(tmp_path.iterdir()) == []


def test_a_request_comes_back_byte_for_byte(tmp_path: Path) -> None:
    """So that a duplicate has the ids of the first."""
    body = os.urandom(10_000)
    with closing(make(tmp_path)) as spool:
        spool.add([Part(body, 7)])
    with closing(make(tmp_path)) as next_process:
        claimed = next_process.claim(60)
        assert claimed is not None
        assert (claimed.body, claimed.items) == (body, 7)


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    """Mode 0600 in a directory of 0700, and nothing of it is committed to version control."""
    with closing(make(tmp_path)) as spool:
        spool.add([Part(b"x", 1)])
    assert stat.S_IMODE(file(tmp_path).stat().st_mode) == 0o600
    assert stat.S_IMODE(file(tmp_path).parent.stat().st_mode) == 0o700
    assert (file(tmp_path).parent / ".gitignore").read_text() == "*\n"


def test_the_address_of_the_endpoint_does_not_stand_in_the_file(tmp_path: Path) -> None:
    """Nor any part of it: an address may hold a key."""
    with closing(make(tmp_path)) as spool:
        spool.add([Part(b"x", 1)])
    written = b"".join(path.read_bytes() for path in file(tmp_path).parent.iterdir())
    assert b"collector" not in written
    assert b"secret" not in written


def test_a_batch_waits_for_the_endpoint_that_it_was_made_for(tmp_path: Path) -> None:
    """A process that sends elsewhere, or another signal, leaves it alone."""
    other = make(tmp_path, endpoint="http://other")
    with closing(make(tmp_path)) as spool, closing(other) as elsewhere, closing(make(tmp_path, "logs")) as logs:
        spool.add([Part(b"x", 1)])
        assert (elsewhere.claim(60), elsewhere.due()) == (None, None)
        assert logs.claim(60) is None
        assert bodies(spool) == [b"x"]


def test_the_oldest_is_claimed_first_and_one_that_was_tried_last(tmp_path: Path) -> None:
    """One that the endpoint chokes on does not hold up the others."""
    with closing(make(tmp_path)) as spool:
        spool.add([Part(b"1", 1)])
        spool.add([Part(b"2", 1)])
        spool.add([Part(b"3", 1)])
        first = spool.claim(60)
        assert first is not None
        spool.release([first.row])
        assert bodies(spool) == [b"2", b"3", b"1"]


def test_what_is_claimed_is_nobody_elses_until_the_lease_is_over(tmp_path: Path, clock: Clock) -> None:
    """Its holder may have been killed."""
    with closing(make(tmp_path)) as spool, closing(make(tmp_path)) as other:
        spool.add([Part(b"x", 1)])
        assert spool.claim(20) is not None
        assert (other.claim(20), other.due()) == (None, 20.0)
        clock.seconds += 19.9
        assert other.claim(20) is None
        clock.seconds += 0.2
        assert other.due() == 0.0
        assert bodies(other) == [b"x"]


def test_a_batch_can_be_committed_with_a_lease(tmp_path: Path, clock: Clock) -> None:
    """As one is that is being sent at the same time."""
    with closing(make(tmp_path)) as spool, closing(make(tmp_path)) as other:
        rows = spool.add([Part(b"x", 1)], lease=20)
        assert other.claim(20) is None
        spool.release(rows)
        assert bodies(other) == [b"x"]


@pytest.mark.parametrize("jump", [-86_400.0, -LONGEST_LEASE - 20.1, 86_400.0])
def test_a_clock_that_jumps_keeps_nothing_from_being_sent(tmp_path: Path, clock: Clock, jump: float) -> None:
    """A lease that seems to run for longer than any lease was given by another clock, and does not hold."""
    with closing(make(tmp_path)) as spool, closing(make(tmp_path)) as other:
        spool.add([Part(b"x", 1)])
        spool.claim(20)
        clock.seconds += jump
        assert bodies(other) == [b"x"]


def test_only_its_holder_gives_a_batch_back(tmp_path: Path, clock: Clock) -> None:
    """One whose lease was over may not end the lease of the next."""
    with closing(make(tmp_path)) as late, closing(make(tmp_path)) as other:
        late.add([Part(b"x", 1)])
        claimed = late.claim(20)
        assert claimed is not None
        clock.seconds += 21
        assert other.claim(20) is not None
        late.release([claimed.row])
        assert late.claim(20) is None


DRAIN = """
from pathlib import Path
from spanguard.store.spool import Place, Spool

spool = Spool(Place("", Path.cwd()), "traces", "http://collector")
while claimed := spool.claim(60):
    print(claimed.body.decode())
    spool.finish([claimed.row], "sent")
spool.close()
"""


def test_processes_that_drain_one_spool_send_each_batch_once(tmp_path: Path) -> None:
    """Four of them, at the same time."""
    wanted = [str(number) for number in range(200)]
    with closing(make(tmp_path, endpoint="http://collector")) as spool:
        spool.add([Part(body.encode(), 1) for body in wanted])
    command = [sys.executable, "-W", "error", "-c", DRAIN]
    workers = [subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    found = [worker.communicate(timeout=60)[0].split() for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * 4
    assert sorted(body for taken in found for body in taken) == sorted(wanted)
    assert status(file(tmp_path)).counts == {("traces", "spooled"): 200, ("traces", "sent"): 200}


# ------------------------------------------------------------------------------------------------------------------ counts


def test_status_says_what_waits_and_what_became_of_the_rest(tmp_path: Path, clock: Clock) -> None:
    """By signal; drops are those that nobody gets any more."""
    with closing(make(tmp_path)) as spans, closing(make(tmp_path, "logs")) as logs:
        spans.add([Part(b"1", 5)])
        sent = spans.claim(60)
        assert sent is not None
        spans.finish([sent.row], "sent")
        refused = logs.add([Part(b"2", 3)])
        logs.finish(refused, "refused")
        logs.count("refused", 4)
        clock.seconds += 1
        spans.add([Part(b"3", 2), Part(b"4", 2)])
        found = status(file(tmp_path))
    (waiting,) = found.waiting
    assert (waiting.signal, waiting.batches, waiting.items, waiting.oldest_ms) == ("traces", 2, 4, clock.now_ms())
    assert found.counts == {
        ("traces", "spooled"): 9,
        ("traces", "sent"): 5,
        ("logs", "spooled"): 3,
        ("logs", "refused"): 7,
    }
    assert found.dropped == 7


def test_a_spool_that_is_being_made_is_empty(tmp_path: Path) -> None:
    """Whoever looks at that moment sees that nothing waits."""
    (tmp_path / "spool.db").touch()
    assert status(tmp_path / "spool.db") == ((), {})


def test_what_is_gone_is_not_counted_twice(tmp_path: Path) -> None:
    """When two have sent the same batch, because a lease ran out."""
    with closing(make(tmp_path)) as spool:
        rows = spool.add([Part(b"x", 5)])
        spool.finish(rows, "sent")
        spool.finish(rows, "sent")
    assert status(file(tmp_path)).counts == {("traces", "spooled"): 5, ("traces", "sent"): 5}


def test_the_oldest_goes_first_when_there_is_no_more_room(tmp_path: Path) -> None:
    """Whatever signal it is of; the file stays within its limit, and what was dropped is counted."""
    with closing(make(tmp_path, "logs", megabytes=1)) as logs, closing(make(tmp_path, megabytes=1)) as spans:
        logs.add([Part(os.urandom(50_000), 3)])
        kept = [os.urandom(50_000) for _ in range(40)]
        for body in kept:
            spans.add([Part(body, 2)])
        left = bodies(spans)
        assert 10 < len(left) < 20
        assert left == kept[-len(left) :]
    assert file(tmp_path).stat().st_size < 2_000_000
    found = status(file(tmp_path))
    assert (found.counts["logs", "full"], found.counts["traces", "full"]) == (3, 2 * (40 - len(left)))


def test_a_batch_larger_than_the_spool_is_dropped_and_counted(tmp_path: Path) -> None:
    """There is nothing better to do with it."""
    with closing(make(tmp_path, megabytes=0.1)) as spool:
        spool.add([Part(os.urandom(200_000), 9)])
        assert spool.claim(60) is None
    assert status(file(tmp_path)).counts == {("traces", "spooled"): 9, ("traces", "full"): 9}


def joined(given_: list[bytes]) -> tuple[bytes, int]:
    """Merge by writing one behind the other, as one item."""
    return b"+".join(given_), 1


def test_a_series_is_merged_into_one_batch(tmp_path: Path) -> None:
    """Of a cumulative metric the newest point is enough; what is being sent is left alone."""
    with closing(make(tmp_path, "metrics")) as spool:
        spool.add([Part(b"1", 1, b"a")], merge=joined)
        spool.add([Part(b"2", 1, b"a"), Part(b"other", 1, b"b"), Part(b"plain", 1)], merge=joined)
        claimed = spool.claim(60)
        assert claimed is not None
        assert claimed.body == b"1+2"
        spool.add([Part(b"3", 1, b"a")], merge=joined)
        assert bodies(spool) == [b"other", b"plain", b"3"]
    assert status(file(tmp_path)).counts == {("metrics", "spooled"): 5, ("metrics", "replaced"): 1}


ACTIONS = st.lists(st.sampled_from(["add", "claim", "sent", "refused", "release", "expire", "fill"]), max_size=40)


@given(actions=ACTIONS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_item_is_accounted_for(tmp_path_factory: pytest.TempPathFactory, actions: list[str]) -> None:
    """Whatever happens: what came in is what was sent, what was dropped and what waits."""
    directory = tmp_path_factory.mktemp("spool")
    clock, held = Clock(), []
    with pytest.MonkeyPatch.context() as patched, closing(make(directory, megabytes=0.2)) as spool:
        patched.setattr(module, "_now_ms", clock.now_ms)
        spool.add([Part(b"first", 1)])
        for number, action in enumerate(actions):
            if action in ("add", "fill"):
                spool.add([Part(os.urandom(60_000 if action == "fill" else 10), number)])
            elif action == "claim":
                held += [claimed.row] if (claimed := spool.claim(20)) else []
            elif action == "expire":
                clock.seconds += 21
            elif held and action == "release":
                spool.release([held.pop()])
            elif held:
                spool.finish([held.pop()], action)
    found = status(file(directory))
    gone = sum(items for (_, fate), items in found.counts.items() if fate in ("sent", *DROPPED))
    assert found.counts["traces", "spooled"] == gone + sum(waiting.items for waiting in found.waiting)


# ------------------------------------------------------------------------------------------------------------- bad files


@pytest.mark.parametrize("damage", ["text", "middle"])
def test_a_damaged_file_is_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str) -> None:
    """It stays there to be looked at, a new one is begun, and a warning says so."""
    with closing(make(tmp_path)) as spool:
        spool.add([Part(os.urandom(50_000), 1)])
    with file(tmp_path).open("r+b") as written:
        written.seek(0 if damage == "text" else 8192)
        written.write(b"no database at all " * (10 if damage == "text" else 10_000))
    with closing(make(tmp_path)) as spool, caplog.at_level(logging.WARNING):
        spool.add([Part(b"new", 1)])
        assert bodies(spool) == [b"new"]
    assert "spool.db.damaged" in caplog.text
    assert str(tmp_path) not in caplog.text
    assert b"no database at all" in file(tmp_path).with_name("spool.db.damaged").read_bytes()


def test_a_damaged_batch_is_dropped_and_counted(tmp_path: Path) -> None:
    """The others are sent."""
    with closing(make(tmp_path)) as spool:
        first, _ = spool.add([Part(b"1", 3), Part(b"2", 1)])
        with closing(sqlite3.connect(file(tmp_path))) as connection, connection:
            connection.execute("UPDATE batches SET body = x'00' WHERE id = ?", (first,))
        assert bodies(spool) == [b"2"]
    assert status(file(tmp_path)).counts["traces", "damaged"] == 3


def test_the_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    """And so is that of a newer spanguard: both are a `StoreError`."""
    file(tmp_path).parent.mkdir()
    with closing(sqlite3.connect(file(tmp_path))) as connection, connection:
        connection.execute("CREATE TABLE theirs (x)")
    with closing(make(tmp_path)) as spool, pytest.raises(StoreError, match="another program"):
        spool.add([Part(b"x", 1)])
    with closing(sqlite3.connect(file(tmp_path))) as connection, connection:
        connection.execute("DROP TABLE theirs")
        connection.execute("PRAGMA user_version = 99")
    with closing(make(tmp_path)) as spool, pytest.raises(StoreError, match="newer spanguard"):
        spool.add([Part(b"x", 1)])
    assert not file(tmp_path).with_name("spool.db.damaged").exists()


def test_a_full_disk_is_an_error_that_passes(tmp_path: Path) -> None:
    """What was committed stays, and what comes when there is room again is kept."""
    with closing(make(tmp_path)) as spool:
        spool.add([Part(b"1", 1)])
        assert spool._file is not None
        with spool._file.transaction() as connection:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
        with spool._file.snapshot() as connection:
            connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreError, match="full"):
            spool.add([Part(os.urandom(50_000), 1)])
        with spool._file.snapshot() as connection:
            connection.execute(f"PRAGMA max_page_count = {pages * 100}")
        spool.add([Part(b"2", 1)])
        assert bodies(spool) == [b"1", b"2"]


# ---------------------------------------------------------------------------------------------------------------- the place


def test_it_is_beside_the_store_that_is_named(tmp_path: Path) -> None:
    """And where the store would be if that is switched off."""
    assert Place("kept/mine.db", tmp_path).usable() == tmp_path / "kept" / "spool.db"
    assert Place("off", tmp_path).usable() == file(tmp_path)


def test_a_directory_that_cannot_be_written_has_it_in_the_state_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And where that cannot be written either there is none, which is a `StoreError`."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    work = tmp_path / "work"
    work.mkdir()
    (work / ".spanguard").write_text("a file where the directory should be")
    assert Place("", work).usable() == tmp_path / "state" / "spanguard" / "spool.db"
    (tmp_path / "other").write_text("likewise")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "other"))
    spool = make(work)
    assert spool.exists() is False
    with pytest.raises(StoreError, match="cannot be written"):
        spool.add([Part(b"x", 1)])


def test_with_no_megabytes_there_is_no_spool(tmp_path: Path) -> None:
    """`SPANGUARD_SPOOL_MB=0`: nothing is written, and one that is there is not looked into."""
    with closing(make(tmp_path)) as spool:
        spool.add([Part(b"x", 1)])
    off = make(tmp_path, megabytes=0)
    assert (off.exists(), off.claim(60)) == (False, None)
    with pytest.raises(StoreError, match="switched off"):
        off.add([Part(b"x", 1)])
