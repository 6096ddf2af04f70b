"""The parts that signals share, as they may leave: trace contexts, scopes, resources, names of events, versions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import INVALID_SPAN_CONTEXT, SpanContext, TraceFlags, TraceState

from spanguard.privacy.attributes import clean_resource_attributes
from spanguard.privacy.conventions import is_event, is_schema_url, is_scope
from spanguard.privacy.modes import in_force, may_pass
from spanguard.privacy.redactions import redacted
from spanguard.privacy.rules import LARGEST
from spanguard.semconv import PRIVACY_MODE
from spanguard.vocabulary import declared
from spanguard.vocabulary.declared import is_declared
from spanguard.vocabulary.pseudonyms import Pseudonym, pseudonym
from spanguard.vocabulary.versions import is_version

_SCOPES: Final = "otel.scope.name"
_EVENTS: Final = "event.name"

EMPTY_STATE: Final = INVALID_SPAN_CONTEXT.trace_state
"""The trace state that all spans without one share."""

OLDEST: Final = 946_684_800 * 10**9
NEWEST: Final = 2_524_608_000 * 10**9
"""The years 2000 to 2049, in nanoseconds."""
_MOST_SCOPES: Final = 500
# Scopes and resources live as long as the tracers that have them: what they hold raw is not kept longer by remembering it.
_scopes: dict[int, tuple[InstrumentationScope, int, str, InstrumentationScope]] = {}
_last_resource: tuple[Mapping[str, object], str, int, str, Resource] | None = None


def clean_context(context: SpanContext | None, signal: str) -> SpanContext | None:
    """Return a span's context without its trace state, which anybody on the way may have written, and with ids that fit."""
    if context is None:
        return None
    state = context.trace_state
    if state is not EMPTY_STATE and (type(state) is not TraceState or state):
        redacted(signal, "trace_state", "free_text")
    trace_id, span_id = clean_id(context.trace_id, 128), clean_id(context.span_id, 64)
    return SpanContext(trace_id, span_id, context.is_remote is True, clean_flags(context.trace_flags))


def is_clean_context(context: object) -> bool:
    """Whether a span's context may leave as it is: without a trace state, with ids and flags that fit."""
    if type(context) is not SpanContext:
        return False
    parts: Any = context
    try:
        trace_id, span_id, is_remote, flags, state, is_valid = parts
    except ValueError:  # another version's contexts
        return False
    return (
        state is EMPTY_STATE
        and is_valid is True  # the ids fit, if they are numbers
        and type(trace_id) is type(span_id) is int
        and type(is_remote) is bool
        and type(flags) is TraceFlags
        and flags <= 0xFF
    )


def clean_id(value: object, bits: int) -> int:
    """Return an id that fits into so many bits, 0 for any other: nobody could encode it, and all of its batch were lost."""
    return value if type(value) is int and 0 <= value < 1 << bits else 0


def clean_flags(flags: object) -> TraceFlags:
    """Return the eight flags that a trace has."""
    return TraceFlags(flags & 0xFF) if type(flags) is int or type(flags) is TraceFlags else TraceFlags(0)


def clean_time(time: object) -> int | None:
    """Return a time in nanoseconds if it lies in the years 2000 to 2049; 0, which is none, for any other number."""
    return time if time is None or (type(time) is int and OLDEST <= time < NEWEST) else 0


def clean_count(number: object) -> int:
    """Return how many of something there were, 0 for what nobody would count: a batch could not be encoded with it."""
    return number if type(number) is int and 0 <= number <= LARGEST else 0


def event_name(name: object, signal: str) -> str:
    """Return the name of an event in clear if it is known, else its pseudonym."""
    return clean_name(name, signal, _EVENTS, is_event)


def clean_name(name: object, signal: str, of: str, known: Callable[[str], bool]) -> str:
    """Return a name in clear if it is known or declared, else its pseudonym."""
    if type(name) is Pseudonym:
        return name
    if type(name) is not str or not name:
        return ""
    if known(name) or is_declared(name) or (in_force.mode == "balanced" and may_pass(name)):
        return name
    redacted(signal, "name", "pseudonym")
    return pseudonym(name, of)


def clean_url(url: object, signal: str) -> str:
    """Return a schema URL if it is one of OpenTelemetry's, else nothing."""
    if type(url) is not str or not url:
        return ""
    if is_schema_url(url):
        return url
    redacted(signal, "schema_url", "not_in_vocabulary")
    return ""


def clean_scope(scope: InstrumentationScope | None) -> InstrumentationScope | None:
    """Return the scope with a known name or its pseudonym, the version of something that is installed, and no attributes."""
    if scope is None:
        return None
    remembered = _scopes.get(id(scope))
    if remembered and remembered[0] is scope and remembered[1] == declared.edition and remembered[2] is in_force.mode:
        return remembered[3]
    cleaned = _clean_scope(scope)
    if len(_scopes) >= _MOST_SCOPES:
        _scopes.clear()
    _scopes[id(scope)] = scope, declared.edition, in_force.mode, cleaned
    return cleaned


def _clean_scope(scope: InstrumentationScope) -> InstrumentationScope:
    name = clean_name(scope.name, "scope", _SCOPES, is_scope)
    url = clean_url(scope.schema_url, "scope")
    version: str | None = scope.version
    if version is not None and not (type(version) is str and (not version or is_version(version))):
        redacted("scope", "version", "not_in_vocabulary")
        version = None
    if scope.attributes:
        redacted("scope", "attribute", "unknown_key")
    return InstrumentationScope(name, version, url)


def clean_resource(resource: Resource | None) -> Resource:
    """Return the resource as it may leave.

    The last one is remembered as long as the attributes are the same object: after a fork, and when detectors are slow, the
    SDK gives a provider that exists another resource, or a resource other attributes; these themselves cannot be changed.
    """
    global _last_resource
    if resource is None:
        return Resource({})
    own = type(resource) is Resource
    attributes = resource._attributes if own else resource.attributes
    url = resource._schema_url if own else resource.schema_url
    last = _last_resource
    current = last and last[2] == declared.edition and last[3] is in_force.mode
    if last and current and (last[4] is resource or (last[0] is attributes and last[1] is url)):
        return last[4]
    kept = clean_resource_attributes(attributes)
    if in_force.mode != "strict":
        kept[PRIVACY_MODE] = in_force.mode
    cleaned = Resource(kept, clean_url(url, "resource"))
    _last_resource = attributes, url, declared.edition, in_force.mode, cleaned
    return cleaned
