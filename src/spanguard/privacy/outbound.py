"""What goes along with requests to others: of baggage the declared entries, of a trace its ids, and no trace state."""

from __future__ import annotations

import functools
from typing import Any, Final

from opentelemetry import baggage, trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan

from spanguard.privacy.border import lost
from spanguard.privacy.free import free_value
from spanguard.privacy.modes import in_force
from spanguard.privacy.parts import clean_context
from spanguard.privacy.places import Function, Place
from spanguard.privacy.redactions import redacted
from spanguard.privacy.rules import _Dropped
from spanguard.vocabulary.declared import is_declared_key


def clean_baggage(context: Context | None) -> Context:
    """Return the context with the entries of its baggage that may be told to others: those whose keys were declared."""
    cleaned = baggage.clear(context)
    for key, value in baggage.get_all(context).items():
        kept = free_value(key, value) if type(key) is str and is_declared_key(key) else None
        if kept is None or isinstance(kept, _Dropped):
            redacted("span", "trace_state", "unknown_key")
        else:
            cleaned = baggage.set_baggage(key, kept, cleaned)
    return cleaned


def without_state(context: Context | None) -> Context | None:
    """Return the context with its current span's trace state left out."""
    current = trace.get_current_span(context).get_span_context()
    if not current.trace_state:
        return context
    return trace.set_span_in_context(NonRecordingSpan(clean_context(current, "span") or current), context)


def _injected(clean: Any) -> Any:
    def guarded(original: Function) -> Function:
        @functools.wraps(original)
        def inject(self: object, carrier: object, context: Context | None = None, *args: object, **kwargs: object) -> None:
            try:
                kept = context if in_force.mode == "off" else clean(context)
            except Exception as error:
                lost("span", error)
            else:
                original(self, carrier, kept, *args, **kwargs)

        return inject

    return guarded


_TRACE_CONTEXT: Final = "opentelemetry.trace.propagation.tracecontext"
PLACES: Final = (
    Place("opentelemetry.baggage.propagation", "W3CBaggagePropagator", "inject", _injected(clean_baggage)),
    Place("opentelemetry.propagators.jaeger", "JaegerPropagator", "inject", _injected(clean_baggage)),
    Place("opentelemetry.propagators.ot_trace", "OTTracePropagator", "inject", _injected(clean_baggage)),
    Place(_TRACE_CONTEXT, "TraceContextTextMapPropagator", "inject", _injected(without_state)),
)
