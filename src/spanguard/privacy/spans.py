"""A span as it may leave the process: rebuilt from what is known, when somebody first looks at it.

The processor hands a `CleanSpan` on, which costs the caller next to nothing; it is cleaned in the thread that exports it,
and lets go of the raw span then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import INVALID_SPAN_CONTEXT, Link, SpanContext, SpanKind, Status, StatusCode

from spanguard.privacy.attributes import clean_attributes
from spanguard.privacy.border import lost
from spanguard.privacy.modes import in_force
from spanguard.privacy.names import EMPTIED, span_name
from spanguard.privacy.parts import (
    NEWEST,
    OLDEST,
    clean_context,
    clean_count,
    clean_resource,
    clean_scope,
    clean_time,
    event_name,
    is_clean_context,
)
from spanguard.privacy.redactions import redacted
from spanguard.privacy.rules import Clean

Fields = dict[str, Any]


def clean_span(span: ReadableSpan) -> ReadableSpan:
    """Return the span as it may leave; the same object if it is clean already, or if the guard is off."""
    if type(span) is CleanSpan or in_force.mode == "off":
        return span
    return CleanSpan(span)


class CleanSpan(ReadableSpan):
    """What may leave of a finished span; cleaned at the first look, then the raw span is let go.

    The fields of `ReadableSpan` are not there until a `_Field` is asked for the first of them, so that everything that the
    base class can do, in this version of the SDK or another, sees clean ones. Copies and pickles are plain spans.
    """

    __slots__ = ("_raw",)

    def __init__(self, span: ReadableSpan) -> None:
        # Not the base's: it would set the fields. The context is read before the export, by every batch processor.
        self._raw: ReadableSpan | None = span
        self._dropped: tuple[int, int, int]
        try:
            context = span._context
            if context is not None and not is_clean_context(context):
                context = clean_context(context, "span")
        except Exception as error:
            lost("span", error)
            context = None
        self._context = INVALID_SPAN_CONTEXT if context is None else context  # processors and encoders ask for its ids

    def _fill(self) -> Fields:
        """Clean the span, unless another thread has just done it, and return its fields."""
        raw = self._raw
        if raw is not None:
            try:
                fields = _clean(raw, self._context)
            except Exception as error:
                lost("span", error)
                fields = _emptied(raw)
                fields["_context"] = self._context
            self.__dict__ = fields
            self._raw = None
        return self.__dict__

    @property
    def dropped_attributes(self) -> int:
        """How many attributes the SDK dropped by its limits."""
        return clean_count(self._dropped[0])

    @property
    def dropped_events(self) -> int:
        """How many events the SDK dropped by its limits."""
        return clean_count(self._dropped[1])

    @property
    def dropped_links(self) -> int:
        """How many links the SDK dropped by its limits."""
        return clean_count(self._dropped[2])

    def __reduce_ex__(self, protocol: object) -> tuple[object, ...]:
        """Become a plain span: the SDK's resources hold locks, which cannot be copied."""
        scope, resource = self.instrumentation_scope, self.resource
        return _plain, (
            {name.lstrip("_"): getattr(self, name) for name in _SIMPLE},
            [(event.name, dict(event.attributes or {}), event.timestamp) for event in self.events],
            [(link.context, dict(link.attributes or {})) for link in self.links],
            (dict(resource.attributes), resource.schema_url),
            scope and (scope.name, scope.version, scope.schema_url),
        )


_SIMPLE: Final = ("_name", "_context", "_kind", "_parent", "_start_time", "_end_time", "_attributes", "_status")


class _Field:
    """Stands in the class for a field that a view does not have before it is clean; an instance's own goes before it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, view: CleanSpan | None, _: object = None) -> object:
        return self if view is None else view._fill()[self._name]


for _name in (
    *("_name", "_kind", "_parent", "_start_time", "_end_time", "_attributes", "_events", "_links", "_status"),
    *("_resource", "_instrumentation_scope", "_instrumentation_info", "_dropped"),
):
    setattr(CleanSpan, _name, _Field(_name))


def _plain(
    fields: Fields,
    events: Iterable[tuple[str, Mapping[str, Clean], int]],
    links: Iterable[tuple[SpanContext, Mapping[str, Clean]]],
    resource: tuple[Mapping[str, Clean], str],
    scope: tuple[str, str | None, str] | None,
) -> ReadableSpan:
    return ReadableSpan(
        **fields,
        resource=Resource(resource[0], resource[1]),
        events=[Event(name, attributes, timestamp) for name, attributes, timestamp in events],
        links=[Link(linked, attributes) for linked, attributes in links],
        instrumentation_scope=None if scope is None else InstrumentationScope(*scope),
    )


def _clean(span: ReadableSpan, context: SpanContext | None) -> Fields:
    # Written out rather than put together: this is what the export thread does for every span.
    raw, parent, status = span._attributes, span._parent, span._status
    events: Any = span._events
    links: Any = span._links
    attributes = clean_attributes(raw, "span")
    start, end, code = span._start_time, span._end_time, status.status_code
    if type(start) is not int or type(end) is not int or not OLDEST <= start <= end < NEWEST:
        start, end = clean_time(start), clean_time(end)
    if status.description is not None:
        redacted("span", "status", "free_text")
    try:
        dropped = raw.dropped, events.dropped, links.dropped  # type: ignore[union-attr]
    except AttributeError:  # a span that was not made by the SDK
        dropped = 0, 0, 0
    return {
        "_name": span_name(span._name, attributes),
        "_context": context,
        "_kind": span._kind if type(span._kind) is SpanKind else _INTERNAL,
        "_parent": parent if parent is None or is_clean_context(parent) else clean_context(parent, "span"),
        "_start_time": start,
        "_end_time": end,
        "_status": _UNSET if code is _UNSET_CODE else _STATUS.get(code, _UNSET),
        "_attributes": attributes,
        "_events": () if type(events) is _OWN_LIST and not events._dq else tuple(map(clean_event, span.events)),
        "_links": () if type(links) is _OWN_LIST and not links._dq else tuple(map(clean_link, span.links)),
        "_resource": clean_resource(span._resource),
        "_instrumentation_scope": clean_scope(span._instrumentation_scope),
        "_instrumentation_info": None,
        "_dropped": dropped,
    }


def _emptied(span: ReadableSpan) -> Fields:
    """Return what is left of a span that could not be cleaned: ids, times, kind, status code, as far as these can be had."""
    fields = dict(_BARE)
    for name, part in _LEFT.items():
        with suppress(Exception):
            fields[name] = part(span)
    return fields


_OWN_LIST: Final[Any] = BoundedList
_INTERNAL: Final = SpanKind.INTERNAL
_STATUS: Final = {code: Status(code) for code in StatusCode}
_UNSET_CODE: Final = StatusCode.UNSET  # members of enumerations are slow to look up in Python 3.11
_UNSET: Final = _STATUS[_UNSET_CODE]
_BARE: Final[Fields] = {
    "_name": EMPTIED,
    "_kind": _INTERNAL,
    "_parent": None,
    "_start_time": 0,
    "_end_time": 0,
    "_status": _UNSET,
    "_attributes": {},
    "_events": (),
    "_links": (),
    "_resource": Resource({}),
    "_instrumentation_scope": None,
    "_instrumentation_info": None,
    "_dropped": (0, 0, 0),
}
_LEFT: Final[dict[str, Callable[[ReadableSpan], object]]] = {
    "_kind": lambda span: clean_kind(span.kind),
    "_parent": lambda span: clean_context(span.parent, "span"),
    "_start_time": lambda span: clean_time(span.start_time),
    "_end_time": lambda span: clean_time(span.end_time),
    "_status": lambda span: clean_status(span.status),
}


def clean_kind(kind: object) -> SpanKind:
    """Return the kind of a span, or that of most if it is none."""
    return kind if type(kind) is SpanKind else _INTERNAL


def clean_status(status: Status) -> Status:
    """Return the status of a span without its description."""
    return _STATUS.get(status.status_code, _UNSET)


def clean_event(event: Event) -> Event:
    """Return an event of a span as it may leave."""
    time = clean_time(event.timestamp) or 0  # without a time it would get one
    return Event(event_name(event.name, "event"), clean_attributes(event.attributes, "event"), time)


def clean_link(link: Link) -> Link:
    """Return a link as it may leave."""
    context = clean_context(link.context, "link")
    return Link(context or INVALID_SPAN_CONTEXT, clean_attributes(link.attributes, "link"))
