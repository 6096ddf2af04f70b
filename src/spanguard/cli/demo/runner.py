"""Run the demo's program in a process of its own, away from the user's environment, and tell how far it is."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import click

from spanguard.cli.demo.script import REQUESTS
from spanguard.cli.exits import CannotTell

_LONGEST: Final = 60.0
"""Seconds after which the program is ended, should it not end by itself."""
_LOOK: Final = 0.05
_KEPT: Final = (
    *("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "TEMP", "TMP", "LD_LIBRARY_PATH"),
    *("DYLD_LIBRARY_PATH", "SYSTEMROOT", "SYSTEMDRIVE", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "XDG_STATE_HOME"),
)
"""What the program gets of the user's environment: what a Python process needs, and no settings of anybody."""
_PROGRAM: Final = "import sys; sys.path[:] = sys.argv[1:]; from spanguard.cli.demo.app import main; main()"


def run_program(base_url: str, store: Path, run: str, done: Callable[[], int]) -> None:
    """Run the program against the server to its end; ``done`` tells how many requests are done.

    Raises `CannotTell` if the program fails or does not end.
    """
    # -I: neither PYTHONPATH nor a sitecustomize on it (that of `opentelemetry-instrument`) has a say.
    command = [sys.executable, "-I", "-c", _PROGRAM, *sys.path]
    with tempfile.TemporaryFile() as errors, _process(command, environment(base_url, store, run), errors) as process:
        _follow(process, done)
        if process.returncode:
            errors.seek(0)
            lines = errors.read().decode(errors="replace").split("\n")
            reason = next((line for line in reversed(lines) if line.strip()), f"exit code {process.returncode}")
            raise CannotTell(f"The demo's program failed: {reason}")


def environment(base_url: str, store: Path, run: str) -> dict[str, str]:
    """Return the whole environment of the program, whatever OTEL_*, SPANGUARD_*, OPENAI_* or proxy the user has set."""
    return {
        **{name: os.environ[name] for name in _KEPT if name in os.environ},
        "NO_PROXY": "*",  # on macOS and Windows the system's proxy would be asked otherwise
        "OPENAI_API_KEY": "demo",
        "OPENAI_BASE_URL": base_url,
        "OTEL_SERVICE_NAME": "spanguard-demo",
        "SPANGUARD_EXIT_TIMEOUT": "10",
        "SPANGUARD_RUN": run,
        "SPANGUARD_STORE": str(store),
    }


@contextmanager
def _process(command: list[str], env: dict[str, str], errors: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    null = subprocess.DEVNULL
    with subprocess.Popen(command, env=env, stdin=null, stdout=null, stderr=errors) as process:  # noqa: S603 - our own
        try:
            yield process
        finally:
            process.kill()  # does nothing to one that has ended


def _follow(process: subprocess.Popen[bytes], done: Callable[[], int]) -> None:
    """Tell how many requests are done, whenever that changes, until the program has ended."""
    end = time.monotonic() + _LONGEST
    before = 0
    _tell(0, -1)
    while process.poll() is None:
        if time.monotonic() > end:
            raise CannotTell(f"The demo's program did not end within {_LONGEST:.0f} seconds.")
        time.sleep(_LOOK)
        count = done()
        _tell(count, before)
        before = count


def _tell(count: int, before: int) -> None:
    """Tell on stderr how far it is: one line that changes on a terminal, else one line at each quarter of the way."""
    line = f"{count} of {REQUESTS} model calls"
    if sys.stderr.isatty():
        if count != before:
            click.echo(f"\r{line}", err=True, nl=count >= REQUESTS)
    elif 4 * count // REQUESTS > 4 * before // REQUESTS:
        click.echo(line, err=True)
