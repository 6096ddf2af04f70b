"""Stamp ``http.request.resend_count`` on the HTTP spans that a retry makes anew, whichever instrumentation makes them.

The attribute is stable in the HTTP conventions, and none of Python's instrumentations sets it: they stand below the loop.
"""

from __future__ import annotations

from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context, get_value
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.trace import SpanKind

from spanguard.semconv import HTTP_METHOD, HTTP_RESEND, RESENT

_ADDED: Final = "_spanguard_resend"


class ResendCountProcessor(SpanProcessor):
    """Reads in the context how often the innermost retry has tried before; a count that is there already stays."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Stamp a CLIENT span of HTTP that starts inside the second or a later attempt of a retry."""
        if span.kind is not SpanKind.CLIENT:
            return
        resent = get_value(RESENT, parent_context)
        attributes = span.attributes or {}
        http = HTTP_METHOD in attributes or "http.method" in attributes  # the name before the conventions were stable
        if http and isinstance(resent, int) and resent > 0 and HTTP_RESEND not in attributes:
            span.set_attribute(HTTP_RESEND, resent)

    def force_flush(self, timeout_millis: int = 30_000) -> bool:  # noqa: ARG002
        """Return True: nothing is kept. In older SDKs the base class says None, and the flush ends there."""
        return True


def add(provider: TracerProvider) -> None:
    """Stamp the HTTP spans of a provider, once."""
    if not getattr(provider, _ADDED, False):
        setattr(provider, _ADDED, True)
        provider.add_span_processor(ResendCountProcessor())


def post_instrument() -> None:
    """Stamp the HTTP spans of the program's provider: for `opentelemetry-instrument`, after it has set up everything."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        add(provider)
