"""The local store: one SQLite file with the spans, metric points and events of all processes of a project."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spanguard.store.database import Database, StoreError
from spanguard.store.location import newest, resolve
from spanguard.store.queries import EventRow, LinkRow, RunRow, SpanRow, TraceRow, runs, trace, traces
from spanguard.store.summary import (
    Calls,
    Cost,
    Operations,
    PolicyRow,
    Summary,
    Tokens,
    Verdicts,
    summary,
)

if TYPE_CHECKING:
    from spanguard.store.exporters import StoreLogExporter, StoreMetricExporter, StoreSpanExporter

__all__ = [
    "Calls",
    "Cost",
    "Database",
    "EventRow",
    "LinkRow",
    "Operations",
    "PolicyRow",
    "RunRow",
    "SpanRow",
    "StoreError",
    "StoreLogExporter",
    "StoreMetricExporter",
    "StoreSpanExporter",
    "Summary",
    "Tokens",
    "TraceRow",
    "Verdicts",
    "newest",
    "resolve",
    "runs",
    "summary",
    "trace",
    "traces",
]


def __getattr__(name: str) -> object:
    """Load an exporter, and the SDK with it, when it is asked for: to read a store needs neither."""
    if name in __all__:
        from spanguard.store import exporters

        return getattr(exporters, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
