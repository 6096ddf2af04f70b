"""What several commands take and do alike: a store to read, a time, JSON."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Final, TypeVar

import click

from spanguard.cli.exits import CannotTell
from spanguard.settings import Settings
from spanguard.store.database import Database, StoreError
from spanguard.store.location import newest

F = TypeVar("F", bound=Callable[..., object])

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 7 * 86_400}


class _Time(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A point in time, in ns since 1970: ``90s``, ``15m``, ``1h``, ``2d``, ``1w`` ago, or a date and time (UTC)."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it."""
        text = str(value).strip()
        if ago := re.fullmatch(r"(\d+(?:\.\d+)?)([smhdw])", text):
            return _bounded(time.time() - float(ago[1]) * _UNITS[ago[2]])
        try:
            # A `Z` at the end is understood from Python 3.11 on.
            when = datetime.fromisoformat(re.sub("Z$", "+00:00", text))
        except ValueError:
            self.fail("expected 90s, 15m, 1h, 2d, 1w, or a date and time as 2026-11-21T05:14", param, ctx)
        return _bounded((when if when.tzinfo else when.replace(tzinfo=timezone.utc)).timestamp())


def _bounded(seconds: float) -> int:
    """Return a time in ns that the store can compare with."""
    return max(0, min(int(min(seconds, 1e10) * 1e6) * 1000, 2**63 - 1))


TIME: Final[object] = _Time()
"""A point in time, as commands take it."""


def store_option(command: F) -> F:
    """Add ``--store``."""
    about = "File of the store. Default: SPANGUARD_STORE, or the newest."
    return click.option("--store", type=click.Path(path_type=Path), help=about)(command)


def json_option(command: F) -> F:
    """Add ``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")(command)


def since_option(command: F) -> F:
    """Add ``--since``."""
    about = "From then on: 90s, 15m, 1h, 2d, 1w ago, or a date and time (UTC)."
    return click.option("--since", "since_ns", type=TIME, metavar="TIME", help=about)(command)


def find(store: Path | None) -> Path:
    """Return the store to read: the given one, what ``SPANGUARD_STORE`` says, or the newest one."""
    setting = Settings.tolerant()[0].store
    if store is None and setting == "off":
        raise CannotTell("SPANGUARD_STORE is off; name a store with --store.")
    path = store or (Path(setting).expanduser() if setting else newest())
    if path is None:
        raise CannotTell("There is no local store here; `spanguard demo` makes one, and so does spanguard.configure().")
    return path


@contextmanager
def opened(path: Path, *, read_only: bool = True) -> Iterator[Database]:
    """Open a store; whatever is wrong with it ends the command with exit code 2."""
    try:
        with Database.open(path, read_only=read_only) as database:
            yield database
    except StoreError as error:
        raise CannotTell(f"{error}.") from error


def echo_json(told: object, indent: int | None = 2) -> None:
    """Print a dictionary as JSON."""
    click.echo(json.dumps(told, indent=indent))


def echo(lines: list[str]) -> None:
    """Print lines: in colour on a terminal, unless ``NO_COLOR`` is set."""
    click.echo("\n".join(lines), color=False if os.environ.get("NO_COLOR") else None)
