"""The guard before every exporter: what it takes out, what it keeps, and that it fails closed."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, LogRecordExportResult
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from spanguard.privacy.content import CONTENT, without_content
from spanguard.privacy.guard import GuardedLogExporter, GuardedSpanExporter, emptied, guarded

SECRET = "what the user wrote"
RESOURCE = Resource({"service.name": "invoices"})
SCOPE = InstrumentationScope("somebody", "1.0")

content_keys = st.builds(
    lambda key, below: f"{key}.{below}" if below else key, st.sampled_from(CONTENT), st.sampled_from(["", "0.content", "x"])
)
plain_keys = st.sampled_from(
    ["gen_ai.request.model", "http.request.method", "error.type", "input.values", "url.queryable", ""]
)
values = st.one_of(st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.lists(st.text(max_size=3), max_size=2))
attributes = st.builds(
    lambda secret, plain: {**dict.fromkeys(secret, SECRET), **plain},
    st.lists(content_keys, max_size=4),
    st.dictionaries(plain_keys, values, max_size=4),
)
contexts = st.builds(
    lambda trace, span, remote: SpanContext(trace, span, remote, TraceFlags(TraceFlags.SAMPLED)),
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    st.booleans(),
)
times = st.one_of(st.none(), st.integers(0, 2**63))
spans = st.builds(
    ReadableSpan,
    name=st.text(max_size=10),
    context=contexts,
    parent=st.one_of(st.none(), contexts),
    resource=st.just(RESOURCE),
    attributes=st.one_of(st.none(), attributes),
    events=st.lists(st.builds(Event, st.text(max_size=5), attributes, st.integers(0, 2**63)), max_size=3),
    links=st.lists(st.builds(Link, contexts, attributes), max_size=3),
    kind=st.sampled_from(SpanKind),
    status=st.one_of(
        st.just(Status(StatusCode.ERROR, SECRET)), st.builds(Status, st.sampled_from([StatusCode.OK, StatusCode.UNSET]))
    ),
    start_time=times,
    end_time=times,
    instrumentation_scope=st.just(SCOPE),
)


class Hostile(ReadableSpan):
    """A span of somebody whose attributes cannot be read."""

    @property
    def attributes(self) -> Any:
        raise RuntimeError(SECRET)


def hostile() -> Hostile:
    """Return a span whose attributes cannot be read."""
    context = SpanContext(1, 2, is_remote=False)
    status = Status(StatusCode.ERROR, SECRET)
    return Hostile(SECRET, context, resource=RESOURCE, kind=SpanKind.SERVER, status=status, start_time=3, end_time=4)


def allowed(found: Mapping[str, Any] | None, given_: Mapping[str, Any] | None) -> bool:
    """Whether all that was given is found, but for what holds content."""
    return dict(found or {}) == {key: value for key, value in (given_ or {}).items() if value != SECRET}


def skeleton(span: ReadableSpan) -> tuple[object, ...]:
    """Return what the guard always keeps."""
    times_ = span.start_time, span.end_time
    return span.context, span.parent, *times_, span.kind, span.status.status_code


# ------------------------------------------------------------------------------------------------------------------ spans


@hypothesis_settings(max_examples=300, deadline=None)
@given(spans)
def test_content_goes_and_the_rest_stays(span: ReadableSpan) -> None:
    """Of any span: no key of content in attributes, events and links, nothing else lost, and the span itself as before."""
    before = span.to_json()
    clean = guarded(span)
    assert SECRET not in clean.to_json()
    assert clean.status.description is None
    assert skeleton(clean) == skeleton(span)
    assert (clean.name, clean.resource, clean.instrumentation_scope) == (span.name, span.resource, span.instrumentation_scope)
    assert allowed(clean.attributes, span.attributes)
    for kept, given_ in ((clean.events, span.events), (clean.links, span.links)):
        assert len(kept) == len(given_)
        assert all(allowed(new.attributes, old.attributes) for new, old in zip(kept, given_, strict=True))
    assert [(event.name, event.timestamp) for event in clean.events] == [
        (event.name, event.timestamp) for event in span.events
    ]
    assert [link.context for link in clean.links] == [link.context for link in span.links]
    assert span.to_json() == before


@given(spans)
def test_guarding_twice_is_guarding_once(span: ReadableSpan) -> None:
    """A guarded span passes unchanged, as behind two guards."""
    once = guarded(span)
    assert guarded(once).to_json() == once.to_json()


@given(spans)
def test_an_emptied_span_is_its_skeleton(span: ReadableSpan) -> None:
    """Ids, times, kind and status code; neither its name nor its resource."""
    left = emptied(span)
    assert skeleton(left) == skeleton(span)
    assert (left.name, dict(left.attributes or {}), left.events, left.links) == ("redacted", {}, (), ())
    assert left.status.description is None
    assert SECRET not in left.to_json()


@hypothesis_settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(spans, st.builds(hostile)), max_size=5))
def test_the_exporter_gets_as_many_spans_and_no_content(batch: Sequence[ReadableSpan]) -> None:
    """Whatever is in the batch, in the same order; one that cannot be guarded is emptied and does not hold up the others."""
    exporter = InMemorySpanExporter()
    assert GuardedSpanExporter(exporter).export(batch) is SpanExportResult.SUCCESS
    out = exporter.get_finished_spans()
    assert [skeleton(span) for span in out] == [skeleton(span) for span in batch]
    assert not [span for span in out if SECRET in span.to_json()]


def test_a_span_that_cannot_be_guarded_is_told_of_without_its_words(caplog: pytest.LogCaptureFixture) -> None:
    """The log names the kind of the error, not its message."""
    with caplog.at_level(logging.WARNING, "spanguard"):
        GuardedSpanExporter(InMemorySpanExporter()).export([hostile()])
    assert [record.getMessage() for record in caplog.records] == [
        "a span could not be guarded (RuntimeError) and was sent without its attributes"
    ]
    assert SECRET not in caplog.text


def test_what_the_exporter_says_is_handed_back() -> None:
    """Its failure, its flush, its shutdown."""

    class Failing(InMemorySpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            return SpanExportResult.FAILURE

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            return timeout_millis == 7

    exporter = GuardedSpanExporter(Failing())
    assert exporter.export([]) is SpanExportResult.FAILURE
    assert (exporter.force_flush(7), exporter.force_flush(8)) == (True, False)
    stopped = InMemorySpanExporter()
    GuardedSpanExporter(stopped).shutdown()
    assert stopped.export([]) is SpanExportResult.FAILURE


# -------------------------------------------------------------------------------------------------------------------- logs


def record(body: Any, given_: Any, event_name: str | None = "gossip") -> ReadableLogRecord:
    """Return a log record of somebody."""
    log = LogRecord(
        timestamp=1,
        observed_timestamp=2,
        severity_number=SeverityNumber.WARN,
        severity_text="WARN",
        body=body,
        attributes=given_,
        event_name=event_name,
    )
    return ReadableLogRecord(log, RESOURCE, SCOPE)


@hypothesis_settings(max_examples=200, deadline=None)
@given(
    st.one_of(st.none(), st.just(SECRET), st.just({"said": SECRET}), st.just([SECRET])),
    attributes,
    st.sampled_from(["", "gossip"]),
)
def test_log_records_lose_their_body_and_content(body: Any, given_: dict[str, Any], name: str) -> None:
    """They keep name, times, severity and all other attributes; the record itself stays as it was, for others."""
    exporter = InMemoryLogRecordExporter()
    data = record(body, given_, name)
    assert GuardedLogExporter(exporter).export([data]) is LogRecordExportResult.SUCCESS
    (out,) = exporter.get_finished_logs()
    clean, raw = out.log_record, data.log_record
    assert clean.body is None
    assert allowed(clean.attributes, given_)
    for kept in ("event_name", "timestamp", "observed_timestamp", "severity_number", "severity_text"):
        assert getattr(clean, kept) == getattr(raw, kept)
    assert (out.resource, out.instrumentation_scope) == (RESOURCE, SCOPE)
    assert (raw.body, raw.attributes) == (body, given_)


def test_a_log_record_that_cannot_be_guarded_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    """The others of the batch are exported; the log names the kind of the error alone."""

    class Unreadable(dict[str, str]):
        def items(self) -> Any:
            raise RuntimeError(SECRET)

    exporter = InMemoryLogRecordExporter()
    with caplog.at_level(logging.WARNING, "spanguard"):
        GuardedLogExporter(exporter).export([record(SECRET, Unreadable({"a": "b"}), "bad"), record(SECRET, {}, "good")])
    assert [out.log_record.event_name for out in exporter.get_finished_logs()] == ["good"]
    assert [each.getMessage() for each in caplog.records] == [
        "a log record could not be guarded (RuntimeError) and was left out"
    ]


# -------------------------------------------------------------------------------------------------------------------- keys


@given(st.dictionaries(st.one_of(content_keys, plain_keys, st.text(max_size=8)), st.integers(), max_size=6))
def test_a_key_is_content_by_its_first_words(given_: dict[str, int]) -> None:
    """A key of the list, or one below it after a dot; a longer word is another key."""
    kept = without_content(given_)
    assert not [key for key in kept if key in CONTENT or any(key.startswith(f"{each}.") for each in CONTENT)]
    dropped = given_.keys() - kept.keys()
    assert all(any(key == each or key.startswith(f"{each}.") for each in CONTENT) for key in dropped)
    assert all(given_[key] == value for key, value in kept.items())


def test_no_attributes_are_no_attributes() -> None:
    """As OpenTelemetry has it for a span without any."""
    assert without_content(None) == {}
