"""Programs that write telemetry with the real SDK into a real file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from spanguard import semconv
from spanguard.store import StoreLogExporter, StoreMetricExporter, StoreSpanExporter
from stores import as_recorded, path, read, started, store

__all__ = ["as_recorded", "path", "read", "store"]


class Program:
    """A process's telemetry: tracer, meter and events, all kept in one store."""

    def __init__(self, path: Path, run: str = "run-1", service: str = "shop") -> None:
        resource = Resource({"service.name": service, **({semconv.RUN_ID: run} if run else {})})
        self.spans, self.metrics, self.logs = (
            StoreSpanExporter(path),
            StoreMetricExporter(path),
            StoreLogExporter(path),
        )
        self._tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._tracers.add_span_processor(BatchSpanProcessor(self.spans))
        reader = PeriodicExportingMetricReader(self.metrics, export_interval_millis=math.inf)
        self._meters = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
        self._loggers = LoggerProvider(resource=resource, shutdown_on_exit=False)
        self._loggers.add_log_record_processor(BatchLogRecordProcessor(self.logs))
        self.tracer = self._tracers.get_tracer(semconv.SCOPE)
        self.meter = self._meters.get_meter(semconv.SCOPE)
        self._providers = (self._tracers, self._meters, self._loggers)
        self._stopped = False

    def record(self, metric: semconv.Metric, value: float, attributes: dict[str, str], times: int = 1) -> None:
        """Record a value of a metric of the vocabulary."""
        if metric.kind == "counter":
            instrument = self.meter.create_counter(metric.name, metric.unit, metric.brief)
            measure = instrument.add
        else:
            histogram = self.meter.create_histogram(
                metric.name, metric.unit, metric.brief, explicit_bucket_boundaries_advisory=metric.boundaries
            )
            measure = histogram.record
        for _ in range(times):
            measure(value, attributes)

    def log(self, event: str | None, body: str | None = None, **attributes: object) -> None:
        """Emit a log record; with an event name it is an event."""
        self._loggers.get_logger(semconv.SCOPE).emit(
            LogRecord(
                timestamp=1_000,
                severity_number=SeverityNumber.WARN,
                body=body,
                event_name=event,
                attributes=attributes,
            )
        )

    def flush(self) -> None:
        """Export everything recorded so far."""
        for provider in self._providers:
            provider.force_flush()

    def stop(self) -> None:
        """Export the rest and close the store."""
        if not self._stopped:
            self._stopped = True
            self.flush()  # without an interval the metric reader's shutdown does not collect
            for provider in self._providers:
                provider.shutdown()


@pytest.fixture
def start(path: Path) -> Iterator[Callable[..., Program]]:
    """Start programs that write into the store; each still running at the end of the test is stopped."""
    yield from started(lambda **kwargs: Program(path, **kwargs))
