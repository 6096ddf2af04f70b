"""`spanguard run`: the program as it is, its exit code, its signals, its child processes, and what it leaves in the store."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from spanguard.cli.run import child_environment
from spanguard.settings import SettingsError
from spanguard.store.database import Database
from spanguard.store.queries import runs, traces

WORK = """
import spanguard
with spanguard.traced_retry("quote") as retry:
    for attempt in retry.attempts(2):
        with attempt:
            if attempt.number == 1:
                attempt.fail(TimeoutError())
"""
POSIX = pytest.mark.skipif(os.name != "posix", reason="POSIX has these signals")


@pytest.fixture
def environment() -> dict[str, str]:
    """What the tests run in, without settings of anybody."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "SPANGUARD_"))}


def run(directory: Path, environment: dict[str, str], *command: str, options: tuple[str, ...] = ()) -> Any:
    """Run a command by `spanguard run`."""
    ours = [sys.executable, "-m", "spanguard", "run", *options, "--", *command]
    return subprocess.run(ours, cwd=directory, env=environment, capture_output=True, text=True, timeout=60)


def recorded(directory: Path) -> list[str]:
    """Return the names of the traces in the local store."""
    with Database.open(directory / ".spanguard" / "telemetry.db", read_only=True) as db:
        return [row.name for row in traces(db)]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program that traces, and never says where that goes."""
    path = tmp_path / "app.py"
    path.write_text(WORK)
    return path


def test_a_script_is_made_visible(tmp_path: Path, environment: dict[str, str], program: Path) -> None:
    """It need not even call `configure`; the spans are in the local store."""
    done = run(tmp_path, environment, sys.executable, str(program))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert recorded(tmp_path) == ["retry quote"]


def test_a_module_is_made_visible(tmp_path: Path, environment: dict[str, str], program: Path) -> None:
    """`python -m` too."""
    assert run(tmp_path, environment, sys.executable, "-m", program.stem).returncode == 0
    assert recorded(tmp_path) == ["retry quote"]


def test_child_processes_belong_to_the_run(tmp_path: Path, environment: dict[str, str], program: Path) -> None:
    """Also those that have changed the directory: one store, one run."""
    parent = tmp_path / "parent.py"
    parent.write_text(
        f"{WORK}\nimport os, subprocess, sys\nos.chdir('/')\nsubprocess.run([sys.executable, {str(program)!r}])"
    )
    assert run(tmp_path, environment, sys.executable, str(parent)).returncode == 0
    assert recorded(tmp_path) == ["retry quote"] * 2
    with Database.open(tmp_path / ".spanguard" / "telemetry.db", read_only=True) as db:
        assert len(runs(db)) == 1


def test_the_exit_code_is_the_programs(tmp_path: Path, environment: dict[str, str]) -> None:
    """Whatever it is."""
    assert run(tmp_path, environment, sys.executable, "-c", "raise SystemExit(7)").returncode == 7


@POSIX
def test_an_end_by_a_signal_is_an_end_by_that_signal(tmp_path: Path, environment: dict[str, str]) -> None:
    """As the shell sees it."""
    killed = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"
    assert run(tmp_path, environment, sys.executable, "-c", killed).returncode == -signal.SIGTERM


@POSIX
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGUSR1"])
def test_signals_reach_the_program(tmp_path: Path, environment: dict[str, str], name: str) -> None:
    """Sent to `spanguard run`, they are the program's to handle."""
    handle = f"import signal, sys\nsignal.signal(signal.{name}, lambda *_: sys.exit(5))"
    waiting = f"{handle}\nprint('ready', flush=True)\nsignal.pause()"
    command = [sys.executable, "-m", "spanguard", "run", "--", sys.executable, "-c", waiting]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(getattr(signal, name))
        assert process.wait(30) == 5


@POSIX
def test_on_a_terminal_it_ends_with_a_summary(tmp_path: Path, environment: dict[str, str], program: Path) -> None:
    """Signals and exit codes are passed on there too."""
    import pty

    reader, terminal = pty.openpty()
    program.write_text(f"{WORK}\nraise SystemExit(7)")
    command = [sys.executable, "-m", "spanguard", "run", "--", sys.executable, str(program)]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=terminal, stdout=subprocess.DEVNULL) as process:
        os.close(terminal)
        told = b""
        try:
            while chunk := os.read(reader, 4096):
                told += chunk
        except OSError:  # Linux's way to say that nobody writes any more
            pass
        assert process.wait(30) == 7
    os.close(reader)
    assert b"Reliability of run" in told
    assert b"retry quote" in told


def test_a_program_that_is_not_there(tmp_path: Path, environment: dict[str, str]) -> None:
    """As in a shell: 127."""
    assert run(tmp_path, environment, "no-such-program").returncode == 127


def test_a_program_that_cannot_be_run(tmp_path: Path, environment: dict[str, str]) -> None:
    """As in a shell: 126, and no traceback."""
    program = tmp_path / "program"
    program.write_text("")
    program.chmod(0o755)
    done = run(tmp_path, environment, str(program))
    assert done.returncode == 126
    assert done.stderr.startswith("Error: ")


def test_an_exporter_that_is_not_there_is_named(tmp_path: Path, environment: dict[str, str]) -> None:
    """The program runs, and is told which setting keeps telemetry off."""
    done = run(tmp_path, {**environment, "OTEL_TRACES_EXPORTER": "x"}, sys.executable, "-c", "print(1)")
    assert (done.returncode, done.stdout) == (0, "1\n")
    assert "OTEL_TRACES_EXPORTER" in done.stderr


def test_a_wrong_setting_ends_it_before_the_program_begins(tmp_path: Path, environment: dict[str, str]) -> None:
    """With 2, and the variable's name."""
    done = run(tmp_path, {**environment, "SPANGUARD_EVENTS": "x"}, sys.executable, "-c", "print(1)")
    assert (done.returncode, done.stdout) == (2, "")
    assert "SPANGUARD_EVENTS" in done.stderr


def test_a_sitecustomize_of_the_users_runs_too(tmp_path: Path, environment: dict[str, str], program: Path) -> None:
    """It is found where ours has hidden it, and PYTHONPATH stays the user's."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("print('mine')")
    done = run(tmp_path, {**environment, "PYTHONPATH": str(tmp_path / "site")}, sys.executable, str(program))
    assert done.stdout == "mine\n" * 2  # in spanguard itself, and in the program
    assert recorded(tmp_path) == ["retry quote"]


def test_switched_off_it_only_runs_the_program(tmp_path: Path, environment: dict[str, str], program: Path) -> None:
    """`OTEL_SDK_DISABLED=true` holds here too."""
    assert run(tmp_path, {**environment, "OTEL_SDK_DISABLED": "true"}, sys.executable, str(program)).returncode == 0
    assert not (tmp_path / ".spanguard" / "telemetry.db").exists()


def test_an_endpoint_takes_the_place_of_the_store(tmp_path: Path) -> None:
    """By the option or by OpenTelemetry's variables, for all signals or for one."""
    given = {"SPANGUARD_STORE": str(tmp_path / "x.db")}
    assert child_environment(given)["OTEL_TRACES_EXPORTER"] == "spanguard"
    asked = child_environment(given, "http://localhost:4318")
    assert (asked["OTEL_EXPORTER_OTLP_ENDPOINT"], asked["OTEL_LOGS_EXPORTER"]) == ("http://localhost:4318", "otlp")
    set_ = child_environment({**given, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://localhost:4318"})
    assert "OTEL_TRACES_EXPORTER" not in set_
    assert set_["OTEL_METRICS_EXPORTER"] == "spanguard"


def test_what_the_user_has_set_stays(tmp_path: Path) -> None:
    """A name of the run, exporters, whose telemetry is guarded."""
    given = {
        "SPANGUARD_STORE": str(tmp_path / "x.db"),
        "SPANGUARD_RUN": "nightly",
        "SPANGUARD_GUARD": "own",
        "OTEL_TRACES_EXPORTER": "console",
    }
    assert given.items() <= child_environment(given).items()
    assert child_environment({"SPANGUARD_STORE": "off"})["SPANGUARD_GUARD"] == "process"


def test_a_setting_that_cannot_be_is_named() -> None:
    """Before anything is started."""
    with pytest.raises(SettingsError, match="SPANGUARD_GUARD"):
        child_environment({"SPANGUARD_GUARD": "x"})
