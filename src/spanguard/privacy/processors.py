"""Processors that hand on what is clean: put one around any processor of OpenTelemetry's, in any provider."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.sdk._logs import LogRecordProcessor, ReadWriteLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import INVALID_SPAN_CONTEXT, Link, SpanContext, SpanKind, Status
from opentelemetry.util.types import Attributes

from spanguard.privacy.attributes import clean_attributes
from spanguard.privacy.border import guarded, guarded_each
from spanguard.privacy.logs import clean_log
from spanguard.privacy.modes import in_force
from spanguard.privacy.names import EMPTIED, span_name
from spanguard.privacy.parts import clean_context, clean_count, clean_resource, clean_scope, clean_time
from spanguard.privacy.spans import clean_event, clean_kind, clean_link, clean_span, clean_status

INDIFFERENT: Final = frozenset({BatchSpanProcessor, SimpleSpanProcessor})
"""Processors that do nothing when a span starts or is about to end."""

_TRUSTED: Final[set[type]] = set(INDIFFERENT)


def trust_at_start(processor: type) -> None:
    """Let processors of this class see spans as they start: for our own, which look at them and keep nothing."""
    _TRUSTED.add(processor)


def at_start(span: Span, processor: SpanProcessor) -> Span:
    """Return what a processor may see of a span that starts or is about to end."""
    if type(processor) in _TRUSTED or type(span) is LiveSpan or in_force.mode == "off":
        return span
    return LiveSpan(span)


class PrivacySpanProcessor(SpanProcessor):
    """Hands spans to the next processor as they may leave the process, each rebuilt from known names and values.

    Put it around a processor of yours: ``provider.add_span_processor(PrivacySpanProcessor(BatchSpanProcessor(exporter)))``.
    With `spanguard.configure` every processor is guarded already. What the span costs the caller is some tenths of a
    microsecond; the cleaning is done where the span is first looked at, in a batch processor's own thread.
    """

    def __init__(self, next: SpanProcessor) -> None:  # noqa: A002 - what users of processors call it
        if not isinstance(next, SpanProcessor):
            raise TypeError(f"PrivacySpanProcessor takes the next span processor, not {type(next).__name__}")
        self._next = next

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Hand on a view of the span through which it can be written, and read only as it may leave."""
        if (live := guarded("span", at_start, span, self._next)) is not None:
            self._next.on_start(live, parent_context)

    def _on_ending(self, span: Span) -> None:
        if (live := guarded("span", at_start, span, self._next)) is not None:
            self._next._on_ending(live)

    def on_end(self, span: ReadableSpan) -> None:
        """Hand on the span as it may leave."""
        if (clean := guarded("span", clean_span, span)) is not None:
            self._next.on_end(clean)

    def shutdown(self) -> None:
        """Shut the next processor down."""
        self._next.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the next processor."""
        return self._next.force_flush(timeout_millis)


class PrivacyLogRecordProcessor(LogRecordProcessor):
    """Hands log records to the next processor as they may leave: event name, severity, known attributes, no body.

    Put it around a processor of yours:
    ``provider.add_log_record_processor(PrivacyLogRecordProcessor(BatchLogRecordProcessor(exporter)))``.
    """

    def __init__(self, next: LogRecordProcessor) -> None:  # noqa: A002
        if not isinstance(next, LogRecordProcessor):
            raise TypeError(f"PrivacyLogRecordProcessor takes the next log processor, not {type(next).__name__}")
        self._next = next

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Hand on the log record as it may leave."""
        if (clean := guarded("log", clean_log, log_record)) is not None:
            self._next.on_emit(clean)

    def enabled(self, **record: Any) -> bool:
        """Return what the next processor says."""
        return bool(getattr(self._next, "enabled", _yes)(**record))

    def shutdown(self) -> None:
        """Shut the next processor down."""
        self._next.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the next processor."""
        return self._next.force_flush(timeout_millis)


def _yes(**_: object) -> bool:
    return True


class LiveSpan(Span):
    """A span that has not ended, as processors see it: what is written reaches it, what is read is as it may leave."""

    __slots__ = ("_live",)

    def __new__(cls, *_: object) -> LiveSpan:  # noqa: PYI034 - Self is not in Python 3.10's typing
        """Make one: the SDK's own method refuses to."""
        return object.__new__(cls)

    def __init__(self, span: Span) -> None:
        self._live = span

    def __getattr__(self, name: str) -> object:
        """Return what is clean in place of the SDK's private fields, which others read too; refuse all further ones."""
        if name in _PRIVATE:
            return getattr(self, name[1:])
        raise AttributeError(name)

    def __repr__(self) -> str:
        return f"<a guarded span {self.context}>"

    @property
    def name(self) -> str:
        """The name as it may leave."""
        return guarded("span", _name_of, self._live) or EMPTIED

    @property
    def attributes(self) -> Attributes:
        """The attributes as they may leave."""
        return guarded("span", clean_attributes, self._live._attributes, "span") or {}

    @property
    def events(self) -> Sequence[Event]:
        """The events as they may leave."""
        return tuple(guarded_each("event", clean_event, self._live.events))

    @property
    def links(self) -> Sequence[Link]:
        """The links as they may leave."""
        return tuple(guarded_each("link", clean_link, self._live.links))

    @property
    def status(self) -> Status:
        """The status without its description."""
        return guarded("span", clean_status, self._live.status) or Status()

    @property
    def resource(self) -> Resource:
        """The resource as it may leave."""
        return guarded("resource", clean_resource, self._live.resource) or Resource({})

    @property
    def instrumentation_scope(self) -> InstrumentationScope | None:
        """The scope as it may leave."""
        return guarded("scope", clean_scope, self._live.instrumentation_scope)

    @property
    def context(self) -> SpanContext:
        """The context without its trace state."""
        return guarded("span", clean_context, self._live.context, "span") or INVALID_SPAN_CONTEXT

    def get_span_context(self) -> SpanContext:
        """Return the context without its trace state."""
        return self.context

    @property
    def parent(self) -> SpanContext | None:
        """The parent without its trace state."""
        return guarded("span", clean_context, self._live.parent, "span")

    @property
    def kind(self) -> SpanKind:
        """The kind."""
        return clean_kind(self._live.kind)

    @property
    def start_time(self) -> int | None:
        """When it started, in nanoseconds."""
        return clean_time(self._live.start_time)

    @property
    def end_time(self) -> int | None:
        """When it ended, in nanoseconds."""
        return clean_time(self._live.end_time)

    @property
    def dropped_attributes(self) -> int:
        """How many attributes the SDK dropped by its limits."""
        return clean_count(self._live.dropped_attributes)

    def _readable_span(self) -> ReadableSpan:
        return clean_span(self._live._readable_span())


def _name_of(span: Span) -> str:
    return span_name(span.name, clean_attributes(span._attributes, "span"))


_PRIVATE: Final = frozenset(
    """
    _name _context _parent _kind _attributes _events _links _status _resource _instrumentation_scope _start_time _end_time
    """.split()
)


def _passed_on(name: str) -> object:
    def method(self: LiveSpan, *args: object, **kwargs: object) -> object:
        return getattr(self._live, name)(*args, **kwargs)

    method.__name__ = name
    method.__doc__ = getattr(Span, name).__doc__
    return method


for _name in (
    *("set_attribute", "set_attributes", "add_event", "add_link", "update_name", "set_status", "record_exception"),
    *("is_recording", "end"),
):
    setattr(LiveSpan, _name, _passed_on(_name))
