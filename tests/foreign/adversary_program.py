# ruff: noqa: T201
"""A program that pushes texts through every channel there is, in one of many ways. Run by test_privacy.

Arguments: the way, the address of a server that answers everything. On standard input: the texts as a JSON list.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import sqlite3
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import channels
import httpx
from opentelemetry import _logs, baggage, context, metrics, propagate, trace
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.logging.handler import LoggingHandler
from opentelemetry.processor.baggage import ALLOW_ALL_BAGGAGE_KEYS, BaggageSpanProcessor
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, ConsoleLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, SynchronousMultiSpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState

import spanguard

SERVER = sys.argv[2] if len(sys.argv) > 2 else ""
Providers = tuple[Any, Any, Any]
_NEVER = 3_600_000  # milliseconds
_UNUSED = SpanProcessor()


def everything(texts: Sequence[str], providers: Providers) -> None:
    """Push the texts through every channel of three providers, through logging, and through requests to others."""
    tracers, meters, loggers = providers
    for text in texts:
        channels.spans(text, _UNUSED, tracers)
        channels.logs(text, loggers)
        channels.metrics(text, meters)
        logged(text, loggers)
        told_to_others(text)
    for provider in providers:
        provider.force_flush()


def logged(text: str, provider: LoggerProvider) -> None:
    """Log a text as message, argument, extra field, logger's name and exception."""
    logger = logging.getLogger(f"shop.{text}")
    logger.propagate = False
    logger.handlers = [LoggingHandler(logger_provider=provider)]
    logger.error(text)
    logger.warning("x %s", text, extra={"note": text, f"f_{text}": text, "http.route": text})
    logger.info({"text": text})
    try:
        raise ValueError(text)
    except ValueError:
        logger.exception("failed %s", text, stack_info=True)


def told_to_others(text: str) -> None:
    """Ask a server with a text in the baggage and in the trace state, and write both to standard output."""
    with_baggage = baggage.set_baggage("user.id", text)
    with suppress(ValueError):
        state = TraceState([("vendor", text)])
        remote = NonRecordingSpan(SpanContext(5, 6, is_remote=True, trace_flags=TraceFlags(1), trace_state=state))
        with_baggage = trace.set_span_in_context(remote, with_baggage)
    carrier: dict[str, str] = {}
    propagate.inject(carrier, with_baggage)
    print(carrier)
    token = context.attach(with_baggage)
    trace.get_tracer("shop").start_span("asked").end()
    with suppress(httpx.HTTPError, UnicodeError):
        httpx.get(f"{SERVER}/", headers=carrier)
    context.detach(token)


def globally() -> Providers:
    """Return the providers that the program was given."""
    return trace.get_tracer_provider(), metrics.get_meter_provider(), _logs.get_logger_provider()


def own(text: str) -> Providers:
    """Return providers of the program's own, with OTLP exporters of its own, and a text in the resource."""
    resource = channels.resource(text)
    tracers, loggers = TracerProvider(resource=resource), LoggerProvider(resource=resource)
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    loggers.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    return tracers, MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter(), _NEVER)], resource), loggers


# ------------------------------------------------------------------------------------------------------------- the ways


def given(texts: list[str]) -> None:
    """Do nothing but use OpenTelemetry: somebody else has set it up."""
    everything(texts, globally())
    real(texts)


def configured(texts: list[str]) -> None:
    """Set it up in code."""
    pipeline = spanguard.configure()
    everything(texts, globally())
    assert pipeline.shutdown(timeout=60)


def balanced(texts: list[str]) -> None:
    """Set it up in the mode that shows more."""
    pipeline = spanguard.configure(privacy="balanced")
    everything(texts, globally())
    assert pipeline.shutdown(timeout=60)


def unguarded(texts: list[str]) -> None:
    """Guard nothing."""
    everything(texts, own(texts[0]))


def second(texts: list[str]) -> None:
    """Make other providers, before the guard is on and after it."""
    before = own(texts[0])
    pipeline = spanguard.configure()
    for providers in (before, own(texts[1])):
        everything(texts[::2], providers)
    pipeline.shutdown(timeout=60)


class Curious(SynchronousMultiSpanProcessor):
    """Tells all that it is shown of a span, as list and as processor in one."""

    def on_start(self, span: Any, parent_context: object = None) -> None:
        print("start", span.name, dict(span.attributes or {}), vars(span) if hasattr(span, "__dict__") else "")

    def on_end(self, span: ReadableSpan) -> None:
        print("end", span.to_json(), span.resource.attributes, [link.attributes for link in span.links])
        OTLPSpanExporter().export([span])


def late(texts: list[str]) -> None:
    """Add processors, exporters and readers when the guard is on already, some of classes of the program's own."""
    pipeline = spanguard.configure()
    tracers, _, loggers = globally()
    tracers.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
    tracers.add_span_processor(BaggageSpanProcessor(ALLOW_ALL_BAGGAGE_KEYS))
    tracers.add_span_processor(Curious())
    loggers.add_log_record_processor(SimpleLogRecordProcessor(ConsoleLogRecordExporter()))
    meters = MeterProvider([PeriodicExportingMetricReader(ConsoleMetricExporter(), _NEVER)], channels.resource(texts[0]))
    everything(texts[::2], (tracers, meters, loggers))
    everything(texts[1::4], (TracerProvider(active_span_processor=Curious()), meters, loggers))
    pipeline.shutdown(timeout=60)


def directly(texts: list[str]) -> None:
    """Hand raw spans to exporters."""
    pipeline = spanguard.configure()
    for text in texts:
        span: Any = (
            TracerProvider(resource=channels.resource(text)).get_tracer(text).start_span(text, attributes={"note": text})
        )
        span.add_event(text, {text: text})
        span.record_exception(channels.raised(text))
        span.end()
        for exporter in (OTLPSpanExporter(), ConsoleSpanExporter()):
            exporter.export([span])
        print(span.to_json())
    pipeline.shutdown(timeout=60)


def forked(texts: list[str]) -> None:
    """Do it in a forked child."""
    pipeline = spanguard.configure()
    everything(texts[:4], globally())
    child = os.fork()
    if not child:
        everything(texts, globally())
        everything(texts[::3], own(texts[0]))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    pipeline.shutdown(timeout=60)


def spawned(texts: list[str]) -> None:
    """Do it in a child that multiprocessing starts afresh."""
    pipeline = spanguard.configure()
    child = multiprocessing.get_context("spawn").Process(target=_in_child, args=(texts,))
    child.start()
    child.join()
    assert child.exitcode == 0
    pipeline.shutdown(timeout=60)


def _in_child(texts: list[str]) -> None:
    everything(texts[::2], own(texts[0]))


def scraped(texts: list[str]) -> None:
    """Let Prometheus read the metrics."""
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from prometheus_client import generate_latest

    pipeline = spanguard.configure()
    meters = MeterProvider([PrometheusMetricReader()], channels.resource(texts[0]))
    for text in texts:
        channels.metrics(text, meters)
    exposed = generate_latest().decode()
    assert "http_server_request_duration" in exposed
    print(exposed)
    pipeline.shutdown(timeout=60)


def real(texts: list[str]) -> None:
    """Use real clients, whose instrumentations record all they can."""
    import anthropic
    import openai

    client = openai.OpenAI(api_key="none", base_url=f"{SERVER}/v1", max_retries=0)
    asking = anthropic.Anthropic(api_key="none", base_url=SERVER, max_retries=0)
    for text in texts[::6]:
        with suppress(Exception):
            httpx.get(f"{SERVER}/things", params={"token": text})
        with suppress(Exception):
            httpx.get(f"http://127.0.0.1:9/{text}", timeout=1)
        database = sqlite3.connect(":memory:")
        with suppress(sqlite3.Error, ValueError):
            database.execute("SELECT * FROM nowhere WHERE name = '" + text.replace("'", "''") + "'")
        database.close()
        chat: Any = [{"role": "user", "content": text}]
        for prompt in (chat, [{"role": "user", "content": f"echo {text}"}]):
            with suppress(Exception):
                client.chat.completions.create(model="gpt-4o-mini", messages=prompt, user=text)
            with suppress(Exception):
                asking.messages.create(model="claude-opus-4-5", max_tokens=9, messages=prompt, system=text)


WAYS: dict[str, Callable[[list[str]], None]] = {
    way.__name__: way for way in (given, unguarded, configured, balanced, second, late, directly, forked, spawned, scraped)
}


if __name__ == "__main__":
    for name in (
        "httpx",
        "httpcore",
        "openai",
        "anthropic",
    ):  # what they write to a handler of the program's is its own affair
        logging.getLogger(name).setLevel("WARNING")
    WAYS[sys.argv[1]](json.load(sys.stdin))
    print("done")
