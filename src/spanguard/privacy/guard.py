"""Take content and messages out of every span and log record before an exporter sees it, in the export thread.

A first guard: status descriptions, exception messages and stacktraces, log bodies, and the keys of known conventions that
hold what a user or a model wrote are dropped, whoever recorded them. What is not known to be content passes.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from typing import Final

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Link, Status

from spanguard.privacy.content import without_content

_log: Final = logging.getLogger("spanguard")


def guarded(span: ReadableSpan) -> ReadableSpan:
    """Return a copy of the span without content."""
    return ReadableSpan(
        name=span.name,
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes=without_content(span.attributes),
        events=[Event(event.name, without_content(event.attributes), event.timestamp) for event in span.events],
        links=[Link(link.context, without_content(link.attributes)) for link in span.links],
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def emptied(span: ReadableSpan) -> ReadableSpan:
    """Return what is left of a span that the guard could not read: ids, times, kind, status code."""
    return ReadableSpan(
        name="redacted",
        context=span.get_span_context(),
        parent=span.parent,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
    )


class GuardedSpanExporter(SpanExporter):
    """Hands guarded copies of spans to the exporter it was given; a span that it cannot guard goes out emptied."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._next = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Guard the spans and export them."""
        return self._next.export([_never_raw(span) for span in spans])

    def shutdown(self) -> None:
        """Shut the exporter down."""
        self._next.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the exporter."""
        return self._next.force_flush(timeout_millis)


def _never_raw(span: ReadableSpan) -> ReadableSpan:
    try:
        return guarded(span)
    except Exception as error:
        _log.warning("a span could not be guarded (%s) and was sent without its attributes", type(error).__name__)
        return emptied(span)


class GuardedLogExporter(LogRecordExporter):
    """Hands log records without body and content to the exporter it was given; one that it cannot guard is left out."""

    def __init__(self, exporter: LogRecordExporter) -> None:
        self._next = exporter

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Guard the log records and export them."""
        return self._next.export([kept for data in batch if (kept := _guarded_log(data)) is not None])

    def shutdown(self) -> None:
        """Shut the exporter down."""
        self._next.shutdown()  # type: ignore[no-untyped-call]

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the exporter."""
        return self._next.force_flush(timeout_millis)


def _guarded_log(data: ReadableLogRecord) -> ReadableLogRecord | None:
    try:
        record = copy(data.log_record)
        record.body = None
        record.attributes = without_content(record.attributes)
        return replace(data, log_record=record)
    except Exception as error:
        _log.warning("a log record could not be guarded (%s) and was left out", type(error).__name__)
        return None
