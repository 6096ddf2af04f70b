"""The process guard: all that any provider of the SDK hands to any processor or exporter is clean, whoever made them.

It puts itself where telemetry must pass: the SDK's two kinds of lists of span processors and its lists of log processors,
the place where metrics are collected, and, for exporters that are called directly, the functions that encode OTLP.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterable
from typing import Any, Final

from opentelemetry.sdk._logs import ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    ReadableSpan,
    Span,
    SpanProcessor,
    SynchronousMultiSpanProcessor,
)

from spanguard.privacy import outbound, own_logs
from spanguard.privacy.logs import clean_log
from spanguard.privacy.metrics import clean_metrics
from spanguard.privacy.names import accepted, learn
from spanguard.privacy.places import Function, Place, put_in, take_out
from spanguard.privacy.processors import INDIFFERENT, PrivacySpanProcessor, at_start
from spanguard.privacy.spans import clean_span

_log: Final = logging.getLogger("spanguard")
_on = False


def switch_on() -> None:
    """Guard the whole process from now on, and say so once."""
    global _on
    if _on:
        return
    _on = True
    for place in PLACES:
        put_in(place)
    own_logs.switch_on()
    _log.info("spanguard guards all telemetry of this process: only known names and values leave it")


def switch_off() -> None:
    """Take the guard away again. For tests: a program that wants no guard does not switch it on."""
    global _on
    _on = False
    for place in PLACES:
        take_out(place)
    own_logs.switch_off()


def is_on() -> bool:
    """Whether the process guard is on."""
    return _on


# ---------------------------------------------------------------------------------------------------- what takes places


def _on_start(original: Function) -> Function:
    @functools.wraps(original)
    def on_start(self: SynchronousMultiSpanProcessor, span: Span, parent_context: object = None) -> None:
        if span._name not in accepted:
            learn(span._name, 2)
        for processor in self._span_processors:
            if type(processor) not in INDIFFERENT:
                processor.on_start(at_start(span, processor), parent_context=parent_context)  # type: ignore[arg-type]

    return on_start


def _on_start_together(original: Function) -> Function:
    @functools.wraps(original)
    def on_start(self: ConcurrentMultiSpanProcessor, span: Span, parent_context: object = None) -> None:
        learn(span._name, 2)
        original(self, at_start(span, self), parent_context=parent_context)

    return on_start


def _on_ending(original: Function) -> Function:
    @functools.wraps(original)
    def on_ending(self: SynchronousMultiSpanProcessor, span: Span) -> None:
        for processor in self._span_processors:
            if type(processor) not in INDIFFERENT:
                processor._on_ending(at_start(span, processor))

    return on_ending


def _on_ending_together(original: Function) -> Function:
    @functools.wraps(original)
    def on_ending(self: ConcurrentMultiSpanProcessor, span: Span) -> None:
        original(self, at_start(span, self))

    return on_ending


def _on_end(original: Function) -> Function:
    @functools.wraps(original)
    def on_end(self: SynchronousMultiSpanProcessor, span: ReadableSpan) -> None:
        clean = clean_span(span)
        for processor in self._span_processors:
            processor.on_end(clean)

    return on_end


def _on_end_together(original: Function) -> Function:
    @functools.wraps(original)
    def on_end(self: ConcurrentMultiSpanProcessor, span: ReadableSpan) -> None:
        original(self, clean_span(span))

    return on_end


def _on_emit(original: Function) -> Function:
    @functools.wraps(original)
    def on_emit(self: object, log_record: ReadWriteLogRecord) -> None:
        original(self, clean_log(log_record))

    return on_emit


def _collect(original: Function) -> Function:
    @functools.wraps(original)
    def collect(*args: object, **kwargs: object) -> MetricsData | None:
        found: MetricsData | None = original(*args, **kwargs)
        return None if found is None else clean_metrics(found)

    return collect


def _encode_spans(original: Function) -> Function:
    @functools.wraps(original)
    def encode(spans: Iterable[ReadableSpan]) -> object:
        return original([clean_span(span) for span in spans])

    return encode


def _encode_logs(original: Function) -> Function:
    @functools.wraps(original)
    def encode(batch: Iterable[ReadableLogRecord]) -> object:
        return original([clean_log(data) for data in batch])

    return encode


def _encode_metrics(original: Function) -> Function:
    @functools.wraps(original)
    def encode(resource_metrics: ResourceMetrics, *args: object, **kwargs: object) -> object:
        cleaned = clean_metrics(MetricsData([resource_metrics])).resource_metrics
        return original(cleaned[0], *args, **kwargs) if cleaned else None

    return encode


def _active(original: Function) -> Function:
    @functools.wraps(original)
    def init(self: object, *args: object, **kwargs: Any) -> None:
        active = kwargs.get("active_span_processor")
        if isinstance(active, SpanProcessor) and not isinstance(active, _KNOWN):
            kwargs["active_span_processor"] = _PrivacyList(active)
        original(self, *args, **kwargs)

    return init


class _PrivacyList(PrivacySpanProcessor):
    """A guarded list of processors of somebody's own making, which can be added to."""

    def __getattr__(self, name: str) -> object:
        return getattr(self._next, name)


_KNOWN: Final = (SynchronousMultiSpanProcessor, ConcurrentMultiSpanProcessor, PrivacySpanProcessor)
_TRACE: Final = "opentelemetry.sdk.trace"
_LOGS: Final = "opentelemetry.sdk._logs._internal"
_METRICS: Final = "opentelemetry.sdk.metrics._internal.metric_reader_storage"
_ENCODERS: Final = "opentelemetry.exporter.otlp.proto.common._internal"
PLACES: Final = (
    Place(_TRACE, "SynchronousMultiSpanProcessor", "on_start", _on_start),
    Place(_TRACE, "SynchronousMultiSpanProcessor", "_on_ending", _on_ending),
    Place(_TRACE, "SynchronousMultiSpanProcessor", "on_end", _on_end),
    Place(_TRACE, "ConcurrentMultiSpanProcessor", "on_start", _on_start_together),
    Place(_TRACE, "ConcurrentMultiSpanProcessor", "_on_ending", _on_ending_together),
    Place(_TRACE, "ConcurrentMultiSpanProcessor", "on_end", _on_end_together),
    Place(_TRACE, "TracerProvider", "__init__", _active),
    Place(_LOGS, "SynchronousMultiLogRecordProcessor", "on_emit", _on_emit),
    Place(_LOGS, "ConcurrentMultiLogRecordProcessor", "on_emit", _on_emit),
    Place(_METRICS, "MetricReaderStorage", "collect", _collect),
    Place(f"{_ENCODERS}.trace_encoder", "", "_encode_resource_spans", _encode_spans),
    Place(f"{_ENCODERS}._log_encoder", "", "_encode_resource_logs", _encode_logs),
    Place(f"{_ENCODERS}.metrics_encoder", "", "_encode_resource_metrics", _encode_metrics),
    *outbound.PLACES,
)
