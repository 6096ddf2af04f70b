"""What a process of multiprocessing's does that starts afresh, with providers of its own. Run by test_adversary."""

from __future__ import annotations

from multiprocessing.connection import Connection

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


def work(secret: str, answer: Connection) -> None:
    """Send back what an exporter gets."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    provider.get_tracer("t").start_span(secret, attributes={"note": secret, "http.request.method": "GET"}).end()
    (span,) = exporter.get_finished_spans()
    answer.send(repr((span.name, dict(span.attributes or {}), dict(span.resource.attributes))))
