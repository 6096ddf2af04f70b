"""`spanguard show`: what the local store tells, newest first."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import click

from spanguard.cli import render
from spanguard.cli.options import echo, echo_json, find, json_option, opened, since_option, store_option
from spanguard.cli.report import Report, about_run, about_trace
from spanguard.semconv import OUTCOMES
from spanguard.store.queries import EventKind, TraceRow, Wanted, event_kinds, finished_since, last_span

_POLL_SECONDS: Final = 0.5


@dataclass(frozen=True)
class Events:
    """What `spanguard show --events --json` prints."""

    store: str
    """The file."""
    run: str | None
    """The run whose events were counted; null for all."""
    events: tuple[EventKind, ...]
    """Every kind of event, whether recorded or not."""


PRINTED: Final[dict[str, type[object]]] = {"show": Report, "show --events": Events, "show --follow": TraceRow}


@click.command()
@click.argument("trace_id", required=False)
@click.option("--run", help="Look at this run only. Default: the newest.")
@click.option("--name", help="Traces with a span whose name has this in it.")
@click.option("--outcome", type=click.Choice(OUTCOMES), help="Traces that ended so.")
@click.option("--error", help="Traces with a span of this error.type or error category.")
@since_option
@click.option("--limit", type=click.IntRange(min=1), default=10, show_default=True, help="How many traces to list.")
@click.option("--follow", "-f", is_flag=True, help="List traces as they end, until interrupted.")
@click.option("--events", is_flag=True, help="List every kind of event, and how often it was recorded.")
@store_option
@json_option
def show(
    trace_id: str | None,
    run: str | None,
    store: Path | None,
    limit: int,
    *,
    follow: bool,
    events: bool,
    as_json: bool,
    **filters: str | int | None,
) -> None:
    """Show the newest traces, the most telling one as a tree, and how reliable the newest run was.

    TRACE_ID, or the beginning of one, shows that trace alone.

    Exits with 0, with 1 if there is no such trace or run, with 2 if there is no store or it cannot be read.
    """
    if trace_id and run:
        raise click.UsageError("Give a trace or a run, not both.")
    path = find(store)
    wanted = Wanted(run, **filters)  # type: ignore[arg-type]
    if follow:
        _follow(path, wanted, as_json=as_json)
    elif events:
        _events(path, run, as_json=as_json)
    else:
        report = about_trace(path, trace_id) if trace_id else about_run(path, run, limit, wanted)
        if as_json:
            echo_json(report.to_dict())
        else:
            echo(["", f"Reading {render.clean(path)}", *listed(report), *told(report)])


def _follow(path: Path, wanted: Wanted, *, as_json: bool) -> None:
    if not as_json:
        echo(["", f"Following {render.clean(path)}; Ctrl+C ends it", "", *render.trace_list(())])
    with suppress(KeyboardInterrupt):
        for row in _finished(path, wanted):
            if as_json:
                echo_json(asdict(row), indent=None)
            else:
                echo(list(render.trace_list((row,)))[1:])


def _finished(path: Path, wanted: Wanted) -> Iterator[TraceRow]:
    with opened(path) as db:
        mark = last_span(db)
        while True:
            rows, mark = finished_since(db, mark, wanted)
            yield from rows
            time.sleep(_POLL_SECONDS)


def _events(path: Path, run: str | None, *, as_json: bool) -> None:
    with opened(path) as db:
        kinds = event_kinds(db, run=run)
    if as_json:
        echo_json(asdict(Events(str(path), run, tuple(kinds))))
    else:
        echo(["", f"Reading {render.clean(path)}", "", *_event_lines(kinds)])


def _event_lines(kinds: list[EventKind]) -> Iterator[str]:
    head = ("event", "severity", "count", "last", "meaning")
    lines = [
        (render.clean(kind.name), kind.severity, render.number(kind.count), render.local(kind.last_ns), kind.brief)
        for kind in kinds
    ]
    yield from render.table([head, *lines], frozenset({2}))


def listed(report: Report) -> list[str]:
    """Return the list of traces, if the report has one."""
    if not report.traces:
        return []
    return ["", render.heading("Newest traces"), *render.trace_list(report.traces)]


def told(report: Report) -> list[str]:
    """Return the tree and the reliability, as far as the report has them."""
    lines: list[str] = []
    if report.trace:
        which = "The most telling trace: " if report.summary else "Trace "
        lines += ["", render.heading(which + report.trace[0].trace_id)]
        lines += render.tree(report.trace, render.glyphs(sys.stdout.encoding))
    if report.summary:
        lines += ["", render.heading(f"Reliability of run {render.clean(report.run)}"), *render.reliability(report.summary)]
    return lines
