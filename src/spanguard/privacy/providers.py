"""Guard one provider that exists already, whoever made it, without guarding the process."""

from __future__ import annotations

from typing import Any, Final

from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, MetricsData
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from spanguard.privacy.border import guarded
from spanguard.privacy.metrics import clean_metrics
from spanguard.privacy.processors import PrivacyLogRecordProcessor, PrivacySpanProcessor

_GUARDED: Final = "_spanguard_guarded"


def guard_provider(provider: TracerProvider | LoggerProvider | MeterProvider) -> None:
    """Let nothing but clean telemetry through this provider, to processors and readers that it has and that it gets.

    For a provider of OpenTelemetry's SDK that exists already, where the process guard is not wanted. Doing it again changes
    nothing. Raises `TypeError` for what is no such provider, and for one whose parts this version of spanguard does not know.
    """
    if getattr(provider, _GUARDED, False):
        return
    if isinstance(provider, TracerProvider):
        _guard_list(provider, "_active_span_processor", "_span_processors", "add_span_processor", PrivacySpanProcessor)
    elif isinstance(provider, LoggerProvider):
        names = ("_multi_log_record_processor", "_log_record_processors", "add_log_record_processor")
        _guard_list(provider, *names, PrivacyLogRecordProcessor)
    elif isinstance(provider, MeterProvider):
        _guard_readers(provider)
    else:
        raise TypeError(f"guard_provider() takes a provider of OpenTelemetry's SDK, not {type(provider).__name__}")
    setattr(provider, _GUARDED, True)


def _guard_list(provider: object, holder: str, processors: str, add: str, guard: type) -> None:
    # Tracers and loggers that exist hold the list itself: it is changed in place.
    many: Any = getattr(provider, holder, None)
    if not isinstance(getattr(many, processors, None), tuple):
        raise TypeError(f"the {type(provider).__name__} keeps its processors in a way that spanguard does not know")
    original = getattr(many, add)

    def add_guarded(processor: SpanProcessor | LogRecordProcessor) -> None:
        original(_around(processor, guard))

    setattr(many, processors, tuple(_around(each, guard) for each in getattr(many, processors)))
    setattr(many, add, add_guarded)


def _around(processor: object, guard: type) -> object:
    return processor if isinstance(processor, guard) else guard(processor)


def _guard_readers(provider: MeterProvider) -> None:
    consumer: Any = getattr(provider, "_measurement_consumer", None)
    original = getattr(consumer, "collect", None)
    if original is None:
        raise TypeError("the MeterProvider collects in a way that spanguard does not know")

    def collect(reader: MetricReader, timeout_millis: float = 10_000) -> MetricsData | None:
        found = original(reader, timeout_millis)
        return None if found is None else guarded("metric", clean_metrics, found)

    consumer.collect = collect
    for reader in consumer._reader_storages:  # they were given the method before
        reader._set_collect_callback(collect)
