"""`spanguard run`: a program as it is, with the libraries it uses made visible."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import click

from spanguard.cli.exits import CannotTell, No
from spanguard.settings import Settings, SettingsError
from spanguard.store.location import resolve

_AUTO: Final = str(Path(__file__).parent / "auto")
_SIGNALS: Final = ("TRACES", "METRICS", "LOGS")
_FROM_TERMINAL: Final = ("SIGINT", "SIGQUIT", "SIGHUP")
_FORWARDED: Final = ("SIGTERM", "SIGUSR1", "SIGUSR2", *_FROM_TERMINAL)


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.option("--otlp", metavar="URL", help="Send telemetry to this OTLP endpoint instead of the local store.")
@click.option("--store", type=click.Path(path_type=Path), help="File of the local store. Default: SPANGUARD_STORE.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, required=True)
def run(otlp: str | None, store: Path | None, command: tuple[str, ...]) -> None:
    """Run a program with the libraries it uses made visible: `spanguard run -- python app.py`.

    Retries, breakers, limiters and calls of known libraries show up as if the program had used spanguard's verbs, in all
    of its Python processes, with the whole process guarded. They are kept in the local store, unless --otlp or an
    OTEL_EXPORTER_OTLP_* variable says where to send them.

    Ends as the program ends, with its exit code or by its signal; with 127 if there is no such program, with 126 if it
    cannot be run, with 2 if a setting is wrong. On a terminal it prints a summary at the end.
    """
    try:
        environment = child_environment(os.environ, otlp, store)
    except SettingsError as error:
        raise CannotTell(f"{error}.") from error
    program = shutil.which(command[0])
    if program is None:
        click.echo(f"Error: there is no program {command[0]!r}.", err=True)
        sys.exit(127)
    try:
        if os.name == "posix" and not sys.stderr.isatty():
            os.execve(program, command, environment)  # noqa: S606 - nothing to print at the end: it takes our place
        code = _follow(program, command, environment)
    except OSError as error:
        click.echo(f"Error: {command[0]!r} cannot be run: {error.strerror}.", err=True)
        sys.exit(126)
    if sys.stderr.isatty():
        _summarise(environment)
    _leave(code)


def child_environment(given: Mapping[str, str], otlp: str | None = None, store: Path | None = None) -> dict[str, str]:
    """Return the environment for a program that is to be made visible; raises `SettingsError` for a setting that is wrong."""
    environment = dict(given)
    if store is not None:
        environment["SPANGUARD_STORE"] = str(store)
    settings = Settings.from_environment(environment)
    if settings.store != "off":
        # Absolute, so that it is the same one after the program has changed its directory.
        place = resolve(settings.store)
        environment["SPANGUARD_STORE"] = "off" if place is None else str(place.absolute())
    if otlp is not None:
        environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = otlp
        environment.update({f"OTEL_{name}_EXPORTER": "otlp" for name in _SIGNALS})
    for name in _SIGNALS:
        endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{name}_ENDPOINT")
        if not any(environment.get(each, "").strip() for each in endpoints):
            environment.setdefault(f"OTEL_{name}_EXPORTER", "spanguard")
    environment.setdefault("SPANGUARD_GUARD", "process")
    environment["SPANGUARD_RUN"] = settings.run or secrets.token_hex(8)
    path = [each for each in environment.get("PYTHONPATH", "").split(os.pathsep) if each and each != _AUTO]
    environment["PYTHONPATH"] = os.pathsep.join([_AUTO, *path])
    return environment


def _follow(program: str, command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run the program to its end and pass signals on; return its exit code, or minus the signal that ended it."""
    with subprocess.Popen(command, executable=program, env=environment) as process:  # noqa: S603 - it is the user's

        def forward(number: int, _frame: object) -> None:
            # What the terminal sends, it sends to the program too.
            if signal.Signals(number).name not in _FROM_TERMINAL or not _in_foreground():
                process.send_signal(number)

        before = _handle(_FORWARDED, forward)
        try:
            return process.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _handle(names: Sequence[str], handler: Callable[[int, object], None]) -> dict[int, signal.Handlers]:
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    return {number: signal.signal(number, handler) for number in numbers}  # type: ignore[misc]


def _in_foreground() -> bool:
    try:
        return os.tcgetpgrp(sys.stderr.fileno()) == os.getpgrp()
    except (OSError, AttributeError):
        return False


def _summarise(environment: Mapping[str, str]) -> None:
    from spanguard.cli.report import about_run
    from spanguard.cli.show import told

    store, name = environment.get("SPANGUARD_STORE", ""), environment["SPANGUARD_RUN"]
    if "spanguard" not in environment.get("OTEL_TRACES_EXPORTER", "").split(",") or store == "off":
        return
    try:
        lines = told(about_run(Path(store), name))
    except No:
        lines = ["", "spanguard: the program has recorded nothing."]
    except CannotTell as error:
        lines = ["", f"spanguard: {error.format_message()}"]
    colour = False if os.environ.get("NO_COLOR") else None
    click.echo("\n".join(lines), err=True, color=colour)


def _leave(code: int) -> None:
    """End as the program ended."""
    if code >= 0:
        sys.exit(code)
    number = -code
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    sys.exit(128 + number)
