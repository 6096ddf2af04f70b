"""A log record as it may leave the process: its event, its severity, its ids, known attributes; of its body the length."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, TypeVar

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.sdk._logs import ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk.resources import Resource

from spanguard.privacy.attributes import bucket, clean_attributes
from spanguard.privacy.border import lost
from spanguard.privacy.modes import in_force
from spanguard.privacy.parts import clean_flags, clean_id, clean_resource, clean_scope, clean_time, event_name
from spanguard.privacy.redactions import redacted
from spanguard.semconv import CONTENT_FIELDS, CONTENT_LENGTH

Record = TypeVar("Record", ReadableLogRecord, ReadWriteLogRecord)

_LEVELS: Final = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
_SEVERITIES: Final = frozenset(
    {
        *(f"{level}{number}" for level in _LEVELS for number in ("", 2, 3, 4)),
        *("WARNING", "CRITICAL", "NOTSET", "NOTICE", "ALERT", "EMERGENCY", "SUCCESS"),
    }
)


_LONGEST: Final = max(map(len, _SEVERITIES))


def clean_log(data: Record) -> Record:
    """Return the log record as it may leave, in a new one; emptied if that fails.

    One that was cleaned is cleaned again: processors may write to log records, which then go on to the next.
    """
    if in_force.mode == "off":
        return data
    try:
        scope, resource = clean_scope(data.instrumentation_scope), clean_resource(data.resource)
        return replace(data, log_record=_cleaned(data.log_record), resource=resource, instrumentation_scope=scope)
    except Exception as error:
        lost("log", error)
        return replace(data, log_record=_bare(data.log_record), resource=Resource({}), instrumentation_scope=None)


def _cleaned(record: LogRecord) -> LogRecord:
    attributes = clean_attributes(record.attributes, "log")
    body = record.body
    if body is not None:
        redacted("log", "body", "content")
        length = len(body) if type(body) is str else 0
        before = attributes.get(CONTENT_LENGTH, 0)
        attributes[CONTENT_LENGTH] = bucket(length + (before if type(before) is int else 0))
        fields = attributes.get(CONTENT_FIELDS, 0)
        attributes[CONTENT_FIELDS] = 1 + (fields if type(fields) is int else 0)
    cleaned = _bare(record)
    cleaned.severity_text = _severity(record.severity_text)
    cleaned.attributes = attributes
    if record.event_name is not None:
        cleaned.event_name = event_name(record.event_name, "log") or None
    return cleaned


def _bare(record: LogRecord) -> LogRecord:
    """Return what is no text: times, ids, severity."""
    number = record.severity_number
    bare = LogRecord(
        timestamp=clean_time(record.timestamp),
        observed_timestamp=clean_time(record.observed_timestamp),
        severity_number=number if type(number) is SeverityNumber else None,
    )
    bare.context = Context()  # the real one holds baggage
    bare.trace_id, bare.span_id = clean_id(record.trace_id, 128), clean_id(record.span_id, 64)
    bare.trace_flags = clean_flags(record.trace_flags)
    return bare


def _severity(text: object) -> str | None:
    if type(text) is str and (not text or (len(text) <= _LONGEST and text.isascii() and text.upper() in _SEVERITIES)):
        return text or None
    if text is not None:
        redacted("log", "name", "not_in_vocabulary")
    return None
