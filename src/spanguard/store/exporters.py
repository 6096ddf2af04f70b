"""Exporters of the OpenTelemetry SDK that keep spans, metrics and log events in the local store.

Each is also an entry point: ``OTEL_TRACES_EXPORTER=spanguard`` and its two sisters work without any code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Final

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics import Counter, Histogram, ObservableCounter, ObservableUpDownCounter, UpDownCounter
from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from spanguard.privacy.metrics import clean_metrics
from spanguard.settings import Settings
from spanguard.store.encode import log_rows, metric_rows, span_rows
from spanguard.store.location import resolve
from spanguard.store.losses import lost
from spanguard.store.queues import Queued
from spanguard.store.schema import Rows
from spanguard.store.writer import Writer

PREFERRED_TEMPORALITY: Final[dict[type, AggregationTemporality]] = {
    **dict.fromkeys((Counter, ObservableCounter, Histogram), AggregationTemporality.DELTA),
    **dict.fromkeys((UpDownCounter, ObservableUpDownCounter), AggregationTemporality.CUMULATIVE),
}
"""Deltas of what is counted, so that points of many processes add up; the present value of what goes up and down."""


class _StoreExporter(Queued):
    """What the three have in common.

    Without a path the file is where ``SPANGUARD_STORE`` says; if that is ``off``, or there is no directory that can be
    written, everything is discarded.
    """

    _signal: ClassVar[str]
    _kind: ClassVar[str]

    def __init__(self, path: Path | str | None = None) -> None:
        super().__init__()
        found = resolve(Settings.from_environment().store) if path is None else Path(path)
        self._writer = Writer.of(found) if found else None
        self._released = False
        self.dropped: int = 0
        """How many spans, metric points or log records are not in the store."""

    def force_flush(self, timeout_millis: float = 30_000) -> bool:  # noqa: ARG002 - the SDK's signature
        """Return True: what was exported is written."""
        return True

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: object) -> None:  # noqa: ARG002 - the SDK's signature
        """Close the file, unless another exporter of this process still uses it."""
        if self._writer and not self._released:
            self._released = True
            self._writer.release()

    def overflowed(self, items: int, resource: Resource | None) -> None:
        """Take note of items that never came here, as the queue before this was full."""
        self.dropped += items
        if self._writer:
            self._writer.note(resource, self._signal, items)

    def _keep(self, rows: Callable[[], Rows], items: int, resource: Callable[[], Resource | None]) -> bool:
        if self._writer is None or not items:
            return True
        error = self._writer.keep(rows)
        if error:
            self.dropped += items
            lost(self._kind, "not_written", items)
            self._writer.dropped(resource(), self._signal, items, error)
        return error is None


class StoreSpanExporter(_StoreExporter, SpanExporter):
    """Keep spans in the local store: ``BatchSpanProcessor(StoreSpanExporter("telemetry.db"))``.

    A batch that cannot be written is dropped, counted in `dropped` and in the store's next batch, and logged once; nothing
    is raised.
    """

    _signal, _kind = "spans", "traces"

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write the spans in one transaction."""
        self._seek_queue(self._kind, spans)
        kept = self._keep(lambda: span_rows(spans), len(spans), lambda: spans[0].resource)
        return SpanExportResult.SUCCESS if kept else SpanExportResult.FAILURE


class StoreLogExporter(_StoreExporter, LogRecordExporter):
    """Keep events (log records that have an event name) in the local store; other log records are left out."""

    _signal, _kind = "log records", "logs"

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Write the events in one transaction."""
        self._seek_queue(self._kind, batch)
        kept = self._keep(lambda: log_rows(batch), len(batch), lambda: batch[0].resource)
        return LogRecordExportResult.SUCCESS if kept else LogRecordExportResult.FAILURE


class StoreMetricExporter(_StoreExporter, MetricExporter):
    """Keep metric points in the local store: ``PeriodicExportingMetricReader(StoreMetricExporter("telemetry.db"))``.

    Asks for deltas of counters and histograms, so that points of many processes add up, and for the present value of
    up-down counters.
    """

    _signal, _kind = "metric points", "metrics"

    def __init__(self, path: Path | str | None = None) -> None:
        super().__init__(path)
        self._preferred_temporality = {**PREFERRED_TEMPORALITY}

    def export(
        self,
        metrics_data: MetricsData,
        timeout_millis: float = 10_000,  # noqa: ARG002 - the SDK's signature
        **kwargs: object,  # noqa: ARG002
    ) -> MetricExportResult:
        """Write the points in one transaction."""
        clean = clean_metrics(metrics_data)
        kept = self._keep(lambda: metric_rows(clean), _points(clean), lambda: _resource(clean))
        return MetricExportResult.SUCCESS if kept else MetricExportResult.FAILURE


def _points(data: MetricsData) -> int:
    return sum(
        len(metric.data.data_points)
        for by_resource in data.resource_metrics
        for by_scope in by_resource.scope_metrics
        for metric in by_scope.metrics
    )


def _resource(data: MetricsData) -> Resource | None:
    return data.resource_metrics[0].resource if data.resource_metrics else None
