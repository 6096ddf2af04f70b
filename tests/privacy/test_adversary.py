"""What an adversary tried: fields that nobody thinks of, numbers in odd places, objects that bite, lists of one's own."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import spawned
from channels import quiet_warnings, resource, wire
from opentelemetry import baggage
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor, ReadableLogRecord
from opentelemetry.sdk._logs._internal import ConcurrentMultiLogRecordProcessor, SynchronousMultiLogRecordProcessor
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData
from opentelemetry.sdk.metrics.view import View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    ReadableSpan,
    SpanProcessor,
    SynchronousMultiSpanProcessor,
    TracerProvider,
)
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from spanguard.privacy import process
from spanguard.privacy.audit import audit_message
from spanguard.privacy.exporters import GuardedLogExporter, GuardedSpanExporter
from spanguard.privacy.logs import clean_log
from spanguard.privacy.metrics import clean_metrics
from spanguard.privacy.processors import PrivacyLogRecordProcessor, PrivacySpanProcessor
from spanguard.privacy.spans import clean_span
from spanguard.semconv import GEN_AI_DURATION_BOUNDARIES, GEN_AI_TOKEN_BOUNDARIES
from support import EPOCH, quick_switches

SECRET = "Alice's diagnosis 4111"
CARD = 4_111_111_111_111_111


@pytest.fixture
def guard() -> Iterator[None]:
    """The process guard, for one test."""
    process.switch_on()
    yield
    process.switch_off()


class Hostile(str):
    """A text that ends the process when it is looked at."""

    __slots__ = ()

    def __bool__(self) -> bool:
        raise SystemExit

    __eq__ = __len__ = __hash__ = __str__ = __bool__  # type: ignore[assignment]


class Agreeing(str):
    """A text that says of itself that it is like any other."""

    __slots__ = ()

    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        return True


def ended(**fields: Any) -> ReadableSpan:
    """Return a finished span with these fields."""
    context = SpanContext(7, 8, is_remote=False, trace_flags=TraceFlags(1))
    return ReadableSpan(**{"name": SECRET, "context": context, "start_time": EPOCH, "end_time": EPOCH + 1, **fields})


# ------------------------------------------------------------------------------------------------- numbers in odd places


@pytest.mark.parametrize("time", [CARD, -5, 2**70, 1.5e18, True, "2026"])
def test_a_time_that_none_can_be_is_none(time: Any) -> None:
    """A number of a card passes for a time no more than one that nobody can encode: a batch would be lost by it."""
    span = clean_span(ended(start_time=time, end_time=time))
    assert (span.start_time, span.end_time) == (0, 0)
    raw = LogRecord(timestamp=time, observed_timestamp=EPOCH)
    record = clean_log(ReadableLogRecord(raw, Resource({}))).log_record
    assert (record.timestamp, record.observed_timestamp) == (0, EPOCH)


def test_ids_and_flags_that_do_not_fit_are_none() -> None:
    """They would cost the batch: a link and a log record can be given any number."""
    odd = SpanContext(2**200, -1, is_remote=True, trace_flags=TraceFlags(CARD), trace_state=TraceState([("v", "secret")]))
    (link,) = clean_span(ended(links=[Link(odd)])).links
    assert (link.context.trace_id, link.context.span_id, link.context.trace_flags) == (0, 0, CARD & 0xFF)
    assert not link.context.trace_state
    raw = LogRecord(severity_number=CARD)  # type: ignore[call-overload]
    raw.trace_id, raw.span_id, raw.trace_flags = 2**200, "x", CARD
    data = clean_log(ReadableLogRecord(raw, Resource({})))
    assert (data.log_record.trace_id, data.log_record.span_id, data.log_record.severity_number) == (0, 0, None)
    assert wire(logs=[data])


def collected(*, declared: Sequence[float] = (), **recorded: float) -> dict[str, Any]:
    """Return the only point of each metric once it is clean."""
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader], shutdown_on_exit=False).get_meter("spanguard")
    for name, value in recorded.items():
        kind, _, metric = name.partition("_")
        metric = metric.replace("__", ".")
        if kind == "gauge":
            meter.create_gauge(metric).set(value)
        elif kind == "counter":
            meter.create_counter(metric).add(value)
        else:
            meter.create_histogram(metric, explicit_bucket_boundaries_advisory=declared or None).record(value)
    data = reader.get_metrics_data()
    cleaned = clean_metrics(data) if data else MetricsData([])
    metrics = [metric for each in cleaned.resource_metrics for scope in each.scope_metrics for metric in scope.metrics]
    assert not [wrong for wrong in audit_message(encode_metrics(cleaned)) if not wrong.is_doubt]
    return {metric.name: metric.data.data_points[0] for metric in metrics}


def test_the_bounds_of_buckets_are_no_dates_of_birth() -> None:
    """The buckets are left out then; the sum and the count are not. What is round or a power of two may be a bound."""
    points = collected(declared=[1.0, 19_850_312.0], histogram_gen_ai__client__token__usage=5)
    assert points["gen_ai.client.token.usage"].explicit_bounds == ()
    assert (points["gen_ai.client.token.usage"].count, points["gen_ai.client.token.usage"].bucket_counts) == (1, (1,))
    points = collected(declared=[1.0, 4_194_304.0, 5e6], histogram_gen_ai__client__token__usage=5)
    assert points["gen_ai.client.token.usage"].explicit_bounds == (1.0, 4_194_304.0, 5e6)


@pytest.mark.parametrize("bounds", [GEN_AI_TOKEN_BOUNDARIES, GEN_AI_DURATION_BOUNDARIES, (0.0, 5e7, 2.0**36)])
def test_the_buckets_of_the_conventions_stay(bounds: tuple[float, ...]) -> None:
    """Though the last ones of token counts are above whatever one call can use."""
    points = collected(declared=list(bounds), histogram_gen_ai__client__token__usage=5)
    assert points["gen_ai.client.token.usage"].explicit_bounds == bounds


def test_what_is_measured_in_bytes_tells_three_digits() -> None:
    """A phone number passes for a size of memory, but not its digits; nor as the one measurement of a histogram."""
    phone = 493_012_345_678
    points = collected(histogram_http__server__request__body__size=phone, gauge_system__memory__usage=phone)
    histogram = points["http.server.request.body.size"]
    assert (histogram.min, histogram.max, histogram.sum) == (493_000_000_000,) * 3
    assert points["system.memory.usage"].value == 493_000_000_000


def test_an_exemplar_is_one_measurement_of_its_counter() -> None:
    """A counter's sum can be large, of which three digits are shown; a single measurement of it cannot; a card is neither."""
    points = collected(counter_gen_ai__client__generation__choices=123_456_789, gauge_system__cpu__utilization=float("inf"))
    assert points["gen_ai.client.generation.choices"].value == 123_000_000
    assert not points["gen_ai.client.generation.choices"].exemplars
    assert "system.cpu.utilization" not in points
    assert collected(counter_gen_ai__client__generation__choices=CARD) == {}


def test_scopes_that_become_the_same_keep_all_their_metrics() -> None:
    """The encoder keeps one entry for each scope: what is no longer told apart is joined before."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    provider.get_meter("spanguard", "secret-1").create_counter("gen_ai.client.generation.choices").add(1)
    provider.get_meter("spanguard", "secret-2").create_histogram("http.client.request.duration").record(1)
    data = reader.get_metrics_data()
    assert data is not None
    sent = encode_metrics(clean_metrics(data)).SerializeToString()
    assert b"gen_ai.client.generation.choices" in sent
    assert b"http.client.request.duration" in sent
    assert b"secret" not in sent


# --------------------------------------------------------------------------------------------------- objects that bite


def test_nothing_asks_a_text_that_bites() -> None:
    """Descriptions, severities, names, versions and units are looked at by their type before all else."""
    status = Status(StatusCode.ERROR)
    status._description = Hostile("x")
    span = clean_span(ended(name=Hostile("x"), status=status))
    assert (span.name, span.status.status_code, span.status.description) == ("redacted", StatusCode.ERROR, None)
    raw = LogRecord(severity_text=Hostile("x"), event_name=Hostile("x"), body=Hostile("x"))
    record = clean_log(ReadableLogRecord(raw, Resource({}))).log_record
    assert (record.severity_text, record.event_name, record.body) == (None, None, None)
    scope = InstrumentationScope("spanguard")
    scope._version = Hostile("x")
    cleaned = clean_span(ended(instrumentation_scope=scope)).instrumentation_scope
    assert cleaned is not None
    assert cleaned.version is None


def test_a_unit_is_the_conventions_own() -> None:
    """A text that says that it is equal to it is not it."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    provider.get_meter("spanguard").create_histogram("http.client.request.duration", Agreeing(SECRET)).record(1)
    data = reader.get_metrics_data()
    assert data is not None
    (metric,) = clean_metrics(data).resource_metrics[0].scope_metrics[0].metrics
    assert metric.unit == "s"
    assert type(metric.unit) is str


class Lying(ReadableSpan):
    """A span that can do nothing but raise, of a class of somebody's own."""

    def __init__(self) -> None: ...

    def __getattribute__(self, name: str) -> Any:
        if name in {"__class__", "__dict__"}:
            return object.__getattribute__(self, name)
        raise ValueError(SECRET)


def test_a_span_that_only_raises_is_emptied_and_its_batch_survives() -> None:
    """What can be had of it is kept, which is nothing."""
    sent = wire(spans=[clean_span(Lying()), clean_span(ended(attributes={"http.request.method": "GET"}))])
    assert b"redacted" in sent
    assert b"GET" in sent
    assert b"diagnosis" not in sent


CALLED = [
    *("spans.clean_attributes", "spans.clean_event", "spans.clean_link", "spans.clean_context", "spans.clean_resource"),
    *("spans.clean_scope", "spans.clean_time", "spans.span_name", "spans.event_name", "spans.redacted", "spans._clean"),
    *(
        "spans.lost",
        "spans._emptied",
        "parts.redacted",
        "parts.pseudonym",
        "parts.clean_name",
        "parts.clean_resource_attributes",
    ),
    *("attributes._is_clean", "attributes._sorted_out", "attributes.rule_of", "attributes._count", "attributes.redacted"),
    *("attributes.dropped_key", "attributes.free_value", "attributes.bucket", "names.redacted", "names.pseudonym"),
    *(
        "logs.clean_attributes",
        "logs.clean_scope",
        "logs.clean_resource",
        "logs.event_name",
        "logs.redacted",
        "logs._cleaned",
    ),
    *("logs._bare", "logs._severity", "logs.clean_time", "logs.clean_id", "logs.lost", "measured.clean_attributes"),
    *("metrics.clean_resource", "metrics.clean_scope", "metrics.clean_url", "metrics.merged", "metrics.redacted"),
    *("metrics._clean_metric", "metrics.clean_point", "metrics._joined", "metrics.dropped_key", "metrics.lost"),
    *(
        "process.clean_span",
        "process.clean_log",
        "process.clean_metrics",
        "process.at_start",
        "border.redacted",
        "border._log",
    ),
    *("outbound.clean_context", "outbound.redacted", "outbound.free_value", "processors.clean_attributes"),
    *("processors.clean_event", "processors.clean_link", "processors.clean_status", "processors.clean_resource"),
    *("processors.clean_scope", "processors.clean_context", "processors.span_name"),
    *("measured.clean_time", "measured.clean_id", "measured.redacted", "attributes._plain", "parts.is_clean_context"),
]


@pytest.mark.usefixtures("guard")
@pytest.mark.parametrize("place", CALLED)
def test_a_fault_of_ours_neither_leaks_nor_raises(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each function of the guard in turn raises: the program notices nothing, and nothing raw leaves."""

    def fault(*_: object, **__: object) -> None:
        raise RuntimeError(SECRET)

    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    logs = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    tracers = TracerProvider(resource=resource(SECRET), shutdown_on_exit=False)
    loggers = LoggerProvider(resource(SECRET), shutdown_on_exit=False)
    meters = MeterProvider([reader], resource(SECRET), shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    looks = Looks()
    tracers.add_span_processor(looks)
    loggers.add_log_record_processor(SimpleLogRecordProcessor(logs))
    monkeypatch.setattr(f"spanguard.privacy.{place}", fault)
    with quiet_warnings():
        channels_of_one(tracers, loggers, meters)
        sent = wire(spans.get_finished_spans(), logs.get_finished_logs(), reader.get_metrics_data())
    assert b"diagnosis" not in sent
    assert "diagnosis" not in repr(looks.seen)


class Looks(SpanProcessor):
    """Looks at all that a span shows before it ends."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    def on_start(self, span: Any, parent_context: Context | None = None) -> None:
        context = span.get_span_context()
        self.seen += [span.name, dict(span.attributes), span.events, context.trace_state, span.parent, span.kind]
        self.seen += [link.attributes for link in span.links]
        self.seen += [span.status.description, span.resource.attributes, span.instrumentation_scope, span.start_time]

    _on_ending = on_start


def channels_of_one(tracers: TracerProvider, loggers: LoggerProvider, meters: MeterProvider) -> None:
    """Use each signal once, with a text in every field."""
    context = SpanContext(1, 2, is_remote=True, trace_flags=TraceFlags(1), trace_state=TraceState([("v", "diagnosis")]))
    attributes = {"note": SECRET, "user.id": SECRET, "http.route": SECRET, "gen_ai.input.messages": SECRET}
    tracer = tracers.get_tracer(SECRET, SECRET)
    with tracer.start_as_current_span(SECRET, attributes=attributes, links=[Link(context, attributes)]) as span:
        span.add_event(SECRET, attributes)
        span.set_status(StatusCode.ERROR, SECRET)
        from opentelemetry import propagate

        carrier: dict[str, str] = {}
        propagate.inject(carrier, baggage.set_baggage("user", "diagnosis"))
        assert "diagnosis" not in repr(carrier)
    record = LogRecord(body=SECRET, attributes=attributes, severity_text=SECRET, event_name=SECRET)
    loggers.get_logger(SECRET).emit(record)
    meters.get_meter(SECRET).create_counter("gen_ai.client.generation.choices").add(1, attributes)
    meters.get_meter(SECRET).create_histogram("secret").record(1, attributes)


# ---------------------------------------------------------------------------------------- lists and exporters of one's own


class Prints(SpanProcessor):
    """Keeps all that it can see, as text."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_start(self, span: Any, parent_context: Context | None = None) -> None:
        self.seen.append(repr((span._name, dict(span._attributes), span._events, span.to_json(), span)))

    _on_ending = on_start

    def on_end(self, span: ReadableSpan) -> None:
        self.seen.append(repr((span.name, dict(span.attributes or {}), span.to_json())))


class OwnList(SynchronousMultiSpanProcessor):
    """A list of a class of somebody's own, which does not hand on as the SDK's does."""

    def __init__(self) -> None:
        super().__init__()
        self.prints = Prints()

    def on_start(self, span: Any, parent_context: Context | None = None) -> None:
        self.prints.on_start(span)

    def on_end(self, span: ReadableSpan) -> None:
        self.prints.on_end(span)


class OwnLogs(LogRecordProcessor):
    """Keeps what it can see of log records."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_emit(self, log_record: Any) -> None:
        record = log_record.log_record
        self.seen.append(repr((record.body, dict(record.attributes), dict(log_record.resource.attributes))))

    def shutdown(self) -> None: ...

    def force_flush(self, timeout_millis: int = 0) -> bool:
        return True


@pytest.mark.usefixtures("guard")
@pytest.mark.parametrize("positional", [True, False])
def test_a_list_that_is_given_in_any_way_is_guarded(*, positional: bool) -> None:
    """By its place or by its name, and also if its class is made from one of the SDK's."""
    own, logs = OwnList(), OwnLogs()
    known = resource(SECRET)
    if positional:
        tracers = TracerProvider(ALWAYS_ON, known, False, own)
        loggers = LoggerProvider(known, False, logs)  # type: ignore[arg-type]
    else:
        tracers = TracerProvider(resource=known, shutdown_on_exit=False, active_span_processor=own)
        loggers = LoggerProvider(known, shutdown_on_exit=False, multi_log_record_processor=logs)  # type: ignore[arg-type]
    tracers.get_tracer("t").start_span(SECRET, attributes={"note": SECRET, "http.request.method": "GET"}).end()
    loggers.get_logger("t").emit(LogRecord(body=SECRET, attributes={"note": SECRET, "http.request.method": "GET"}))
    assert [SECRET in text for text in (*own.prints.seen, *logs.seen)] == [False] * 3
    assert all("GET" in text for text in (*own.prints.seen, *logs.seen))


def test_a_list_that_was_there_before_the_guard_gets_clean_spans() -> None:
    """Where spans end they become clean, whoever is waiting for them."""
    own = OwnList()
    tracer = TracerProvider(shutdown_on_exit=False, active_span_processor=own).get_tracer("t")
    process.switch_on()
    try:
        span = tracer.start_span("a")
        span.update_name(SECRET)
        span.end()
    finally:
        process.switch_off()
    assert SECRET not in own.prints.seen[-1]


@pytest.mark.usefixtures("guard")
@pytest.mark.parametrize("kind", [SynchronousMultiSpanProcessor, ConcurrentMultiSpanProcessor])
def test_a_list_hands_on_what_is_clean_even_if_it_is_given_raw_spans(kind: type[SynchronousMultiSpanProcessor]) -> None:
    """As by processors that make spans themselves."""
    exporter = InMemorySpanExporter()
    many = kind()
    many.add_span_processor(SimpleSpanProcessor(exporter))
    many.on_end(ended(attributes={"note": SECRET}))
    (span,) = exporter.get_finished_spans()
    assert SECRET not in repr((span.name, dict(span.attributes or {})))


@pytest.mark.usefixtures("guard")
@pytest.mark.parametrize("kind", [SynchronousMultiLogRecordProcessor, ConcurrentMultiLogRecordProcessor])
def test_every_list_of_log_processors_hands_on_what_is_clean(kind: type[SynchronousMultiLogRecordProcessor]) -> None:
    """Also the one that asks its processors at once."""
    own = OwnLogs()
    provider = LoggerProvider(resource(SECRET), shutdown_on_exit=False, multi_log_record_processor=kind())
    provider.add_log_record_processor(own)
    provider.get_logger("t").emit(LogRecord(body=SECRET, attributes={"note": SECRET, "http.request.method": "GET"}))
    assert len(own.seen) == 1
    assert "GET" in own.seen[0]
    assert SECRET not in own.seen[0]


def test_the_guarded_exporters_hand_on_what_is_clean() -> None:
    """For a pipeline of one's own, without the process guard."""
    spans, logs = InMemorySpanExporter(), InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]
    GuardedSpanExporter(spans).export([ended(attributes={"note": SECRET})])
    record = LogRecord(body=SECRET, attributes={"note": SECRET})
    GuardedLogExporter(logs).export([ReadableLogRecord(record, resource(SECRET))])
    sent = wire(spans.get_finished_spans(), logs.get_finished_logs())
    assert sent
    assert b"diagnosis" not in sent


def test_what_a_view_took_away_is_not_in_the_exemplars() -> None:
    """The SDK puts it there; what is left are ids, the time and the value."""
    reader = InMemoryMetricReader()
    view = View(instrument_name="*", attribute_keys={"http.request.method"})
    meters = MeterProvider([reader], views=[view], exemplar_filter=AlwaysOnExemplarFilter(), shutdown_on_exit=False)
    with TracerProvider(shutdown_on_exit=False).get_tracer("t").start_as_current_span("GET"):
        meters.get_meter("t").create_histogram("http.client.request.duration").record(1.0, {"user": SECRET})
    data = reader.get_metrics_data()
    assert data is not None
    (point,) = clean_metrics(data).resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    (exemplar,) = point.exemplars
    assert (exemplar.value, dict(exemplar.filtered_attributes)) == (1.0, {})
    assert exemplar.trace_id


@pytest.mark.usefixtures("guard")
def test_telemetry_as_json_is_clean() -> None:
    """Exporters for the console write that, and can be handed raw telemetry."""
    span = TracerProvider(resource=resource(SECRET), shutdown_on_exit=False).get_tracer("t").start_span(SECRET)
    span.set_attribute("note", SECRET)
    assert SECRET not in span.to_json()  # type: ignore[attr-defined]
    record = LogRecord(body=SECRET, severity_number=SeverityNumber.INFO, attributes={"note": SECRET})
    assert SECRET not in ReadableLogRecord(record, resource(SECRET)).to_json()
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader], shutdown_on_exit=False).get_meter("t")
    process.switch_off()
    meter.create_counter("gen_ai.client.generation.choices").add(1, {"note": SECRET})
    data = reader.get_metrics_data()
    assert data is not None
    assert SECRET in data.to_json()
    process.switch_on()
    assert SECRET not in data.to_json()


def test_a_guarded_log_processor_says_what_the_next_one_wants() -> None:
    """So that a record that nobody wants is not made."""

    class Choosy(OwnLogs):
        def enabled(self, **_: object) -> bool:
            return False

    assert not PrivacyLogRecordProcessor(Choosy()).enabled()
    assert PrivacyLogRecordProcessor(OwnLogs()).enabled()


def test_a_processor_can_read_the_private_fields_that_many_do() -> None:
    """They are there, clean, so that what reads them does not fail; all others are refused."""
    prints = Prints()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(PrivacySpanProcessor(prints))
    provider.get_tracer("t").start_span(SECRET, kind=SpanKind.CLIENT, attributes={"note": SECRET}).end()
    assert len(prints.seen) >= 2
    assert SECRET not in repr(prints.seen)


@pytest.mark.usefixtures("guard")
def test_propagators_that_carry_baggage_carry_none() -> None:
    """Jaeger's and OpenTracing's too, where they are installed."""
    found = 0
    for module, name in (("jaeger", "JaegerPropagator"), ("ot_trace", "OTTracePropagator")):
        try:
            propagators = __import__(f"opentelemetry.propagators.{module}", fromlist=[name])
        except ImportError:
            continue
        carrier: dict[str, str] = {}
        getattr(propagators, name)().inject(carrier, baggage.set_baggage("user", "diagnosis"))
        assert "diagnosis" not in repr(carrier)
        found += 1
    if not found:
        pytest.skip("neither propagator is installed")


# ------------------------------------------------------------------------------------------------------- many at a time


@pytest.mark.usefixtures("guard")
def test_spans_are_read_while_others_are_made() -> None:
    """Every view is whole and clean, whichever thread looks first; a live span can be looked at while it is written."""
    exporter, faults = InMemorySpanExporter(), []
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("t")

    def make() -> None:
        for number in range(200):
            with tracer.start_as_current_span(SECRET) as span:
                span.set_attributes({"http.request.method": "GET", f"note{number}": SECRET})

    def look() -> None:
        try:
            for _ in range(50):
                for span in exporter.get_finished_spans():
                    assert dict(span.attributes or {}) == {"http.request.method": "GET"}
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=target) for target in (make, look, make, look)]
    with quick_switches():
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert faults == []
    assert len(exporter.get_finished_spans()) == 400


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.usefixtures("guard")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_while_spans_are_cleaned_leaves_a_child_that_can() -> None:
    """No lock of ours is held in it."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer, stop = provider.get_tracer("t"), threading.Event()

    def work() -> None:
        while not stop.is_set():
            clean_span(ended(attributes={"note": SECRET})).name  # noqa: B018

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(5):
            child = os.fork()
            if not child:
                exporter.clear()
                tracer.start_span(SECRET, attributes={"note": SECRET}).end()
                os._exit(int(b"diagnosis" in wire(spans=exporter.get_finished_spans())))
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        thread.join()


@pytest.mark.usefixtures("guard")
@pytest.mark.parametrize(
    "method", [each for each in ("spawn", "forkserver") if each in multiprocessing.get_all_start_methods()]
)
def test_a_process_that_starts_afresh_is_guarded(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It knows nothing of spanguard, and makes providers of its own."""
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)  # the child need not run the tests
    monkeypatch.setattr(sys.modules["__main__"], "__file__", None, raising=False)
    context = multiprocessing.get_context(method)
    receiving, sending = context.Pipe(duplex=False)
    child = context.Process(target=spawned.work, args=(SECRET, sending))
    child.start()
    sending.close()
    told = receiving.recv()
    child.join()
    receiving.close()
    assert "GET" in told
    assert SECRET not in told
