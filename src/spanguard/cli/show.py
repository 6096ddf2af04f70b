"""`spanguard show`: what the local store tells, newest first."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import click

from spanguard.cli import render
from spanguard.cli.exits import CannotTell
from spanguard.cli.report import Report, about_run, about_trace
from spanguard.settings import Settings
from spanguard.store.location import newest


@click.command()
@click.argument("trace_id", required=False)
@click.option("--run", help="Look at this run only. Default: the newest.")
@click.option("--store", type=click.Path(path_type=Path), help="File of the store. Default: SPANGUARD_STORE, or the newest.")
@click.option("--limit", type=click.IntRange(min=1), default=10, show_default=True, help="How many traces to list.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(trace_id: str | None, run: str | None, store: Path | None, limit: int, *, as_json: bool) -> None:
    """Show the newest traces, the most telling one as a tree, and how reliable the newest run was.

    TRACE_ID, or the beginning of one, shows that trace alone.

    Exits with 0, with 1 if there is no such trace or run, with 2 if there is no store or it cannot be read. The object that
    --json prints has "store", "run", "traces" (one object a trace), "trace" (the spans of the shown trace in the order of
    the tree) and "summary" (null for a single trace).
    """
    if trace_id and run:
        raise click.UsageError("Give a trace or a run, not both.")
    path = find(store)
    report = about_trace(path, trace_id) if trace_id else about_run(path, run, limit)
    if as_json:
        click.echo(json.dumps(report.to_dict(), indent=2))
    else:
        echo(["", f"Reading {render.clean(path)}", *listed(report), *told(report)])


def find(store: Path | None) -> Path:
    """Return the store to read: the given one, what ``SPANGUARD_STORE`` says, or the newest one."""
    setting = Settings.tolerant()[0].store
    if store is None and setting == "off":
        raise CannotTell("SPANGUARD_STORE is off; name a store with --store.")
    path = store or (Path(setting).expanduser() if setting else newest())
    if path is None:
        raise CannotTell("There is no local store here; `spanguard demo` makes one, and so does spanguard.configure().")
    return path


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


def echo(lines: list[str]) -> None:
    """Print lines: in colour on a terminal, unless ``NO_COLOR`` is set."""
    click.echo("\n".join(lines), color=False if os.environ.get("NO_COLOR") else None)
