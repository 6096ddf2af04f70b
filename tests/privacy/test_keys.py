"""The key of pseudonyms: whose file it is, who can read it, how long it holds, and what happens where none can be kept."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from spanguard.privacy import keys
from spanguard.vocabulary import pseudonyms
from spanguard.vocabulary.pseudonyms import pseudonym, use_key

posix = pytest.mark.skipif(os.name != "posix", reason="needs modes of files")


@pytest.fixture(autouse=True)
def _own_key() -> Iterator[None]:
    kept = pseudonyms._key, pseudonyms._number
    yield
    use_key(*kept)


def told(directory: Path) -> str:
    """Return a pseudonym with the key that is kept in the directory."""
    assert keys.use_kept_key(directory)
    return pseudonym("alice", "user.id")


@posix
def test_the_key_can_be_read_by_its_owner_alone(tmp_path: Path) -> None:
    """0600 in a directory 0700, whatever the umask; nothing else is left beside it."""
    directory, before = tmp_path / "state" / "spanguard", os.umask(0)
    try:
        told(directory)
    finally:
        os.umask(before)
    assert stat.S_IMODE((directory / keys.FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert [each.name for each in directory.iterdir()] == [keys.FILE]


@posix
def test_the_key_is_at_no_time_open_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is made with the mode that it keeps."""
    modes, made = [], os.open

    def opened(path: str, flags: int, mode: int = 0o777, **more: int) -> int:
        modes.extend([mode] if flags & os.O_CREAT and keys.FILE in str(path) else [])
        return made(path, flags, mode, **more)

    monkeypatch.setattr(os, "open", opened)
    told(tmp_path)
    assert modes == [0o600]


def test_nobody_without_the_key_can_test_a_guess() -> None:
    """Another key gives another pseudonym, under the same number too; and so does another attribute."""
    use_key(b"a" * 32, 3)
    first = pseudonym("alice", "user.id")
    assert pseudonym("alice", "session.id") != first
    use_key(b"b" * 32, 3)
    assert pseudonym("alice", "user.id") != first


def test_equal_values_are_equal_tomorrow(tmp_path: Path) -> None:
    """The same key is read again; another directory has another one."""
    first = told(tmp_path / "a")
    assert told(tmp_path / "a") == first
    assert told(tmp_path / "b") != first


def test_after_thirty_days_there_is_another_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its number, the first digit of pseudonyms, is the next one."""
    first, now = told(tmp_path), time.time()
    monkeypatch.setattr(time, "time", lambda: now + keys.LIFE - 10)
    assert told(tmp_path) == first
    monkeypatch.setattr(time, "time", lambda: now + keys.LIFE + 10)
    second = told(tmp_path)
    assert second != first
    assert int(second[2], 16) == (int(first[2], 16) + 1) % 16
    assert told(tmp_path) == second


@posix
def test_a_key_that_others_could_read_is_closed(tmp_path: Path) -> None:
    """The mode is mended, and the key used on."""
    first = told(tmp_path)
    (tmp_path / keys.FILE).chmod(0o644)
    assert told(tmp_path) == first
    assert stat.S_IMODE((tmp_path / keys.FILE).stat().st_mode) == 0o600


@posix
def test_somebody_elses_key_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They would know it."""
    told(tmp_path)
    use_key(b"k" * 32, 3)
    own, owner = pseudonym("alice", "user.id"), os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)
    assert not keys.use_kept_key(tmp_path)
    assert pseudonym("alice", "user.id") == own


@pytest.mark.parametrize(
    "text", ["", "x", "spanguard-key-1 3 5 zz", "spanguard-key-1 99 5 " + "00" * 32, "other 3 5 " + "00" * 32]
)
def test_a_file_that_holds_no_key_is_replaced(tmp_path: Path, text: str) -> None:
    """Half a file, or somebody else's: never a key of zeros."""
    (tmp_path / keys.FILE).write_text(text)
    first = told(tmp_path)
    assert told(tmp_path) == first
    assert (tmp_path / keys.FILE).read_text() != text


def test_where_no_file_can_be_kept_the_key_is_this_processs(tmp_path: Path) -> None:
    """Pseudonyms hold for the process, and for its forked children; nothing is derived from the machine."""
    (tmp_path / "file").write_text("")
    before = pseudonym("alice", "user.id")
    assert not keys.use_kept_key(tmp_path / "file" / "below")
    assert pseudonym("alice", "user.id") == before


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_cannot_be_written_keeps_no_key(tmp_path: Path) -> None:
    """The program runs on."""
    tmp_path.chmod(0o500)
    assert not keys.use_kept_key(tmp_path)
    tmp_path.chmod(0o700)


@posix
@pytest.mark.parametrize("text", [None, "half a file", f"spanguard-key-1 3 5 {'ab' * 32}"])
def test_one_process_at_a_time_makes_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None) -> None:
    """Whoever comes meanwhile waits and takes that one: where there was none, half of one, or one of last year."""
    import fcntl

    path, waiting, other = tmp_path / keys.FILE, threading.Event(), keys.Key(7, int(time.time()), b"k" * 32)
    if text is not None:
        path.write_text(text)
    held = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    monkeypatch.setattr(keys.time, "sleep", lambda _: waiting.set() or threading.Event().wait(0.001))
    monkeypatch.setattr(keys, "_PATIENCE", 60.0)
    taken: list[keys.Key | None] = []
    thread = threading.Thread(target=lambda: taken.append(keys._kept(tmp_path, int(time.time()))))
    thread.start()
    try:
        assert waiting.wait(60)
        keys._write(path, other, replaces=text is not None)
    finally:
        os.close(held)
        thread.join(60)
    assert taken == [other]


@posix
def test_a_lock_that_somebody_keeps_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a second the key is made all the same."""
    import fcntl

    held = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    monkeypatch.setattr(keys, "_PATIENCE", 0.01)
    try:
        assert keys.use_kept_key(tmp_path)
    finally:
        os.close(held)


def test_without_a_lock_the_first_key_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that another process makes between the look and the writing is taken, not replaced."""
    read, other, looks = keys._read, keys.Key(7, int(time.time()), b"k" * 32), []

    def read_and_wait(path: Path) -> keys.Key | None:
        looks.append(path)
        found = read(path)
        if len(looks) == 2:
            path.write_text(f"spanguard-key-1 {other.number} {other.made} {other.secret.hex()}")
        return found

    monkeypatch.setattr(keys, "_read", read_and_wait)
    monkeypatch.setattr(keys, "_alone", lambda _: contextlib.nullcontext())
    assert keys._kept(tmp_path, int(time.time())) == other


@posix
def test_a_link_to_nowhere_is_replaced_by_a_key(tmp_path: Path) -> None:
    """And one to somebody's file is not written through."""
    (tmp_path / keys.FILE).symlink_to(tmp_path / "nowhere")
    first = told(tmp_path)
    assert told(tmp_path) == first
    assert not (tmp_path / keys.FILE).is_symlink()
    (tmp_path / "b").mkdir()
    (tmp_path / "theirs").write_text("a file")
    (tmp_path / "b" / keys.FILE).symlink_to(tmp_path / "theirs")
    told(tmp_path / "b")
    assert (tmp_path / "theirs").read_text() == "a file"


def test_two_processes_that_start_at_once_have_one_key(tmp_path: Path) -> None:
    """Whoever is first makes it, the others take it."""
    code = (
        "import sys, pathlib; from spanguard.privacy import keys; from spanguard.vocabulary.pseudonyms import pseudonym;"
        "sys.stdin.read(); keys.use_kept_key(pathlib.Path(sys.argv[1])); print(pseudonym('alice', 'user.id'))"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
        for _ in range(3)
    ]
    for each in started:
        assert each.stdin is not None
        each.stdin.close()
        each.stdin = None
    answers = {each.communicate(timeout=60)[0].strip() for each in started}
    assert len(answers) == 1
    assert answers == {told(tmp_path)}
