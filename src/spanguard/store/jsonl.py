"""Exporters that write OTLP-JSON lines as a program runs: what the collector's otlpjsonfile receiver follows and reads.

Each is also an entry point: ``OTEL_TRACES_EXPORTER=spanguard_jsonl`` and its two sisters work without any code. The files
``traces.jsonl``, ``metrics.jsonl`` and ``logs.jsonl`` are where the local store is, or would be.
"""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Final

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from spanguard.settings import Settings
from spanguard.store import otlp
from spanguard.store.columns import COLUMNS
from spanguard.store.encode import log_rows, metric_rows, span_rows
from spanguard.store.exporters import PREFERRED_TEMPORALITY
from spanguard.store.location import resolve
from spanguard.store.schema import Row, Rows

_log: Final = logging.getLogger("spanguard")


class _JsonLinesExporter:
    """What the three have in common. Without a path the file is beside the store; with no store, nothing is written."""

    _signal: ClassVar[str]

    def __init__(self, path: Path | str | None = None) -> None:
        super().__init__()
        store = resolve(Settings.from_environment().store) if path is None else None
        self._path = Path(path) if path is not None else store and store.with_name(f"{self._signal}.jsonl")
        self._reported = False

    def force_flush(self, timeout_millis: float = 30_000) -> bool:  # noqa: ARG002 - the SDK's signature
        """Return True: what was exported is written."""
        return True

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: object) -> None:
        """Do nothing: no file is kept open."""

    def _write(self, request: Callable[[], otlp.Json]) -> bool:
        """Add a line in one write, so that the lines of several processes do not mix."""
        if self._path is None:
            return True
        try:
            text = otlp.line(request()).encode("ascii")
            file = os.open(self._path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
            try:
                return os.write(file, text) == len(text)
            finally:
                os.close(file)
        except Exception as error:  # the border to the SDK, and to the program behind it
            if not self._reported:
                self._reported = True
                _log.warning(
                    "%s dropped: their file cannot be written (%s; reported once)", self._signal, type(error).__name__
                )
            return False


class JsonLinesSpanExporter(_JsonLinesExporter, SpanExporter):
    """Write spans as OTLP-JSON lines: ``BatchSpanProcessor(JsonLinesSpanExporter("traces.jsonl"))``."""

    _signal = "traces"

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write the spans as one line."""
        return SpanExportResult.SUCCESS if self._write(lambda: _traces(span_rows(spans))) else SpanExportResult.FAILURE


class JsonLinesMetricExporter(_JsonLinesExporter, MetricExporter):
    """Write metrics as OTLP-JSON lines; asks for deltas as the store does, so that points of many processes add up."""

    _signal = "metrics"

    def __init__(self, path: Path | str | None = None) -> None:
        super().__init__(path)
        self._preferred_temporality = {**PREFERRED_TEMPORALITY}

    def export(
        self,
        metrics_data: MetricsData,
        timeout_millis: float = 10_000,  # noqa: ARG002 - the SDK's signature
        **kwargs: object,  # noqa: ARG002
    ) -> MetricExportResult:
        """Write the points as one line."""

        def request() -> otlp.Json:
            rows = metric_rows(metrics_data)
            return otlp.metrics(_stored(rows, "metric_points"), _resources(rows))

        return MetricExportResult.SUCCESS if self._write(request) else MetricExportResult.FAILURE


class JsonLinesLogExporter(_JsonLinesExporter, LogRecordExporter):
    """Write events (log records that have an event name) as OTLP-JSON lines; other log records are left out."""

    _signal = "logs"

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Write the events as one line."""
        rows = log_rows(batch)
        if not rows["log_events"]:
            return LogRecordExportResult.SUCCESS
        done = self._write(lambda: otlp.logs(_stored(rows, "log_events"), _resources(rows)))
        return LogRecordExportResult.SUCCESS if done else LogRecordExportResult.FAILURE


def _traces(rows: Rows) -> otlp.Json:
    events: defaultdict[tuple[object, object], list[otlp.Stored]] = defaultdict(list)
    for event in _stored(rows, "span_events"):
        events[event["trace_id"], event["span_id"]].append(event)
    return otlp.traces(_stored(rows, "spans"), events, _resources(rows))


def _resources(rows: Rows) -> otlp.Resources:
    return {row["id"]: row["attributes"] for row in _stored(rows, "resources")}


def _stored(rows: Rows, table: str) -> list[otlp.Stored]:
    def by_column(row: Row) -> otlp.Stored:
        return dict(zip(COLUMNS[table], row, strict=True))

    return [by_column(row) for row in rows[table]]
