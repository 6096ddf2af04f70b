"""What `show` and `demo` print: one report, read from a store with the store's own queries."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from spanguard.cli.exits import CannotTell, No
from spanguard.store.database import Database, StoreError
from spanguard.store.indicators import known_runs
from spanguard.store.queries import SpanRow, TraceRow, Wanted, runs, trace, traces
from spanguard.store.summary import Summary, summary

_MANY: Final = 500
"""How many of a run's newest traces the most telling one is looked for among."""


@dataclass(frozen=True)
class Report:
    """What a store tells: the newest traces, the spans of one of them in tree order, and the reliability of one run.

    The text and the JSON of a command are made from the same report.
    """

    store: Path
    """The file."""
    run: str | None
    """The run that the summary is of; null for a single trace."""
    traces: tuple[TraceRow, ...]
    """The newest traces; none for a single trace."""
    trace: tuple[SpanRow, ...]
    """The spans of the shown trace, in the order of the tree."""
    summary: Summary | None
    """The reliability of the run; null for a single trace."""

    def to_dict(self) -> dict[str, object]:
        """Return the same as dictionaries and lists, for JSON; times are ns since 1970, durations of quantiles seconds."""
        return {
            "store": str(self.store),
            "run": self.run,
            "traces": [asdict(row) for row in self.traces],
            "trace": [asdict(row) for row in self.trace],
            "summary": self.summary.to_dict() if self.summary else None,
        }


def about_run(store: Path, run: str | None = None, limit: int = 10, wanted: Wanted | None = None) -> Report:
    """Read the newest traces, and the most telling trace and the reliability of a run, by default the newest.

    With ``wanted`` only such traces are listed, and the most telling is one of them, of whatever run; `No` if there is none.
    Raises `No` if there is nothing of the kind in the store, `CannotTell` if the store cannot be read.
    """
    try:
        with Database.open(store, read_only=True) as db:
            known = [row.run for row in runs(db)]
            if run is not None and not any(known_runs(db, run)):
                raise No(f"{store}: there is no run {run!r}.")
            if not known:
                raise No(f"{store}: nothing is recorded yet.")
            chosen = run if run is not None else known[0]
            if wanted is None or wanted == Wanted(run):
                listed, candidates = traces(db, run=run, limit=limit), traces(db, run=chosen, limit=_MANY)
            else:
                listed = candidates = traces(db, limit=limit, wanted=wanted)
                if not listed:
                    raise No(f"{store}: there is no such trace.")
            told = most_telling(candidates)
            spans = trace(db, told.trace_id) if told else []
            return Report(store, chosen, tuple(listed), tuple(spans), summary(db, run=chosen))
    except StoreError as error:
        raise CannotTell(f"{error}.") from error


def about_trace(store: Path, trace_id: str) -> Report:
    """Read one trace, by its id or the beginning of it. Raises as `about_run` does."""
    try:
        with Database.open(store, read_only=True) as db:
            spans = trace(db, trace_id)
    except StoreError as error:
        raise CannotTell(f"{error}.") from error
    if not spans:
        raise No(f"{store}: there is no trace {trace_id!r}.")
    return Report(store, None, (), tuple(spans), None)


def most_telling(rows: list[TraceRow]) -> TraceRow | None:
    """Choose the repair with the most attempts, else the latest trace that went wrong, else the latest; newest first."""
    repairs = [row for row in rows if row.name.startswith("repair ") and row.attempts > 1]
    if repairs:
        return max(repairs, key=lambda row: row.attempts)
    return next((row for row in rows if row.outcome not in ("success", "recovered")), rows[0] if rows else None)
