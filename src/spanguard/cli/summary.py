"""`spanguard summary`: what happened in a time or a run, in figures."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import click

from spanguard.cli.exits import No
from spanguard.cli.options import echo, echo_json, find, json_option, opened, since_option, store_option
from spanguard.cli.render import clean, heading
from spanguard.cli.sections import group_table, moment, sections
from spanguard.store.database import Database
from spanguard.store.groups import KEYS, Group, groups
from spanguard.store.indicators import known_runs
from spanguard.store.queries import runs
from spanguard.store.selection import WINDOWS, Selection, last
from spanguard.store.statistics import Statistics, statistics
from spanguard.store.trend import Change, Spike, compare, spikes, trend


@dataclass(frozen=True)
class Answer:
    """What `spanguard summary --json` prints."""

    store: str
    """The file."""
    window: str
    """The window: how far back the figures go where neither a run nor a time is given, and what ``--by window`` lists."""
    statistics: Statistics | None
    """The figures; null with ``--by``."""
    trend: tuple[Change, ...]
    """The figures beside those of the time of the same length before; empty for a run."""
    compared: tuple[Change, ...]
    """The figures beside those of the run that ``--compare`` names."""
    spikes: tuple[Spike, ...]
    """Windows with at least five errors and twice the usual rate of errors."""
    by: str | None
    """What ``--by`` groups by."""
    groups: tuple[Group, ...]
    """The figures of each group."""


PRINTED: Final[dict[str, type[object]]] = {"summary": Answer}


@click.command()
@click.option("--run", help="Sum up this run. Default: all runs.")
@since_option
@click.option(
    "--window",
    type=click.Choice(list(WINDOWS)),
    default="hour",
    show_default=True,
    help="Sum up the last minute, hour, day, week or month (30 days) that the store knows of.",
)
@click.option("--by", type=click.Choice(KEYS), help="One line for each; windows are the calendar's, in UTC.")
@click.option("--compare", "other", metavar="RUN", help="Set another run beside it.")
@store_option
@json_option
def summary(
    store: Path | None,
    run: str | None,
    *,
    since_ns: int | None,
    window: str,
    by: str | None,
    other: str | None,
    as_json: bool,
) -> None:
    """Sum up the last hour, or a run: rates, latency, tokens, cost, errors, retries, caches, breakers, users, trends.

    Counts and rates come from metrics, which are never sampled; users, spaces, error categories, costs and cancellations
    from spans. Rates are 0 where nothing was attempted, and empty where nobody knows.

    Exits with 0, with 1 if there is nothing of the kind in the store, with 2 if there is no store or it cannot be read. The
    object that --json prints is described in docs/cli.md.
    """
    path = find(store)
    with opened(path) as db:
        selection = _selection(db, run, since_ns, window, whole=by in ("window", "run"))
        _refuse_unknown(db, path, run, other)
        answer = Answer(str(path), window, None, (), (), (), by, ())
        if by:
            answer = replace(answer, groups=tuple(groups(db, selection, by, window)))
        else:
            answer = _answered(db, answer, selection, other)
    if by and not answer.groups:
        raise No(f"{path}: nothing is recorded of that.")
    if as_json:
        echo_json(asdict(answer))
    else:
        echo(_lines(answer))


def _selection(db: Database, run: str | None, since_ns: int | None, window: str, *, whole: bool) -> Selection:
    if run is not None or since_ns is not None or whole:
        return Selection(run, since_ns)
    return last(db, window)


def _refuse_unknown(db: Database, path: Path, *asked: str | None) -> None:
    if not runs(db):
        raise No(f"{path}: nothing is recorded yet.")
    for run in asked:
        if run is not None and not any(known_runs(db, run)):
            raise No(f"{path}: there is no run {run!r}.")


def _answered(db: Database, answer: Answer, selection: Selection, other: str | None) -> Answer:
    told = statistics(db, selection)
    return replace(
        answer,
        statistics=told,
        trend=trend(db, selection, told),
        compared=() if other is None else compare(told, statistics(db, Selection(other))),
        spikes=spikes(db, selection),
    )


def _lines(answer: Answer) -> list[str]:
    lines = ["", f"Reading {clean(answer.store)}", ""]
    if answer.statistics is None:
        return [*lines, *group_table(answer.by or "", answer.groups)]
    told = answer.statistics
    which = "run " + clean(told.run) if told.run is not None else _times(told)
    lines += [heading(f"Summary of {which}")]
    return [*lines, *sections(told, answer.trend, answer.compared, answer.spikes)]


def _times(told: Statistics) -> str:
    if told.start_ns is None or told.end_ns is None:
        return "nothing"
    return f"{moment(told.start_ns)} to {moment(told.end_ns)} UTC"
