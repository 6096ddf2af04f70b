"""Stamp ``http.request.resend_count`` on the HTTP spans that a retry makes anew, whichever instrumentation makes them.

The attribute is stable in the HTTP conventions, and none of Python's instrumentations sets it: they stand below the loop.
"""

from __future__ import annotations

import contextlib
import os
from typing import Final

from opentelemetry import _logs, metrics, trace
from opentelemetry.context import Context, get_value
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import Span, SpanProcessor, TracerProvider
from opentelemetry.trace import SpanKind

from spanguard.pipeline.forked import at_end_of_worker, forget_counts
from spanguard.pipeline.servers import flush_before_end
from spanguard.pipeline.together import Together
from spanguard.semconv import HTTP_METHOD, HTTP_RESEND, RESENT
from spanguard.settings import Settings
from spanguard.store.queues import watch_providers

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
    """Finish what `opentelemetry-instrument` has set up: stamp HTTP spans, count what queues drop, flush workers."""
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        add(provider)
    watch_providers()
    flush_before_end(_flush)
    _expect_end()
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_begin_in_child)


def _begin_in_child() -> None:
    # The SDK lets a child count on from what its parent has counted. Whose exporter it is, decides; ours adds processes up.
    meters = metrics.get_meter_provider()
    if "spanguard" in os.environ.get("OTEL_METRICS_EXPORTER", "") and isinstance(meters, MeterProvider):
        with contextlib.suppress(AttributeError):
            forget_counts(meters)
    _expect_end()


def _expect_end() -> None:
    at_end_of_worker(_flush, _flush)


def _flush() -> None:
    providers: tuple[object, ...] = (
        trace.get_tracer_provider(),
        metrics.get_meter_provider(),
        _logs.get_logger_provider(),
    )
    flushes = [getattr(each, "force_flush", None) for each in providers]
    Together(each for each in flushes if each is not None).done_within(Settings.tolerant()[0].exit_timeout)
