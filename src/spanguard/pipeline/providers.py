"""Make the SDK's providers and set them, unless the program has set its own."""

from __future__ import annotations

import os
from typing import Final, Protocol, cast

from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter

from spanguard.pipeline.destinations import DEBUG, STORE, Destinations, Signal
from spanguard.privacy.guard import GuardedLogExporter, GuardedSpanExporter

SIGNALS: Final[tuple[Signal, ...]] = ("traces", "metrics", "logs")

# A store at hand need not be spared as a network is: what a program did is there to see within a second or two.
_STORE_DELAY_MS: Final = 1000
_STORE_METRICS_MS: Final = 5000


class Provider(Protocol):
    """What the SDK's three providers have in common."""

    def shutdown(self) -> None:
        """Send what is left and stop."""

    def force_flush(self, timeout_millis: int = ...) -> bool:
        """Send what there is."""
        ...


def provide(signal: Signal, destinations: Destinations, resource: Resource) -> Provider | None:
    """Make a signal's provider and set it for the process; None if the program has set one, which stays untouched."""
    make = {"traces": _traces, "metrics": _metrics, "logs": _logs_}[signal]
    return make(destinations, resource)


def _traces(destinations: Destinations, resource: Resource) -> Provider | None:
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return None
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    for name, exporter in destinations.exporters("traces"):
        guarded = GuardedSpanExporter(cast("SpanExporter", exporter))
        if name == DEBUG:
            provider.add_span_processor(SimpleSpanProcessor(guarded))
        else:
            delay = _interval(name, "OTEL_BSP_SCHEDULE_DELAY", _STORE_DELAY_MS)
            provider.add_span_processor(BatchSpanProcessor(guarded, schedule_delay_millis=delay))
    trace.set_tracer_provider(provider)
    return cast("Provider", provider)


def _metrics(destinations: Destinations, resource: Resource) -> Provider | None:
    if not type(metrics.get_meter_provider()).__name__.startswith("_Proxy"):  # the API has no public name for it
        return None
    readers = [
        PeriodicExportingMetricReader(
            cast("MetricExporter", exporter),
            export_interval_millis=_interval(name, "OTEL_METRIC_EXPORT_INTERVAL", _STORE_METRICS_MS),
        )
        for name, exporter in destinations.exporters("metrics")
    ]
    provider = MeterProvider(readers, resource=resource, shutdown_on_exit=False)
    metrics.set_meter_provider(provider)
    return cast("Provider", provider)


def _logs_(destinations: Destinations, resource: Resource) -> Provider | None:
    if not type(_logs.get_logger_provider()).__name__.startswith("Proxy"):
        return None
    provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
    for name, exporter in destinations.exporters("logs"):
        guarded = GuardedLogExporter(cast("LogRecordExporter", exporter))
        processor = SimpleLogRecordProcessor(guarded) if name == DEBUG else BatchLogRecordProcessor(guarded)
        provider.add_log_record_processor(processor)
    _logs.set_logger_provider(provider)
    return provider


def _interval(exporter: str, variable: str, milliseconds: int) -> int | None:
    """Return the interval for the local store; None leaves it to the environment and the SDK."""
    return milliseconds if exporter == STORE and not os.environ.get(variable) else None
