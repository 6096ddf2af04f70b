"""A text pushed through every channel of OpenTelemetry's API, and what arrives on the wire as bytes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import LoggerProvider, ReadableLogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceFlags, TraceState

from spanguard.privacy.exporters import GuardedMetricExporter
from spanguard.privacy.processors import PrivacyLogRecordProcessor, PrivacySpanProcessor

# Keys of many conventions, all of which take a text.
KEYS = (
    *("gen_ai.input.messages", "gen_ai.prompt.0.content", "gen_ai.request.model", "gen_ai.response.id", "input.value"),
    *("gen_ai.tool.call.arguments", "gen_ai.request.stop_sequences", "gen_ai.system", "gen_ai.agent.name", "user.id"),
    *("http.route", "http.request.method", "http.request.header.authorization", "url.full", "url.query", "url.path"),
    *("db.query.text", "db.system.name", "db.collection.name", "server.address", "client.address", "error.type"),
    *("code.file.path", "code.function.name", "exception.message", "exception.type", "exception.stacktrace"),
    *("messaging.destination.name", "rpc.method", "user_agent.original", "enduser.id", "session.id", "api_key", "app.note"),
    *("resilience.policy.name", "resilience.user.id", "resilience.validation.rule", "service.name", "thread.name"),
)


def spans(text: str, processor: SpanProcessor, provider: TracerProvider | None = None) -> None:
    """Push a text through every channel of a span."""
    if provider is None:
        provider = TracerProvider(resource=resource(text), shutdown_on_exit=False)
        provider.add_span_processor(processor)
    tracer = provider.get_tracer(text, text, f"https://{text}", {"a": text, text: 1})
    state = TraceState([("vendor", text)]) if text.isascii() and text.isprintable() else TraceState()
    linked = SpanContext(1, 1, is_remote=True, trace_flags=TraceFlags(1), trace_state=state)
    attributes = dict.fromkeys(KEYS, text)
    links = [Link(linked, {"a": text, text: "x"})]
    with tracer.start_as_current_span(text, kind=SpanKind.CLIENT, attributes=attributes, links=links) as span:
        span.set_attribute(text, text)
        span.set_attribute("bytes", text.encode())
        span.set_attribute("nested", {"a": {text: [text]}})
        span.set_attribute("tags", [text, text])
        span.set_attribute("gen_ai.response.finish_reasons", [text])
        span.add_event(text, {"a": text, text: 1, "exception.message": text, **attributes})
        span.add_link(linked, {"http.route": text})
        span.record_exception(raised(text))
        span.set_status(StatusCode.ERROR, text)
        span.update_name(f"GET {text}")
    provider.force_flush()


def raised(text: str) -> Exception:
    """Return an exception that has a text in its message, cause, notes and class."""
    try:
        try:
            raise KeyError(text)
        except KeyError as cause:
            error = type("E" + "".join(filter(str.isalnum, text)), (ValueError,), {})(text)
            raise error from cause
    except ValueError as error:
        if hasattr(error, "add_note"):
            error.add_note(text)
        return error


def resource(text: str) -> Resource:
    """Return a resource with a text in every kind of attribute."""
    keys = ("service.name", "service.instance.id", "host.name", "process.command", "process.command_args", "cloud.region")
    return Resource({**dict.fromkeys(keys, text), text: text, "custom": [text]}, f"https://{text}/1.0")


def logs(text: str, provider: LoggerProvider) -> None:
    """Push a text through every channel of log records."""
    logger = provider.get_logger(text, text, f"https://{text}", {"a": text})
    for body in (text, {"a": text, text: [text]}, [text], text.encode()):
        record = LogRecord(
            body=body,
            severity_text=text,
            severity_number=SeverityNumber.WARN,
            attributes={"a": text, text: text, **dict.fromkeys(KEYS, text)},
            event_name=text,
        )
        logger.emit(record)
    provider.force_flush()


def metrics(text: str, provider: MeterProvider) -> None:
    """Push a text through every channel of metrics."""
    meter = provider.get_meter(text, text, f"https://{text}", {"a": text})
    attributes: dict[str, Any] = {**dict.fromkeys(KEYS, text), text: text, "a": (text,)}
    with suppress(Exception):  # the SDK takes ASCII alone
        meter.create_counter("n" + "".join(filter(str.isalnum, text)), text[:60], text).add(1, attributes)
    meter.create_histogram("http.server.request.duration", "s", text).record(1.0, attributes)
    meter.create_up_down_counter("http.server.active_requests", "{request}", text).add(1, attributes)
    meter.create_gauge("system.cpu.utilization", "1", text).set(0.5, attributes)


def finished(text: str, **more: Any) -> list[ReadableSpan]:
    """Return what an exporter behind `PrivacySpanProcessor` gets of a text that is pushed through spans."""
    exporter = InMemorySpanExporter()
    spans(text, PrivacySpanProcessor(SimpleSpanProcessor(exporter)), **more)
    return list(exporter.get_finished_spans())


def emitted(text: str) -> list[ReadableLogRecord]:
    """Return what an exporter behind `PrivacyLogRecordProcessor` gets of a text that is pushed through log records."""
    exporter = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    provider = LoggerProvider(resource(text), shutdown_on_exit=False)
    provider.add_log_record_processor(PrivacyLogRecordProcessor(SimpleLogRecordProcessor(exporter)))
    logs(text, provider)
    return list(exporter.get_finished_logs())


class Kept:
    """Keeps what a metric exporter gets."""

    def __init__(self) -> None:
        self.data: MetricsData | None = None
        self._preferred_temporality = self._preferred_aggregation = None

    def export(self, data: MetricsData, timeout_millis: float = 0, **_: object) -> None:
        """Keep the metrics."""
        self.data = data


def collected(text: str) -> MetricsData:
    """Return what an exporter behind `GuardedMetricExporter` gets of a text that is pushed through metrics."""
    reader, kept = InMemoryMetricReader(), Kept()
    provider = MeterProvider([reader], resource(text), shutdown_on_exit=False)
    with quiet_warnings():
        metrics(text, provider)
    data = reader.get_metrics_data()
    assert data is not None
    GuardedMetricExporter(kept).export(data)  # type: ignore[arg-type]
    assert kept.data is not None
    return kept.data


class quiet_warnings:
    """Keep the SDK from telling what it does not like about names."""

    def __enter__(self) -> None:
        logging.disable(logging.CRITICAL)

    def __exit__(self, *_: object) -> None:
        logging.disable(logging.NOTSET)


def wire(
    spans: Sequence[ReadableSpan] = (), logs: Sequence[ReadableLogRecord] = (), metrics: MetricsData | None = None
) -> bytes:
    """Return the bytes that OTLP sends for them."""
    sent = encode_spans(spans).SerializeToString() + encode_logs(logs).SerializeToString()
    return sent + (encode_metrics(metrics).SerializeToString() if metrics else b"")
