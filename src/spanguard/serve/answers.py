"""What the JSON API answers, each as one class: OpenAPI's schemas are made of them."""

from __future__ import annotations

from dataclasses import dataclass

from spanguard.serve.served import AlertState, Reading
from spanguard.slo.alerts import Alert
from spanguard.slo.evaluate import Verdict
from spanguard.store.history import Bucket
from spanguard.store.overview import Overview, Redaction
from spanguard.store.queries import RunRow, SpanRow, TraceRow
from spanguard.store.statistics import Statistics
from spanguard.store.trend import Change


@dataclass(frozen=True)
class Problem:
    """Why a request was not answered."""

    error: str
    """The status in words."""
    detail: str
    """What was expected; never what was sent."""


@dataclass(frozen=True)
class Health:
    """Whether the server is at work."""

    status: str


@dataclass(frozen=True)
class Current:
    """The figures of the last minutes, hours or days."""

    time: str
    """When this was answered, UTC."""
    window: str
    start: str
    """When the window begins, UTC; where only hours are kept, with the hour."""
    indicators: tuple[Reading, ...]
    """Every SLI."""
    figures: Overview


@dataclass(frozen=True)
class Historical:
    """A figure over time."""

    type: str
    aggregation: str
    start: str
    end: str
    unit: str
    points: tuple[Bucket, ...]
    """Windows in which nothing was exported are left out."""


@dataclass(frozen=True)
class Alerts:
    """The alerts that are checked, and those that fired or resolved since the server began, the newest first."""

    checked: str | None
    """When they were last checked, UTC."""
    firing: int
    definitions: tuple[AlertState, ...]
    history: tuple[Alert, ...]


@dataclass(frozen=True)
class ErrorCount:
    """An ``error.type``, and how many calls failed with it."""

    type: str
    count: int


@dataclass(frozen=True)
class Short:
    """A time in a few figures."""

    window: str
    start: str
    end: str
    total_events: int
    """Calls of models."""
    failures: int
    failure_rate: float | None
    """A share from 0 to 1."""
    top_errors: tuple[ErrorCount, ...]
    dependency_usage: dict[str, int]
    """Packages that generated code tried to use, and how often."""
    average_retries: float | None
    """Attempts beyond the first, of operations that succeeded."""


@dataclass(frozen=True)
class Traces:
    """Traces, the newest first."""

    traces: tuple[TraceRow, ...]


@dataclass(frozen=True)
class Trace:
    """One trace: its spans as a tree, each before its children."""

    trace_id: str
    spans: tuple[SpanRow, ...]


@dataclass(frozen=True)
class Runs:
    """Runs, the newest first."""

    runs: tuple[RunRow, ...]


@dataclass(frozen=True)
class Run:
    """One run, in figures."""

    run: RunRow
    statistics: Statistics


@dataclass(frozen=True)
class Compared:
    """Two runs side by side; ``now`` is of the first, ``before`` of the second."""

    run: str
    other: str
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Objectives:
    """The verdict on each objective."""

    checked: str | None
    """When they were last checked, UTC."""
    defaults: bool
    """Whether these are the server's own, as no file was given."""
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True)
class Privacy:
    """What the guard removed or replaced in a time, never what it was."""

    window: str
    redactions: tuple[Redaction, ...]
