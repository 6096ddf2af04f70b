"""The local store: one SQLite file with the spans, metric points and events of all processes of a project."""

from __future__ import annotations

from spanguard.store.database import Database, StoreError
from spanguard.store.exporters import StoreLogExporter, StoreMetricExporter, StoreSpanExporter
from spanguard.store.location import newest, resolve
from spanguard.store.queries import EventRow, LinkRow, RunRow, SpanRow, TraceRow, runs, trace, traces
from spanguard.store.summary import Calls, Operations, Policy, Split, Summary, Verdicts, summary

__all__ = [
    "Calls",
    "Database",
    "EventRow",
    "LinkRow",
    "Operations",
    "Policy",
    "RunRow",
    "SpanRow",
    "Split",
    "StoreError",
    "StoreLogExporter",
    "StoreMetricExporter",
    "StoreSpanExporter",
    "Summary",
    "TraceRow",
    "Verdicts",
    "newest",
    "resolve",
    "runs",
    "summary",
    "trace",
    "traces",
]
