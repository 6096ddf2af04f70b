"""The canary: a secret of our own that is sent through the guard before anything else is, to see that it stays inside."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import Final

from opentelemetry._logs import LogRecord
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Link, SpanContext, StatusCode, TraceFlags, TraceState

from spanguard.privacy.logs import clean_log
from spanguard.privacy.metrics import clean_metrics
from spanguard.privacy.redactions import uncounted
from spanguard.privacy.spans import clean_span

SIGNALS: Final = ("spans", "logs", "metrics")


def survivors(*, whole_process: bool) -> list[str]:
    """Send a canary through providers of our own, in every field that takes a text, and say in which signals it survived.

    With ``whole_process`` the process guard alone is on its way, otherwise the functions that our exporters call.
    """
    canary = f"canary{secrets.token_hex(8)}"
    resource = Resource({"host.name": canary, canary: canary, "process.command_args": [canary]})
    with uncounted():
        try:
            spans, logs, data = _spans(canary, resource), _logs(canary, resource), _metrics(canary, resource)
        except Exception:
            return list(SIGNALS)  # what cannot be tried cannot be trusted
        if not whole_process:
            spans, logs = list(map(clean_span, spans)), list(map(clean_log, logs))
            data = data and clean_metrics(data)
        texts = (map(_text_of_span, spans), map(_text_of_log, logs), [_text_of_metrics(data)] if data else [])
        return [signal for signal, each in zip(SIGNALS, texts, strict=True) if not spans or _any_has(each, canary)]


def _any_has(texts: Iterable[str], canary: str) -> bool:
    return any(canary in text for text in texts)


def _spans(canary: str, resource: Resource) -> list[ReadableSpan]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(ALWAYS_ON, resource, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    state = TraceState([("vendor", canary)])
    linked = SpanContext(1, 1, is_remote=True, trace_flags=TraceFlags(1), trace_state=state)
    tracer = provider.get_tracer(canary, canary, f"https://{canary}", {canary: canary})
    span = tracer.start_span(canary, attributes={canary: canary, "url.full": canary}, links=[Link(linked, {canary: canary})])
    span.add_event(canary, {canary: canary, "exception.message": canary})
    span.set_status(StatusCode.ERROR, canary)
    span.end()
    provider.shutdown()
    return list(exporter.get_finished_spans())


def _logs(canary: str, resource: Resource) -> list[ReadableLogRecord]:
    exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    provider = LoggerProvider(resource, shutdown_on_exit=False)
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    record = LogRecord(body=canary, severity_text=canary, attributes={canary: canary, "a": canary}, event_name=canary)
    provider.get_logger(canary, canary, f"https://{canary}").emit(record)
    finished = list(exporter.get_finished_logs())
    provider.shutdown()
    return finished


def _metrics(canary: str, resource: Resource) -> MetricsData | None:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], resource, shutdown_on_exit=False)
    meter = provider.get_meter(canary, canary, f"https://{canary}")
    meter.create_counter(canary, canary, canary).add(1, {canary: canary})
    meter.create_histogram("http.server.request.duration", "s", canary).record(1.0, {canary: canary, "url.path": canary})
    data = reader.get_metrics_data()
    provider.shutdown()
    return data


def _text_of_span(span: ReadableSpan) -> str:
    scope, context, status = span.instrumentation_scope, span.get_span_context(), span.status
    events = [(each.name, dict(each.attributes or {})) for each in span.events]
    links = [(each.context.trace_state, dict(each.attributes or {})) for each in span.links]
    told = (span.name, dict(span.attributes or {}), events, links, status.description, context and context.trace_state)
    return repr((told, dict(span.resource.attributes), scope, scope and dict(scope.attributes or {})))


def _text_of_log(data: ReadableLogRecord) -> str:
    scope, record = data.instrumentation_scope, data.log_record
    told = (record.body, dict(record.attributes or {}), record.severity_text, record.event_name)
    return repr((told, dict(data.resource.attributes), scope, scope and dict(scope.attributes or {})))


def _text_of_metrics(data: MetricsData) -> str:
    return repr((data, [dict(each.resource.attributes) for each in data.resource_metrics]))
