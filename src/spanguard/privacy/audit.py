"""The privacy invariant as a walk over telemetry: which fields hold what strict mode would not have let out, never what.

`audit_message` takes a decoded OTLP request. It visits every field by the protobuf descriptors and judges it by a table of
places; a field that is not in the table is refused, so that what OTLP will add some day is a violation until somebody has
thought about it. `spanguard.privacy.audit_json` reads OTLP-JSON, `audit_store` the local store, by the same judgements.

Names are the one thing that another process cannot judge: a policy's name is clear where it was a literal of the code or
was declared. One that has the form of a name in code is reported as ``undeclared_name``, a doubt; any other as a violation.
Names of spans, events, metrics, agents and the like are clear only where they were declared: ``unknown_name`` is a violation
for whoever did not declare them too. Declare the program's names (`spanguard.declare`) in the process that audits, and
neither is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal, NamedTuple

from google.protobuf.descriptor import FieldDescriptor  # type: ignore[import-untyped]
from google.protobuf.message import Message  # type: ignore[import-untyped]
from google.protobuf.unknown_fields import UnknownFieldSet  # type: ignore[import-untyped]

from spanguard.privacy import audit_values as values
from spanguard.privacy.audit_places import BELOW, LARGEST, PAIRS, PLACES, RESOURCE, SINGLE, plain
from spanguard.privacy.audit_values import UNDECLARED, Reason
from spanguard.privacy.conventions import metric

Signal = Literal["span", "event", "link", "log", "metric", "exemplar", "resource", "scope", "store"]


_SIGNALS: Final[dict[str, Signal]] = {
    "Resource": "resource",
    "InstrumentationScope": "scope",
    "ScopeSpans": "scope",
    "ScopeMetrics": "scope",
    "ScopeLogs": "scope",
    "Span": "span",
    "Event": "event",
    "Link": "link",
    "Metric": "metric",
    "Exemplar": "exemplar",
    "LogRecord": "log",
}
_KNOWN_IN_PAIRS: Final = SINGLE | {"key", "value", "array_value", "kvlist_value"}


class Violation(NamedTuple):
    """One field that holds what strict mode lets nobody send; it never holds the value.

    ``signal`` is the kind of telemetry, ``field`` the path of the kind of field, such as
    ``resource_spans.scope_spans.spans.events.name``, ``key`` the attribute's key if the conventions know it, else
    ``unknown``, and empty where there is none; ``reason`` is one of a closed list.
    """

    signal: Signal
    field: str
    key: str
    reason: Reason

    @property
    def is_doubt(self) -> bool:
        """Whether this is a name of the program's own that the auditor cannot know, and no violation."""
        return self.reason == UNDECLARED


class _Place(NamedTuple):
    """Where the walk is: the path of fields, the kind of telemetry, and the metric's largest measurement."""

    path: str
    signal: Signal
    largest: float

    def below(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name


def audit_message(message: Message) -> Iterator[Violation]:
    """Yield what is wrong with a decoded OTLP request, or with any part of one; nothing if it keeps the invariant."""
    yield from _walk(message, _Place("", "resource", LARGEST))
    if _has_unknown_fields(message):
        yield from _unknown(message, _Place("", "resource", LARGEST))


def _walk(message: Message, place: _Place) -> Iterator[Violation]:
    kind = message.DESCRIPTOR.name
    place = place._replace(signal=signal_of(kind, place.signal), largest=_largest(message, kind, place.largest))
    judges = PLACES.get(kind, {})
    for field, value in message.ListFields():
        path = place.below(field.name)
        judge = judges.get(field.name)
        if judge is BELOW:
            for each in value if is_repeated(field) else (value,):
                yield from _walk(each, place._replace(path=path))
        elif judge is None:
            yield Violation(place.signal, path, "", "unknown_field")
        elif judge is PAIRS or judge is RESOURCE:
            yield from _attributes(value, place._replace(path=path), resource=judge is RESOURCE)
        else:
            wrong = judge(value, message, place.largest)
            if wrong is not None:
                yield Violation(place.signal, path, "", wrong)


def _largest(message: Any, kind: str, largest: float) -> float:
    known = metric(message.name) if kind == "Metric" else None
    return largest if known is None else known.largest


# ---------------------------------------------------------------------------------------------------------- attributes


def _attributes(pairs: Iterable[Any], place: _Place, *, resource: bool) -> Iterator[Violation]:
    for pair in pairs:
        wrong = values.attribute(pair.key, plain(pair.value), resource=resource)
        if wrong is not None:
            below = "key" if wrong.at == "key" else f"value.{pair.value.WhichOneof('value')}"
            yield Violation(place.signal, place.below(below), wrong.key, wrong.reason)
        for field, _ in (*pair.ListFields(), *pair.value.ListFields()):
            if field.name not in _KNOWN_IN_PAIRS:
                below = field.name if field.containing_type.name == "KeyValue" else f"value.{field.name}"
                yield Violation(place.signal, place.below(below), "", "unknown_field")


# ------------------------------------------------------------------------------------------------------- unknown fields


def _has_unknown_fields(message: Message) -> bool:
    known = type(message)()
    known.CopyFrom(message)
    known.DiscardUnknownFields()
    return bool(known.ByteSize() != message.ByteSize())


def _unknown(message: Message, place: _Place) -> Iterator[Violation]:
    """Yield every message that holds fields which this version of OTLP does not have, those inside values too."""
    place = place._replace(signal=signal_of(message.DESCRIPTOR.name, place.signal))
    if len(UnknownFieldSet(message)):
        yield Violation(place.signal, place.below("?"), "", "unknown_field")
    for field, value in message.ListFields():
        if field.message_type is not None:
            for each in value if is_repeated(field) else (value,):
                yield from _unknown(each, place._replace(path=place.below(field.name)))


def signal_of(kind: str, above: Signal = "resource") -> Signal:
    """Return the kind of telemetry that a kind of message says it is; that of the message above where it says nothing."""
    return _SIGNALS.get(kind, above)


def is_repeated(field: FieldDescriptor) -> bool:
    """Whether the field is a list."""
    # `label` is deprecated in favour of `is_repeated`, which older protobufs do not have.
    if hasattr(field, "is_repeated"):
        return bool(field.is_repeated)
    return bool(field.label == FieldDescriptor.LABEL_REPEATED)  # pyright: ignore[reportAttributeAccessIssue]
