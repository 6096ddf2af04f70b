"""`spanguard privacy audit`: whether telemetry that was stored or sent holds only what strict mode lets out."""

from __future__ import annotations

import itertools
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Final

import click
from google.protobuf.message import Message  # type: ignore[import-untyped]

from spanguard.cli import render
from spanguard.cli.exits import CannotTell
from spanguard.cli.options import echo, echo_json, find, json_option
from spanguard.privacy.audit import Violation, audit_message
from spanguard.privacy.audit_json import MOST_BYTES, NotOtlpError, audit_json
from spanguard.privacy.audit_receiver import Receiver
from spanguard.privacy.audit_store import Reading
from spanguard.privacy.declarations import declare_all, load
from spanguard.settings import Settings, SettingsError
from spanguard.store.columns import PROMOTED
from spanguard.store.database import Database, StoreError
from spanguard.store.spool import _SpoolFile
from spanguard.vocabulary.declared import declare

_SQLITE: Final = b"SQLite format 3\0"
_SHOWN: Final = {
    "not_in_vocabulary": "a text that is in no vocabulary",
    "unknown_key": "an attribute that no convention knows",
    "content": "what a user or a model wrote",
    "out_of_range": "a number that is out of range",
    "wrong_type": "a value of the wrong type",
    "nested": "a value inside a value",
    "must_be_empty": "something where nothing may stand",
    "not_an_id": "bytes that are no id",
    "unknown_field": "a field that nobody knows",
    "undeclared_name": "a name that was not declared here",
    "unknown_name": "a name that no convention has, and that was not declared here",
}


@click.group()
def privacy() -> None:
    """Check that telemetry holds nothing a user wrote."""


@privacy.command()
@click.argument("source", required=False, type=click.Path(path_type=Path))
@click.option("--live", type=click.IntRange(0, 65535), metavar="PORT", help="Receive OTLP/HTTP on this port of 127.0.0.1.")
@click.option("--for", "seconds", type=click.FloatRange(min=0), help="Seconds to receive. Default: until Ctrl-C.")
@click.option("--declared", multiple=True, metavar="NAME", help="A name of your program; repeatable.")
@click.option("--strict-names", is_flag=True, help="Take names that were not declared here for violations.")
@json_option
def audit(
    source: Path | None,
    live: int | None,
    seconds: float | None,
    declared: tuple[str, ...],
    *,
    strict_names: bool,
    as_json: bool,
) -> None:
    """Say which fields of stored or received telemetry hold what strict mode lets nobody send, never what they hold.

    SOURCE is a local store (default: the one that `spanguard show` reads) or a file of OTLP-JSON lines as the collector
    writes it.

    Exits with 0 if every field keeps the promise, with 1 if one does not, with 2 if it cannot be told: there is no such
    file, it cannot be read, it is no OTLP, or nothing was received.

    A name of the program's own (of a policy, a rule, a role, a service) is clear in telemetry if it was a literal of the code
    or was declared. Another process cannot know that: a name that looks like one in code is listed as a doubt, which changes
    nothing about the exit code unless --strict-names is given, and one that does not is a violation. Names in the table
    [tool.spanguard.privacy] of pyproject.toml or in SPANGUARD_PRIVACY_FILE, and those of --declared, are known.
    """
    if live is not None and source is not None:
        raise click.UsageError("Give a file or --live, not both.")
    if seconds is not None and live is None:
        raise click.UsageError("--for goes with --live.")
    _declare(declared)
    report = Report(strict_names=strict_names)
    if live is None:
        path = source or find(None)
        _audit_file(path, report, show_progress=not as_json)
    else:
        _audit_live(live, seconds, report, quiet=as_json)
    if as_json:
        echo_json(report.to_dict())
    else:
        echo(report.lines())
    if report.found:
        sys.exit(1)
    if report.problem:
        raise CannotTell(report.problem)


class Report:
    """What was found, counted by what it is and where; bounded, because fields, keys and reasons are."""

    def __init__(self, *, strict_names: bool) -> None:
        self._strict = strict_names
        self._lock = threading.Lock()
        self.source = ""
        self.read: dict[str, int] = {}
        self.problem = ""
        self.counts: Counter[Violation] = Counter()

    def add(self, violations: Iterable[Violation]) -> list[Violation]:
        """Count violations, and return those that were not seen before."""
        with self._lock:
            new = []
            for violation in violations:
                if not self.counts[violation]:
                    new.append(violation)
                self.counts[violation] += 1
            return new

    @property
    def found(self) -> bool:
        """Whether there is a violation."""
        return any(self._is_violation(each) for each in self.counts)

    def _is_violation(self, each: Violation) -> bool:
        return self._strict or not each.is_doubt

    def _sorted(self, *, violations: bool) -> list[tuple[Violation, int]]:
        chosen = [pair for pair in self.counts.items() if self._is_violation(pair[0]) is violations]
        return sorted(chosen, key=lambda pair: (-pair[1], pair[0]))

    def to_dict(self) -> dict[str, object]:
        """Return the report as plain data."""
        return {
            "source": self.source,
            "read": self.read,
            "problem": self.problem or None,
            "violations": [{**each._asdict(), "count": count} for each, count in self._sorted(violations=True)],
            "undeclared_names": [{**each._asdict(), "count": count} for each, count in self._sorted(violations=False)],
        }

    def lines(self) -> list[str]:
        """Return the report in words."""
        read = ", ".join(f"{count:,} {_of(count, what)}" for what, count in self.read.items() if count) or "nothing"
        lines = ["", f"Read {read} from {render.clean(self.source)}"]
        violations, doubts = self._sorted(violations=True), self._sorted(violations=False)
        if violations:
            lines += ["", render.heading(f"{_number(violations)} of the privacy promise"), *_table(violations)]
            if any(each.reason == "unknown_name" for each, _ in violations):
                lines += [
                    "",
                    "  Declare here too what the program declares: --declared NAME, or [tool.spanguard.privacy].",
                ]
        if doubts:
            lines += [
                "",
                render.heading("Names that were not declared here"),
                *_table(doubts),
                "",
                "  They may be literals of the program, which this process cannot see; `spanguard show` shows them. What you",
                "  name with --declared or in [tool.spanguard.privacy] is known, and --strict-names takes nothing else.",
            ]
        if not violations and not self.problem:
            lines += [
                "",
                "Every other field holds what strict mode lets out." if doubts else "Every field holds what it may.",
            ]
        return lines


def _of(count: int, what: str) -> str:
    return what.replace("_", " ").removesuffix("s" if count == 1 else "")


def _number(violations: list[tuple[Violation, int]]) -> str:
    total = sum(count for _, count in violations)
    return "1 violation" if total == 1 else f"{total:,} violations"


def _table(rows: list[tuple[Violation, int]]) -> list[str]:
    return [f"  {count:>7,} x  {_described(each)}" for each, count in rows]


def _described(each: Violation) -> str:
    about = f" ({each.key})" if each.key else ""
    return f"{each.field}{about}: {_SHOWN[each.reason]}"


# -------------------------------------------------------------------------------------------------------------- sources


def _declare(names: tuple[str, ...]) -> None:
    try:
        declare(*names)
    except ValueError as error:
        raise click.UsageError(f"--declared: {error}") from None
    named = Settings.tolerant()[0].privacy_file
    try:
        declare_all(load(Path(named).expanduser() if named else None))
    except SettingsError as error:
        raise CannotTell(f"{error}.") from None


def _audit_file(path: Path, report: Report, *, show_progress: bool) -> None:
    report.source = str(path)
    try:
        with path.open("rb") as file:  # opened once: it may be a pipe
            if not file.peek(len(_SQLITE)).startswith(_SQLITE):
                _audit_lines(file, report, show_progress=show_progress)
                return
    except OSError as error:
        raise CannotTell(f"{render.clean(path)}: {error.strerror or type(error).__name__}.") from None
    _audit_store(path, report, show_progress=show_progress)


def _audit_store(path: Path, report: Report, *, show_progress: bool) -> None:
    try:
        with _opened(path) as database, _progress(_rows(database), shown=show_progress) as advance:
            reading = Reading(database.rows, PROMOTED, advance)
            report.read = reading.rows
            report.add(reading.violations())
    except StoreError as error:
        raise CannotTell(f"{error}.") from None


def _opened(path: Path) -> Database:
    """Open a store, or the spool beside it."""
    try:
        return Database.open(path, read_only=True)
    except StoreError as error:
        try:
            return _SpoolFile.open(path, read_only=True)
        except StoreError:
            raise error from None


def _rows(database: Database) -> int:
    return Reading(database.rows, PROMOTED).count()


def _audit_lines(file: BufferedReader, report: Report, *, show_progress: bool) -> None:
    report.read = {"requests": 0}
    path = render.clean(report.source)
    with _progress(os.fstat(file.fileno()).st_size, shown=show_progress) as advance:
        for number in itertools.count(1):
            line = file.readline(MOST_BYTES + 1)
            if not line:
                break
            advance(len(line))
            if len(line) > MOST_BYTES:
                report.problem = f"{path}: line {number} is longer than {MOST_BYTES >> 20} MiB."
                break
            if line.isspace():
                continue
            try:
                report.add(audit_json(line))
            except NotOtlpError as error:
                report.problem = f"{path}: line {number} is no OTLP-JSON: {error}."
                break
            report.read["requests"] += 1
    if not report.read["requests"] and not report.problem:
        report.problem = f"{path}: the file is empty."


def _audit_live(port: int, seconds: float | None, report: Report, *, quiet: bool) -> None:
    report.read = {"requests": 0}
    lock = threading.Lock()

    def take(request: Message, _: bytes, wrong: list[Violation]) -> None:
        new = report.add(itertools.chain(wrong, audit_message(request)))
        with lock:
            report.read["requests"] += 1
            for each in () if quiet else new:
                click.echo(f"  {_described(each)}")

    try:
        receiver = Receiver(take, port)
    except OSError as error:
        raise CannotTell(f"Port {port} cannot be listened on: {error.strerror or type(error).__name__}.") from None
    report.source = receiver.endpoint
    with receiver:
        click.echo(f"Receiving OTLP/HTTP on {receiver.endpoint} until {_until(seconds)}", err=True)
        _wait(seconds)
    if not report.read["requests"]:
        report.problem = "Nothing was received."


def _until(seconds: float | None) -> str:
    return "you press Ctrl-C" if seconds is None else f"{seconds:g} seconds have passed"


def _wait(seconds: float | None) -> None:
    end = None if seconds is None else time.monotonic() + seconds
    try:
        while end is None or time.monotonic() < end:
            time.sleep(0.2 if end is None else max(0.0, min(0.2, end - time.monotonic())))
    except KeyboardInterrupt:
        pass


@contextmanager
def _progress(length: int, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """Show how far it is on a terminal, and nowhere else."""
    if not (shown and sys.stderr.isatty()):
        yield lambda _: None
        return
    with click.progressbar(length=length, label="Reading", file=sys.stderr) as bar:
        yield bar.update
