"""The process guard: every provider and exporter of the process, whoever made it and whenever."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator

import channels
import pytest
from channels import quiet_warnings, resource, wire
from opentelemetry import baggage, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    ReadableSpan,
    Span,
    SpanProcessor,
    SynchronousMultiSpanProcessor,
    TracerProvider,
)
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from spanguard.privacy import canary, places, process
from spanguard.privacy.providers import guard_provider
from spanguard.vocabulary import declared
from spanguard.vocabulary.declared import declare

SECRET = "Alice's diagnosis 4111"


@pytest.fixture
def guard() -> Iterator[None]:
    """The process guard, for one test."""
    process.switch_on()
    yield
    process.switch_off()


class Snapshots(SpanProcessor):
    """Keeps what a processor can see, at every time."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_start(self, span: Span, parent_context: object = None) -> None:
        self._look(span)

    def _on_ending(self, span: Span) -> None:
        self._look(span)

    def on_end(self, span: ReadableSpan) -> None:
        self._look(span)

    def _look(self, span: ReadableSpan) -> None:
        parts = (span.name, span.attributes, span.events, span.links, span.status.description, span.resource.attributes)
        self.seen.append(repr([parts, [event.attributes for event in span.events], vars(span)]))


@pytest.mark.usefixtures("guard")
@pytest.mark.parametrize("kind", [SynchronousMultiSpanProcessor, ConcurrentMultiSpanProcessor])
def test_every_processor_sees_clean_spans_at_every_time(kind: type[SynchronousMultiSpanProcessor]) -> None:
    """Also at the start, and when the span is about to end."""
    snapshots, exporter = Snapshots(), InMemorySpanExporter()
    provider = TracerProvider(resource=resource(SECRET), active_span_processor=kind(), shutdown_on_exit=False)
    provider.add_span_processor(snapshots)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    channels.spans(SECRET, snapshots, provider)
    assert len(snapshots.seen) >= 2  # three times, where the SDK tells of an end before it comes
    assert not [text for text in snapshots.seen if "diagnosis" in text]
    assert b"diagnosis" not in wire(spans=exporter.get_finished_spans())


def test_providers_that_were_there_before_are_guarded_too() -> None:
    """The guard need not be first: it stands where telemetry passes."""
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    logs = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    provider, meters = (
        TracerProvider(shutdown_on_exit=False),
        MeterProvider([reader], resource(SECRET), shutdown_on_exit=False),
    )
    loggers = LoggerProvider(resource(SECRET), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    loggers.add_log_record_processor(SimpleLogRecordProcessor(logs))
    process.switch_on()
    try:
        with quiet_warnings():
            channels.spans(SECRET, SimpleSpanProcessor(spans), provider)
            channels.metrics(SECRET, meters)
            channels.logs(SECRET, loggers)
        sent = wire(spans.get_finished_spans(), logs.get_finished_logs(), reader.get_metrics_data())
    finally:
        process.switch_off()
    assert b"http.server.request.duration" in sent
    assert b"diagnosis" not in sent


@pytest.mark.usefixtures("guard")
def test_a_list_of_processors_of_somebodys_own_making_is_guarded() -> None:
    """What is no kind of list that the SDK has gets a guard around it when the provider is made."""

    class Own(Snapshots):
        def add_span_processor(self, processor: SpanProcessor) -> None:
            self.added = processor

    own = Own()
    provider = TracerProvider(active_span_processor=own, resource=resource(SECRET), shutdown_on_exit=False)  # type: ignore[arg-type]
    provider.add_span_processor(Snapshots())
    channels.spans(SECRET, own, provider)
    assert len(own.seen) >= 2
    assert not [text for text in own.seen if "diagnosis" in text]
    assert isinstance(own.added, Snapshots)


def raw_telemetry() -> tuple[list[ReadableSpan], list[object], object]:
    """Return spans, log records and metrics that nobody has guarded."""
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    logs = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    loggers = LoggerProvider(resource(SECRET), shutdown_on_exit=False)
    loggers.add_log_record_processor(SimpleLogRecordProcessor(logs))
    meters = MeterProvider([reader], resource(SECRET), shutdown_on_exit=False)
    with quiet_warnings():
        channels.spans(SECRET, SimpleSpanProcessor(spans))
        channels.logs(SECRET, loggers)
        channels.metrics(SECRET, meters)
    return list(spans.get_finished_spans()), list(logs.get_finished_logs()), reader.get_metrics_data()


def test_an_exporter_that_is_called_directly_encodes_what_is_clean() -> None:
    """The functions that encode OTLP are guarded: raw telemetry handed to them leaves clean."""
    spans, logs, metrics = raw_telemetry()
    process.switch_on()
    try:
        sent = encode_spans(spans).SerializeToString()
        sent += encode_logs(logs).SerializeToString()  # type: ignore[arg-type]
        sent += encode_metrics(metrics).SerializeToString()  # type: ignore[arg-type]
    finally:
        process.switch_off()
    assert b"http.server.request.duration" in sent
    assert b"diagnosis" not in sent


def test_json_exporters_that_are_called_directly_encode_what_is_clean() -> None:
    """OpenTelemetry's encoders of OTLP-JSON are guarded as those of protobuf are; where nothing is left, that is encoded."""
    common = "opentelemetry.exporter.otlp.json.common"
    encoders = [pytest.importorskip(f"{common}.{name}") for name in ("trace_encoder", "_log_encoder", "metrics_encoder")]
    spans, logs, metrics = raw_telemetry()
    unknown = raw_telemetry()[2]
    assert unknown is not None
    del unknown.resource_metrics[0].scope_metrics[:]
    process.switch_on()
    try:
        sent = encoders[0].encode_spans(spans).to_json() + encoders[1].encode_logs(logs).to_json()
        sent += encoders[2].encode_metrics(metrics).to_json() + encoders[2].encode_metrics(unknown).to_json()
    finally:
        process.switch_off()
    assert "http.server.request.duration" in sent
    assert "diagnosis" not in sent


def test_the_canary_tells_whether_the_guard_holds() -> None:
    """It survives in all signals where no guard is, and in none where it is."""
    assert canary.survivors(whole_process=True) == ["spans", "logs", "metrics"]
    assert canary.survivors(whole_process=False) == []
    process.switch_on()
    try:
        assert canary.survivors(whole_process=True) == []
    finally:
        process.switch_off()


def test_every_place_of_the_guard_is_found_in_this_sdk() -> None:
    """What is missing is named; in the versions that are tested nothing that carries telemetry is."""
    process.switch_on()
    process.switch_off()
    assert [
        name for name in places.missing() if "ConcurrentMultiLogRecordProcessor" not in name and "_on_ending" not in name
    ] == []


def test_switching_off_leaves_what_somebody_else_has_put_there_since(monkeypatch: pytest.MonkeyPatch) -> None:
    """A patch is undone only if it is still ours."""

    def others(self: object, span: ReadableSpan) -> None: ...

    monkeypatch.setattr(SynchronousMultiSpanProcessor, "on_end", SynchronousMultiSpanProcessor.on_end)  # restored at the end
    process.switch_on()
    SynchronousMultiSpanProcessor.on_end = others  # type: ignore[method-assign]
    process.switch_off()
    assert SynchronousMultiSpanProcessor.on_end is others


@pytest.mark.usefixtures("guard")
def test_baggage_and_trace_state_do_not_go_along_with_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids go; of baggage only what was declared; of it a text that was not is a pseudonym."""
    monkeypatch.setattr(declared, "_keys", set())
    monkeypatch.setattr(declared, "_clear", set())
    declare("gold", keys=["plan", "tier"])
    state = TraceState([("vendor", "secret")])
    current = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(1), trace_state=state)
    context = trace.set_span_in_context(NonRecordingSpan(current))
    for key, value in {"plan": "gold", "tier": SECRET, "user": SECRET, SECRET: "x"}.items():
        context = baggage.set_baggage(key, value, context)
    carrier: dict[str, str] = {}
    W3CBaggagePropagator().inject(carrier, context)
    TraceContextTextMapPropagator().inject(carrier, context)
    assert carrier["traceparent"] == f"00-{1:032x}-{2:016x}-01"
    assert "tracestate" not in carrier
    plan, tier = sorted(carrier["baggage"].split(","))
    assert plan == "plan=gold"
    assert tier.startswith("tier=h%3A")


@pytest.mark.usefixtures("guard")
def test_opentelemetrys_own_log_lines_tell_no_values(caplog: pytest.LogCaptureFixture) -> None:
    """They keep their text, small numbers and the class of an error."""
    logger = logging.getLogger("opentelemetry.exporter.somewhere")
    try:
        raise ValueError(SECRET)
    except ValueError as error:
        logger.exception("Failed to encode key %s: %s", SECRET, error)  # noqa: TRY401 - as the SDK does
        logger.warning("Transient error %s, retrying in %ds.", error, 5)
        logger.warning(f"could not send {SECRET}")
        logger.warning("%d items", SECRET)
    assert SECRET not in caplog.text
    assert "Failed to encode key …: ValueError" in caplog.text
    assert "Transient error ValueError, retrying in 5s." in caplog.text


def test_what_is_wrong_in_the_environment_is_not_repeated() -> None:
    """The SDK logs what it could not use as it is imported, which is before anything can be switched on."""
    wrong = {"OTEL_RESOURCE_ATTRIBUTES": SECRET, "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "diagnosis"}
    code = "import spanguard; spanguard.configure()"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **wrong}, capture_output=True, text=True, check=True
    )
    assert "diagnosis" not in done.stderr


def test_one_provider_can_be_guarded_alone() -> None:
    """Processors and readers that it has, and those that it gets, see clean telemetry; doing it twice changes nothing."""
    early, late, logs = InMemorySpanExporter(), InMemorySpanExporter(), InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    reader = InMemoryMetricReader()
    tracers, loggers = (
        TracerProvider(resource=resource(SECRET), shutdown_on_exit=False),
        LoggerProvider(shutdown_on_exit=False),
    )
    meters = MeterProvider([reader], resource(SECRET), shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(early))
    for _ in range(2):
        guard_provider(tracers)
        guard_provider(loggers)
        guard_provider(meters)
    tracers.add_span_processor(SimpleSpanProcessor(late))
    loggers.add_log_record_processor(SimpleLogRecordProcessor(logs))
    with quiet_warnings():
        channels.spans(SECRET, SimpleSpanProcessor(early), tracers)
        channels.logs(SECRET, loggers)
        channels.metrics(SECRET, meters)
    spans = (*early.get_finished_spans(), *late.get_finished_spans())
    assert len(spans) == 2
    sent = wire(spans, logs.get_finished_logs(), reader.get_metrics_data())
    assert b"http.server.request.duration" in sent
    assert b"diagnosis" not in sent


def test_what_is_no_provider_cannot_be_guarded() -> None:
    """It is refused at once."""
    with pytest.raises(TypeError, match="not str"):
        guard_provider("provider")  # type: ignore[arg-type]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.usefixtures("guard")
def test_a_forked_child_is_guarded() -> None:
    """Its resource is made anew by the SDK, with the name of the executable and the owner of the process."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=resource(SECRET), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        channels.spans(SECRET, SimpleSpanProcessor(exporter), provider)
        os.write(writing, wire(spans=exporter.get_finished_spans()))
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        sent = pipe.read()
    assert sent
    assert b"diagnosis" not in sent
    assert b"python" not in sent.replace(b"telemetry.sdk.language\x12\x08\n\x06python", b"")
