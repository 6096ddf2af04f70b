"""`spanguard purge`: delete what the local store holds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import click

from spanguard.cli.exits import No
from spanguard.cli.options import TIME, echo_json, find, json_option, opened, store_option
from spanguard.cli.progress import progress
from spanguard.cli.render import clean, number
from spanguard.store.retention import count
from spanguard.store.retention import purge as delete


@dataclass(frozen=True)
class Purged:
    """What `spanguard purge --json` prints."""

    store: str
    """The file."""
    deleted: dict[str, int]
    """Rows that were deleted, by table; events of spans go with them and are not counted."""


PRINTED: Final[dict[str, type[object]]] = {"purge": Purged}


@click.command()
@click.option("--run", help="Delete this run only.")
@click.option("--before", "before_ns", type=TIME, metavar="TIME", help="Delete what is older: 2d, 1w, or a date (UTC).")
@click.option("--all", "everything", is_flag=True, help="Delete everything.")
@store_option
@json_option
def purge(store: Path | None, run: str | None, before_ns: int | None, *, everything: bool, as_json: bool) -> None:
    """Delete spans, events and metric points from the local store, and overwrite them in the file.

    Give --run, --before or both, or --all. Programs may go on writing meanwhile. Exits with 0, with 1 if there is nothing
    of the kind, with 2 if the store cannot be read or written.
    """
    if everything == (run is not None or before_ns is not None):
        raise click.UsageError("Give --run, --before or both, or --all alone.")
    path = find(store)
    with opened(path):  # a store that is not there is not made
        pass
    with opened(path, read_only=False) as database:
        total = count(database, run=run, before_ns=before_ns)
        if not total:
            raise No(f"{path}: there is nothing of the kind.")
        with progress("Deleting", total) as told:
            deleted = delete(database, run=run, before_ns=before_ns, told=told)
    if as_json:
        echo_json(asdict(Purged(str(path), deleted)))
    else:
        kinds = ", ".join(f"{number(rows)} {table.replace('_', ' ')}" for table, rows in deleted.items() if rows)
        click.echo(f"Deleted from {clean(path)}: {kinds}.")
