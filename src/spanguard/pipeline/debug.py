"""``SPANGUARD_DEBUG=1``: spans, events and metrics on stderr, one readable line each, and nothing exported."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TextIO

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.metrics.export import (
    HistogramDataPoint,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
)
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

_MILLISECOND = 1e6


def _line(stream: TextIO | None, kind: str, name: str, *facts: str, attributes: Mapping[str, object] | None) -> None:
    said = [f"{key}={value}" for key, value in (attributes or {}).items()]
    (stream or sys.stderr).write(" ".join(["spanguard", f"{kind:<6}", name, *facts, *said]) + "\n")


class DebugSpanExporter(SpanExporter):
    """Prints each span and its events."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Print the spans."""
        for span in spans:
            took = ((span.end_time or 0) - (span.start_time or 0)) / _MILLISECOND
            parent = f"in {span.parent.span_id:016x}" if span.parent else "root"
            context = span.get_span_context()
            own = f"{context.span_id:016x}" if context else "-"
            facts = (f"{took:.1f}ms", span.status.status_code.name, own, parent)
            _line(self._stream, "span", span.name, *facts, attributes=span.attributes)
            for event in span.events:
                _line(self._stream, "event", event.name, f"on {span.name}", attributes=event.attributes)
        return SpanExportResult.SUCCESS


class DebugLogExporter(LogRecordExporter):
    """Prints each event that came as a log record."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Print the log records' names and attributes, never their bodies."""
        for data in batch:
            record = data.log_record
            _line(
                self._stream,
                "event",
                record.event_name or "log",
                record.severity_text or "-",
                attributes=record.attributes,
            )
        return LogRecordExportResult.SUCCESS

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002
        """Nothing is kept."""
        return True

    def shutdown(self) -> None:
        """Nothing is kept."""


class DebugMetricExporter(MetricExporter):
    """Prints each metric point at the end of the program, and every minute until then."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__()
        self._stream = stream

    def export(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **_: object) -> MetricExportResult:  # noqa: ARG002
        """Print the points."""
        for name, unit, point in _points(metrics_data):
            if isinstance(point, HistogramDataPoint):
                facts = [f"count={point.count}", f"sum={point.sum:g}{unit}"]
            elif isinstance(point, NumberDataPoint):
                facts = [f"value={point.value:g}{unit}"]
            else:
                continue
            _line(self._stream, "metric", name, *facts, attributes=point.attributes)
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 10_000) -> bool:  # noqa: ARG002
        """Nothing is kept."""
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_: object) -> None:
        """Nothing is kept."""


def _points(data: MetricsData) -> Iterator[tuple[str, str, object]]:
    for resource in data.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in metric.data.data_points:
                    yield metric.name, metric.unit or "", point
