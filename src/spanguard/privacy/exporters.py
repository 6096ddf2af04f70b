"""Exporters that get what is clean: the guard in front of every exporter that `spanguard.configure` makes.

The same for any exporter of anybody's: ``PeriodicExportingMetricReader(GuardedMetricExporter(exporter))``.
"""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from spanguard.privacy.border import guarded, guarded_each
from spanguard.privacy.logs import clean_log
from spanguard.privacy.metrics import clean_metrics
from spanguard.privacy.spans import clean_span


class GuardedSpanExporter(SpanExporter):
    """Hands spans to the exporter that it was given as they may leave the process."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._next = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Clean the spans and export them."""
        return self._next.export(guarded_each("span", clean_span, spans))

    def shutdown(self) -> None:
        """Shut the exporter down."""
        self._next.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the exporter."""
        return self._next.force_flush(timeout_millis)


class GuardedLogExporter(LogRecordExporter):
    """Hands log records to the exporter that it was given as they may leave the process."""

    def __init__(self, exporter: LogRecordExporter) -> None:
        self._next = exporter

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Clean the log records and export them."""
        return self._next.export(guarded_each("log", clean_log, batch))

    def shutdown(self) -> None:
        """Shut the exporter down."""
        self._next.shutdown()  # type: ignore[no-untyped-call]

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the exporter."""
        return self._next.force_flush(timeout_millis)


class GuardedMetricExporter(MetricExporter):
    """Hands metrics to the exporter that it was given as they may leave the process, with that exporter's preferences."""

    def __init__(self, exporter: MetricExporter) -> None:
        super().__init__(exporter._preferred_temporality, exporter._preferred_aggregation)
        self._next = exporter

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: object) -> MetricExportResult:
        """Clean the metrics and export them."""
        cleaned = guarded("metric", clean_metrics, metrics_data)
        return self._next.export(MetricsData([]) if cleaned is None else cleaned, timeout_millis, **kwargs)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: object) -> None:
        """Shut the exporter down."""
        self._next.shutdown(timeout_millis, **kwargs)

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Flush the exporter."""
        return self._next.force_flush(timeout_millis)
