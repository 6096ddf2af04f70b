"""Make the SDK's providers and set them, unless the program has set its own."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, Protocol, cast

from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter

from spanguard.pipeline.destinations import DEBUG, STORE, Destinations, Exporter, Signal
from spanguard.pipeline.forked import GuardedOwnSpans
from spanguard.pipeline.resend import ResendCountProcessor, add
from spanguard.privacy.exporters import GuardedLogExporter, GuardedMetricExporter
from spanguard.privacy.processors import trust_at_start
from spanguard.store.queues import overflowed, watch

SIGNALS: Final[tuple[Signal, ...]] = ("traces", "metrics", "logs")

_log: Final = logging.getLogger("spanguard")

trust_at_start(ResendCountProcessor)

# The SDK's own, for a variable that says nothing sensible.
_SDK_DELAYS_MS: Final = {
    "OTEL_BSP_SCHEDULE_DELAY": 5000,
    "OTEL_BLRP_SCHEDULE_DELAY": 5000,
    "OTEL_METRIC_EXPORT_INTERVAL": 60_000,
}
# With "never" the SDK's reader does not even collect at the end; longer than a thread can wait, its threads die.
_LONGEST_MS: Final = 366 * 86_400_000

# A store at hand need not be spared as a network is: what a program did is there to see within a second or two.
_STORE_DELAY_MS: Final = 1000
_STORE_METRICS_MS: Final = 5000

# Four times the SDK's: a burst that is over before the exporting thread has had its turn. About 26 MB when it is full.
_MOST_SPANS: Final = 8192


class Provider(Protocol):
    """What the SDK's three providers have in common."""

    def shutdown(self) -> None:
        """Send what is left and stop."""

    def force_flush(self, timeout_millis: int = ...) -> bool:
        """Send what there is."""
        ...


def make(destinations: Destinations, resource: Resource) -> dict[Signal, Provider]:
    """Make the provider of each signal, without those that the program has set itself."""
    return {signal: _MAKERS[signal](destinations, resource) for signal in SIGNALS if not _is_set(signal)}


def put_in_place(providers: Mapping[Signal, Provider]) -> None:
    """Set the providers for the process."""
    for signal, provider in providers.items():
        if signal == "traces":
            trace.set_tracer_provider(cast("TracerProvider", provider))
        elif signal == "metrics":
            metrics.set_meter_provider(cast("MeterProvider", provider))
        else:
            _logs.set_logger_provider(cast("LoggerProvider", provider))


def _is_set(signal: Signal) -> bool:
    if signal == "traces":
        return not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    # The API has no public names for these two.
    get = metrics.get_meter_provider if signal == "metrics" else _logs.get_logger_provider
    return not type(get()).__name__.lstrip("_").startswith("Proxy")


def _traces(destinations: Destinations, resource: Resource) -> Provider:
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    add(provider)
    for name, exporter in destinations.exporters("traces"):
        guarded = GuardedOwnSpans(cast("SpanExporter", exporter))
        if name == DEBUG:
            provider.add_span_processor(SimpleSpanProcessor(guarded))
        else:
            delay = _delay(name, "OTEL_BSP_SCHEDULE_DELAY", _STORE_DELAY_MS)
            spans = BatchSpanProcessor(guarded, schedule_delay_millis=delay, max_queue_size=_queue_size())
            _watch(spans, "traces", exporter, resource)
            provider.add_span_processor(spans)
    return cast("Provider", provider)


def _metrics(destinations: Destinations, resource: Resource) -> Provider:
    readers = [
        PeriodicExportingMetricReader(
            GuardedMetricExporter(cast("MetricExporter", exporter)),
            export_interval_millis=_delay(name, "OTEL_METRIC_EXPORT_INTERVAL", _STORE_METRICS_MS),
        )
        for name, exporter in destinations.exporters("metrics")
    ]
    return cast("Provider", MeterProvider(readers, resource=resource, shutdown_on_exit=False))


def _logs_(destinations: Destinations, resource: Resource) -> Provider:
    provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
    for name, exporter in destinations.exporters("logs"):
        guarded = GuardedLogExporter(cast("LogRecordExporter", exporter))
        if name == DEBUG:
            provider.add_log_record_processor(SimpleLogRecordProcessor(guarded))
        else:
            delay = _delay(name, "OTEL_BLRP_SCHEDULE_DELAY", _STORE_DELAY_MS)
            records = BatchLogRecordProcessor(guarded, schedule_delay_millis=delay)
            _watch(records, "logs", exporter, resource)
            provider.add_log_record_processor(records)
    return provider


def _watch(processor: object, signal: Signal, exporter: Exporter, resource: Resource) -> None:
    if not watch(processor, partial(overflowed, signal, exporter, resource)):
        _log.warning("this version of the SDK keeps its queue in another way: what it drops is not counted")


_MAKERS: Final[dict[Signal, Callable[[Destinations, Resource], Provider]]] = {
    "traces": _traces,
    "metrics": _metrics,
    "logs": _logs_,
}


def _queue_size() -> int | None:
    """Return how many spans may wait; None leaves it to the SDK, which reads the variable."""
    return None if os.environ.get("OTEL_BSP_MAX_QUEUE_SIZE", "").strip() else _MOST_SPANS


def _delay(exporter: str, variable: str, store: int) -> float:
    """Return the milliseconds between exports: what the variable says, else what is usual for the exporter."""
    usual = store if exporter == STORE else _SDK_DELAYS_MS[variable]
    text = os.environ.get(variable, "").strip()
    try:
        milliseconds = float(text or usual)
    except ValueError:
        milliseconds = 0
    if not milliseconds > 0:  # nor is NaN
        _log.warning("%s: expected milliseconds above 0; %s is used", variable, usual)
        return usual
    return min(milliseconds, _LONGEST_MS)
