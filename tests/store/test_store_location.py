"""Where the local store is."""

from __future__ import annotations

import logging
import os
import stat
import sys
from pathlib import Path

import pytest

from spanguard.store import Database, newest, resolve

posix = pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the user a state directory of the test's own."""
    place = tmp_path / "state"
    monkeypatch.setenv("LOCALAPPDATA" if sys.platform == "win32" else "XDG_STATE_HOME", str(place))
    return place


def a_file(path: Path) -> Path:
    """Put a regular file where a directory is wanted: not even root can write below it."""
    path.write_text("not a directory")
    return path


def test_by_default_it_is_under_the_working_directory(tmp_path, monkeypatch):
    """Without a setting the store is .spanguard/telemetry.db where the program runs."""
    monkeypatch.chdir(tmp_path)
    assert resolve("") == tmp_path / ".spanguard" / "telemetry.db"


def test_the_directory_is_made_but_not_the_file(tmp_path):
    """To ask where the store is makes its directory and ignores it for git; nothing is written yet."""
    file = resolve("", tmp_path)
    assert file is not None
    assert [path.name for path in file.parent.iterdir()] == [".gitignore"]
    assert (file.parent / ".gitignore").read_text() == "*\n"


@posix
@pytest.mark.parametrize("before", [None, 0o755])
def test_only_the_owner_can_enter_the_directory(tmp_path, before):
    """The directory has mode 0700, even if somebody made it before with another."""
    if before is not None:
        (tmp_path / ".spanguard").mkdir(mode=before)
    file = resolve("", tmp_path)
    assert file is not None
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_off_means_nowhere(tmp_path):
    """SPANGUARD_STORE=off keeps nothing and makes no directory."""
    assert resolve("off", tmp_path) is None
    assert not list(tmp_path.iterdir())


def test_a_path_is_taken_as_it_is(tmp_path):
    """A path may be absolute or relative to the working directory; missing directories are made."""
    assert resolve(str(tmp_path / "a" / "b.db")) == tmp_path / "a" / "b.db"
    assert resolve("c/d/e.db", tmp_path) == tmp_path / "c" / "d" / "e.db"
    assert (tmp_path / "c" / "d").is_dir()


def test_a_home_directory_may_be_abbreviated(tmp_path, monkeypatch):
    """~ stands for the home directory."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert resolve("~/t.db") == tmp_path / "t.db"


@posix
def test_a_directory_of_somebody_else_keeps_its_mode(tmp_path):
    """The mode of a directory that was there and is not ours is not our business."""
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    resolve(str(shared / "t.db"))
    assert stat.S_IMODE(shared.stat().st_mode) == 0o755
    assert not list(shared.iterdir())


def test_it_falls_back_to_the_state_directory_with_one_warning(tmp_path, state, caplog):
    """Where the directory cannot be made, the store is in the user's state directory, and a warning says so once."""
    blocked = a_file(tmp_path / "file")
    with caplog.at_level(logging.WARNING, "spanguard"):
        found = [resolve("", blocked) for _ in range(3)]
    assert found == [state / "spanguard" / "telemetry.db"] * 3
    assert len(caplog.records) == 1
    assert str(tmp_path) not in caplog.text


def test_with_nowhere_to_write_nothing_is_kept(tmp_path, state, caplog):
    """If the state directory cannot be written either, there is no store, and one warning."""
    a_file(state)
    blocked = a_file(tmp_path / "file")
    with caplog.at_level(logging.WARNING, "spanguard"):
        assert resolve("", blocked) is None
        assert resolve("", blocked) is None
    assert len(caplog.records) == 1


@posix
def test_the_state_directory_is_private(tmp_path, state):
    """The state directory of ours has mode 0700 too."""
    file = resolve("", a_file(tmp_path / "file"))
    assert file is not None
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_without_a_state_home_it_is_under_the_home_directory(tmp_path, monkeypatch):
    """The XDG default is ~/.local/state; a relative $XDG_STATE_HOME is ignored."""
    for variable in ("XDG_STATE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    expected = tmp_path / ".local" / "state" / "spanguard" / "telemetry.db"
    assert resolve("", a_file(tmp_path / "file")) == expected


def test_there_is_no_newest_store_where_none_is(tmp_path):
    """Without a store there is nothing to show."""
    assert newest(tmp_path) is None


def test_the_newest_store_is_the_one_written_last(tmp_path):
    """Of the program's and the demo's store the one written last is shown; rows still in the log count."""
    program, demo = tmp_path / ".spanguard" / "telemetry.db", tmp_path / ".spanguard" / "demo.db"
    resolve("", tmp_path)
    for path, when in ((program, 1_000), (demo, 2_000)):
        path.touch()
        os.utime(path, (when, when))
    assert newest(tmp_path) == demo
    with Database.open(program) as database:
        database.write({"drops": [(1, "spans", 1, 1)]})
        os.utime(program, (1_000, 1_000))
        assert newest(tmp_path) == program


def test_the_newest_store_may_be_in_the_state_directory(tmp_path, state):
    """Where the fallback was used, it is found again."""
    file = resolve("", a_file(tmp_path / "file"))
    assert file is not None
    file.touch()
    assert newest(tmp_path) == file
