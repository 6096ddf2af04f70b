"""`spanguard export` and `spanguard import`: what the local store holds, to files and from files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import click

from spanguard.cli.exits import CannotTell, No
from spanguard.cli.options import echo_json, find, json_option, opened, since_option, store_option
from spanguard.cli.progress import progress
from spanguard.cli.render import clean, number
from spanguard.settings import Settings, SettingsError
from spanguard.store.database import Database
from spanguard.store.export import SIGNALS, TABLES, Exported, MissingDuckDBError, count, export_otlp, export_tables, holds
from spanguard.store.location import resolve
from spanguard.store.selection import Selection

FORMATS: Final = ("parquet", "jsonl", "otlp")


@dataclass(frozen=True)
class Export:
    """What `spanguard export --json` prints."""

    store: str
    """The file that was read."""
    format: str
    """``parquet``, ``jsonl`` or ``otlp``."""
    files: tuple[Exported, ...]
    """The files that were written."""


@dataclass(frozen=True)
class Import:
    """What `spanguard import --json` prints."""

    store: str
    """The file that was written."""
    rows: dict[str, int]
    """New rows, by table; events of spans come with them and are not counted."""
    known: int
    """Rows that the store had already, which were left out."""
    unreadable: int
    """Lines that are no OTLP-JSON, which were left out."""


PRINTED: Final[dict[str, type[object]]] = {"export": Export, "import": Import}


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), default=Path("spanguard-export"))
@click.option("--format", "format_", type=click.Choice(FORMATS), default="jsonl", show_default=True, help="What to write.")
@click.option("--view", "views", type=click.Choice(list(TABLES)), multiple=True, help="Only this table; may be repeated.")
@click.option("--run", help="Only this run.")
@since_option
@store_option
@json_option
def export(
    directory: Path,
    store: Path | None,
    run: str | None,
    *,
    format_: str,
    views: tuple[str, ...],
    since_ns: int | None,
    as_json: bool,
) -> None:
    """Write the store's tables into DIRECTORY (default: spanguard-export), a file each.

    As Parquet (needs DuckDB, the extra "parquet") or JSON lines: the views and the generic rows, see docs/store.md. As OTLP:
    traces.jsonl, metrics.jsonl and logs.jsonl in the format of the collector's file exporter. Files that are there already
    are replaced. Rows are counted again in each file.

    Exits with 0, with 1 if there is nothing to write, with 2 if the store cannot be read or a file not be written.
    """
    if views and format_ == "otlp":
        raise click.UsageError("OTLP has signals, not views.")
    path, selection = find(store), Selection(run, since_ns)
    with opened(path) as db:
        names = views or tuple(SIGNALS.values() if format_ == "otlp" else TABLES)
        if not holds(db, names, selection):
            raise No(f"{path}: there is nothing of the kind.")
        with progress("Writing", lambda: count(db, names, selection)) as told:
            write = export_otlp if format_ == "otlp" else _tables(views or tuple(TABLES), parquet=format_ == "parquet")
            files = write(db, directory, selection, told=told)
    if as_json:
        echo_json(asdict(Export(str(path), format_, tuple(files))))
    else:
        for file in files:
            click.echo(f"{clean(file.path)}  {number(file.rows)} rows, {number(file.bytes)} bytes")


def _tables(names: tuple[str, ...], *, parquet: bool) -> Callable[..., list[Exported]]:
    def write(db: Database, directory: Path, selection: Selection, *, told: Callable[[int], object]) -> list[Exported]:
        try:
            return export_tables(db, directory, names, selection, parquet=parquet, told=told)
        except MissingDuckDBError as error:
            raise CannotTell(str(error)) from error

    return write


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--as-is", is_flag=True, help="Keep everything as it is; needs SPANGUARD_PRIVACY=off too.")
@click.option(
    "--store", type=click.Path(path_type=Path), help="File of the store. Default: SPANGUARD_STORE, or the usual one."
)
@json_option
def import_(file: Path, store: Path | None, *, as_is: bool, as_json: bool) -> None:
    """Read FILE, OTLP-JSON lines of the collector's file exporter or of `spanguard export`, packed by gzip or not.

    Through the privacy guard, as telemetry of a running program: names that are not declared here become pseudonyms. Spans
    and points that the store has already are left out, so that a file can be read twice.

    Exits with 0, with 1 if no line of the file could be read, with 2 if the file cannot be read or the store not be written.
    """
    from spanguard.privacy import guard
    from spanguard.store.imports import import_lines

    path = _place(store)
    try:
        if not guard.begin(Settings.from_environment(), whole_process=False, off_in_code=as_is):
            raise CannotTell(guard.REFUSED)
    except SettingsError as error:
        raise CannotTell(f"{error}.") from error
    with opened(path, read_only=False) as db, progress("Reading", file.stat().st_size) as told:
        try:
            imported = import_lines(db, file, told)
        except OSError as error:
            raise CannotTell(f"{file}: cannot be read ({error.strerror}).") from error
    answer = Import(str(path), imported.rows, imported.known, imported.unreadable)
    if as_json:
        echo_json(asdict(answer))
    else:
        _tell(answer)
    if not (sum(answer.rows.values()) or answer.known):
        raise No(f"{file}: has no OTLP-JSON.")


def _place(store: Path | None) -> Path:
    path = resolve(str(store) if store else Settings.tolerant()[0].store)
    if path is None or (store is not None and path != store.expanduser().absolute()):
        raise CannotTell("The store cannot be written there; name another file with --store.")
    return path


def _tell(answer: Import) -> None:
    kinds = ", ".join(f"{number(rows)} {table.replace('_', ' ')}" for table, rows in answer.rows.items())
    more = "".join(
        f"; {number(each)} {word}"
        for each, word in ((answer.known, "known already"), (answer.unreadable, "lines unreadable"))
        if each
    )
    click.echo(f"Into {clean(answer.store)}: {kinds}{more}.")
