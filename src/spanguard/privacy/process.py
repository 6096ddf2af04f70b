"""The process guard: all that any provider of the SDK hands to any processor or exporter is clean, whoever made them.

It puts itself where telemetry must pass: the SDK's two kinds of lists of span processors and its lists of log processors,
the place where metrics are collected, and, for exporters that are called directly, the functions that encode OTLP.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Callable, Collection, Iterable
from typing import Any, Final

from opentelemetry.sdk._logs import LogRecordProcessor, ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk._logs._internal import ConcurrentMultiLogRecordProcessor, SynchronousMultiLogRecordProcessor
from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    ReadableSpan,
    Span,
    SynchronousMultiSpanProcessor,
)
from opentelemetry.trace import INVALID_SPAN_CONTEXT

from spanguard.privacy import keys, modes, outbound, own_logs
from spanguard.privacy.border import guarded, guarded_each, lost
from spanguard.privacy.logs import clean_log
from spanguard.privacy.metrics import clean_metrics
from spanguard.privacy.names import EMPTIED
from spanguard.privacy.places import Function, Place, put_in, take_out
from spanguard.privacy.processors import INDIFFERENT, PrivacyLogRecordProcessor, PrivacySpanProcessor, at_start
from spanguard.privacy.spans import CleanSpan, clean_span
from spanguard.vocabulary import declared

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
        for processor in self._span_processors:
            if type(processor) not in INDIFFERENT and (live := guarded("span", at_start, span, processor)) is not None:
                processor.on_start(live, parent_context=parent_context)  # type: ignore[arg-type]

    return on_start


def _on_start_together(original: Function) -> Function:
    @functools.wraps(original)
    def on_start(self: ConcurrentMultiSpanProcessor, span: Span, parent_context: object = None) -> None:
        if (live := guarded("span", at_start, span, self)) is not None:
            original(self, live, parent_context=parent_context)

    return on_start


def _on_ending(original: Function) -> Function:
    @functools.wraps(original)
    def on_ending(self: SynchronousMultiSpanProcessor, span: Span) -> None:
        for processor in self._span_processors:
            if type(processor) not in INDIFFERENT and (live := guarded("span", at_start, span, processor)) is not None:
                processor._on_ending(live)

    return on_ending


def _on_ending_together(original: Function) -> Function:
    @functools.wraps(original)
    def on_ending(self: ConcurrentMultiSpanProcessor, span: Span) -> None:
        if (live := guarded("span", at_start, span, self)) is not None:
            original(self, live)

    return on_ending


def _on_end(original: Function) -> Function:
    @functools.wraps(original)
    def on_end(self: SynchronousMultiSpanProcessor, span: ReadableSpan) -> None:
        clean = span if type(span) is CleanSpan else guarded("span", clean_span, span)
        if clean is not None:
            for processor in self._span_processors:
                processor.on_end(clean)

    return on_end


def _on_end_together(original: Function) -> Function:
    @functools.wraps(original)
    def on_end(self: ConcurrentMultiSpanProcessor, span: ReadableSpan) -> None:
        if (clean := guarded("span", clean_span, span)) is not None:
            original(self, clean)

    return on_end


def _readable(original: Function) -> Function:
    @functools.wraps(original)
    def readable_span(self: Span) -> ReadableSpan:
        try:
            return clean_span(original(self))
        except Exception as error:
            lost("span", error)
            return ReadableSpan(EMPTIED, INVALID_SPAN_CONTEXT)

    return readable_span


def _on_emit(original: Function) -> Function:
    @functools.wraps(original)
    def on_emit(self: SynchronousMultiLogRecordProcessor, log_record: ReadWriteLogRecord) -> None:
        for processor in self._log_record_processors:
            # Each its own: what one writes to it the next one sees, cleaned again.
            clean = guarded("log", clean_log, log_record)
            if clean is None:
                return
            processor.on_emit(clean)
            log_record = clean

    return on_emit


def _nothing() -> None:
    pass


def _on_emit_together(original: Function) -> Function:
    @functools.wraps(original)
    def on_emit(self: ConcurrentMultiLogRecordProcessor, log_record: ReadWriteLogRecord) -> None:
        def own(processor: LogRecordProcessor) -> Callable[..., None]:
            # What one writes to it, at the same time, no other sees.
            clean = guarded("log", clean_log, log_record)
            return _nothing if clean is None else functools.partial(processor.on_emit, clean)

        self._submit_and_wait(own)

    return on_emit


def _collect(original: Function) -> Function:
    @functools.wraps(original)
    def collect(*args: object, **kwargs: object) -> MetricsData | None:
        found: MetricsData | None = original(*args, **kwargs)
        return None if found is None else guarded("metric", clean_metrics, found)

    return collect


def _encode_spans(original: Function) -> Function:
    @functools.wraps(original)
    def encode(spans: Iterable[ReadableSpan]) -> object:
        return original(guarded_each("span", clean_span, spans))

    return encode


def _encode_logs(original: Function) -> Function:
    @functools.wraps(original)
    def encode(batch: Iterable[ReadableLogRecord]) -> object:
        return original(guarded_each("log", clean_log, batch))

    return encode


def _encode_metrics(original: Function) -> Function:
    @functools.wraps(original)
    def encode(resource_metrics: ResourceMetrics, *args: object, **kwargs: object) -> object:
        cleaned = guarded("metric", clean_metrics, MetricsData([resource_metrics]))
        kept = cleaned.resource_metrics[0] if cleaned and cleaned.resource_metrics else ResourceMetrics(Resource({}), [], "")
        return original(kept, *args, **kwargs)

    return encode


def _to_json(clean: Callable[[Any], Any], signal: str) -> Callable[[Function], Function]:
    def around(original: Function) -> Function:
        @functools.wraps(original)
        def to_json(self: object, *args: object, **kwargs: object) -> str:
            cleaned = guarded(signal, clean, self)
            return "{}" if cleaned is None else original(cleaned, *args, **kwargs)

        return to_json

    return around


def _list_of(parameter: str, known: Collection[type], around: Callable[[Any], object]) -> Callable[[Function], Function]:
    """Guard the list of processors that a provider is made with, unless it is of the SDK's own kinds."""

    def guarded_provider(original: Function) -> Function:
        signature = inspect.signature(original)

        @functools.wraps(original)
        def init(self: object, *args: object, **kwargs: object) -> None:
            given = signature.bind(self, *args, **kwargs)
            many = given.arguments.get(parameter)
            if many is not None and type(many) not in known:
                given.arguments[parameter] = around(many)
            original(*given.args, **given.kwargs)

        return init

    return guarded_provider


class _Switch:
    """Part of a process of `multiprocessing`: where that is pickled for a child, it switches the guard on there."""

    def __reduce__(self) -> tuple[object, ...]:
        return _switch_on_in_child, (modes.in_force.mode, tuple(declared._clear), tuple(declared._keys))


def _switch_on_in_child(mode: modes.Mode, names: tuple[str, ...], declared_keys: tuple[str, ...]) -> None:
    if not _on:
        modes.use(mode)
        keys.use_kept_key()
        declared.declare(*names, keys=declared_keys)
        switch_on()


def _start(original: Function) -> Function:
    @functools.wraps(original)
    def start(self: object) -> None:
        vars(self)["_spanguard_guard"] = _Switch()
        original(self)

    return start


class _PrivacySpanList(PrivacySpanProcessor):
    """A guarded list of span processors of somebody's own making, which can be added to."""

    def __getattr__(self, name: str) -> object:
        return getattr(self._next, name)


class _PrivacyLogList(PrivacyLogRecordProcessor):
    """A guarded list of log processors of somebody's own making, which can be added to."""

    def __getattr__(self, name: str) -> object:
        return getattr(self._next, name)


_SPAN_LISTS: Final = (SynchronousMultiSpanProcessor, ConcurrentMultiSpanProcessor, _PrivacySpanList)
_LOG_LISTS: Final = (SynchronousMultiLogRecordProcessor, ConcurrentMultiLogRecordProcessor, _PrivacyLogList)
_TRACE: Final = "opentelemetry.sdk.trace"
_LOGS: Final = "opentelemetry.sdk._logs._internal"
_METRICS: Final = "opentelemetry.sdk.metrics._internal"
_ENCODERS: Final = "opentelemetry.exporter.otlp.proto.common._internal"
_JSON: Final = "opentelemetry.exporter.otlp.json.common._internal"
PLACES: Final = (
    Place(_TRACE, "SynchronousMultiSpanProcessor", "on_start", _on_start),
    Place(_TRACE, "SynchronousMultiSpanProcessor", "_on_ending", _on_ending),
    Place(_TRACE, "SynchronousMultiSpanProcessor", "on_end", _on_end),
    Place(_TRACE, "ConcurrentMultiSpanProcessor", "on_start", _on_start_together),
    Place(_TRACE, "ConcurrentMultiSpanProcessor", "_on_ending", _on_ending_together),
    Place(_TRACE, "ConcurrentMultiSpanProcessor", "on_end", _on_end_together),
    Place(_TRACE, "Span", "_readable_span", _readable),
    Place(_TRACE, "ReadableSpan", "to_json", _to_json(clean_span, "span")),
    Place(_TRACE, "TracerProvider", "__init__", _list_of("active_span_processor", _SPAN_LISTS, _PrivacySpanList)),
    Place(_LOGS, "SynchronousMultiLogRecordProcessor", "on_emit", _on_emit),
    Place(_LOGS, "ConcurrentMultiLogRecordProcessor", "on_emit", _on_emit_together),
    Place(_LOGS, "LoggerProvider", "__init__", _list_of("multi_log_record_processor", _LOG_LISTS, _PrivacyLogList)),
    Place(_LOGS, "ReadableLogRecord", "to_json", _to_json(clean_log, "log")),
    Place(f"{_METRICS}.metric_reader_storage", "MetricReaderStorage", "collect", _collect),
    Place(f"{_METRICS}.point", "MetricsData", "to_json", _to_json(clean_metrics, "metric")),
    Place(f"{_ENCODERS}.trace_encoder", "", "_encode_resource_spans", _encode_spans),
    Place(f"{_ENCODERS}._log_encoder", "", "_encode_resource_logs", _encode_logs),
    Place(f"{_ENCODERS}.metrics_encoder", "", "_encode_resource_metrics", _encode_metrics),
    Place(f"{_JSON}.trace_encoder", "", "_encode_resource_spans", _encode_spans),
    Place(f"{_JSON}._log_encoder", "", "_encode_resource_logs", _encode_logs),
    Place(f"{_JSON}.metrics_encoder", "", "_encode_resource_metrics", _encode_metrics),
    *outbound.PLACES,
    Place("multiprocessing.process", "BaseProcess", "start", _start),
)
