"""Garbage in every field of every signal: nothing raises, nothing of it leaves, and what was beside it arrives.

The fields are those of the SDK's own objects, filled by hand with what no API would let through: texts, bytes, numbers
without end, deep nests, subclasses that fight back. What is sent is judged by the auditor's walk over protobuf descriptors.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from http import HTTPStatus
from random import Random
from typing import Any

import pytest
from channels import wire
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.metrics import Exemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Buckets,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from spanguard.privacy import attributes as cleaning
from spanguard.privacy import redactions
from spanguard.privacy.audit import audit_message
from spanguard.privacy.conventions import ATTRIBUTES
from spanguard.privacy.logs import clean_log
from spanguard.privacy.metrics import clean_metrics
from spanguard.privacy.spans import clean_span
from support import EPOCH

SECRET = "Alice's diagnosis"
METHODS = (
    "__eq__ __ne__ __lt__ __le__ __gt__ __ge__ __hash__ __len__ __iter__ __contains__ __getitem__ __str__ __repr__ "
    "__int__ __float__ __index__ __bool__ __add__ __and__ __abs__ lower upper encode startswith partition keys items get"
).split()


def refuse(*_: object, **__: object) -> Any:
    """Stand for a method that bites."""
    raise RuntimeError(SECRET)


def hostile(base: type, *value: object) -> Any:
    """Return a value of a subclass whose methods all raise."""
    return type(f"Hostile{base.__name__}", (base,), dict.fromkeys(METHODS, refuse))(*value)


def nested(depth: int) -> object:
    """Return a list in a list, so deep."""
    inner: object = SECRET
    for _ in range(depth):
        inner = [inner]
    return inner


class Endless(str):
    """A text that says that it is longer than memory."""

    __slots__ = ()

    def __len__(self) -> int:
        return 10**18


PLAIN: list[object] = [
    *(
        SECRET,
        "",
        SECRET * 10_000,
        f"\ud800{SECRET}",
        "\0",
        "h:0123456789abcdef",
        "192.168.1.77",
        "1985-03-12",
        Endless(SECRET),
    ),
    *(float("nan"), float("inf"), -float("inf"), 10**400, -1, 2**32, 2**63, 2**64, 4_111_111_111_111_111, 1.5, 0, 1, True),
    *(False, None, b"Alice", bytearray(b"Alice"), memoryview(b"Alice"), complex(1, 2), type, refuse, object(), (), [], {}),
    *([SECRET], (SECRET, 1, None), {SECRET: SECRET}, nested(3000), ["GET"] * 40, ("stop",) * 33),
    *("GET", "gpt-4o", "openai", "exception", 200, 0.5, EPOCH),
]
HOSTILE: list[tuple[Any, ...]] = [(str, SECRET), (int, 5), (float, 5.0), (tuple, (SECRET,)), (list, [SECRET]), (object,)]
KEYS = [*ATTRIBUTES, *("note", SECRET, "", "a" * 10_000, "\ud800")]
METRICS = [
    *("http.server.request.duration", "gen_ai.client.token.usage", "system.memory.usage"),
    "gen_ai.client.generation.choices",
]


class Maker:
    """Makes telemetry of which each field is garbage now and then."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def garbage(self) -> Any:
        """Return anything."""
        if self.random.random() < 0.15:
            return hostile(*self.random.choice(HOSTILE))
        return self.random.choice(PLAIN)

    def maybe(self, good: Callable[[], object], share: float = 0.8) -> Any:
        """Return what is good, or garbage."""
        return good() if self.random.random() < share else self.garbage()

    def several(self, make: Callable[[], object], most: int = 3) -> Any:
        """Return a list of some, or garbage in place of the list."""
        return self.maybe(lambda: [self.maybe(make, 0.95) for _ in range(self.random.randrange(most))], 0.9)

    def attributes(self) -> Any:
        """Return attributes."""
        return {self.maybe(lambda: self.random.choice(KEYS), 1): self.garbage() for _ in range(self.random.randrange(6))}

    def context(self) -> SpanContext:
        """Return a context."""
        with contextlib.suppress(Exception):  # the SDK compares ids
            state = self.maybe(lambda: TraceState([("v", "diagnosis")]))
            ids = self.maybe(lambda: 7, 0.7), self.maybe(lambda: 8, 0.7)
            return SpanContext(*ids, self.maybe(lambda: False), self.maybe(lambda: TraceFlags(1)), state)
        return SpanContext(7, 8, is_remote=False)

    def made(self, thing: Any, **fields: Callable[[], object]) -> Any:
        """Return the thing with private fields that are as these functions say, or garbage."""
        for name, field in fields.items():
            setattr(thing, f"_{name}", field())
        return thing

    def resource(self) -> Any:
        """Return a resource."""
        return self.made(Resource({}), attributes=lambda: self.maybe(self.attributes), schema_url=self.garbage)

    def scope(self) -> Any:
        """Return a scope."""
        fields = dict.fromkeys(("name", "version", "schema_url", "attributes"), self.garbage)
        return self.made(InstrumentationScope("x"), **fields)

    def event(self) -> Any:
        """Return an event of a span."""
        attributes = lambda: self.maybe(self.attributes)  # noqa: E731
        return self.made(Event("x", {}, EPOCH), name=self.garbage, attributes=attributes, timestamp=self.garbage)

    def link(self) -> Any:
        """Return a link."""
        context = lambda: self.maybe(self.context)  # noqa: E731
        return self.made(Link(self.context(), {}), context=context, attributes=lambda: self.maybe(self.attributes))

    def status(self) -> Any:
        """Return a status."""
        code = lambda: self.maybe(lambda: StatusCode.ERROR)  # noqa: E731
        return self.made(Status(StatusCode.ERROR), status_code=code, description=self.garbage)

    def span(self) -> ReadableSpan:
        """Return a span."""
        return ReadableSpan(
            name=self.garbage(),
            context=self.maybe(self.context, 0.95),
            parent=self.maybe(self.context),
            resource=self.maybe(self.resource, 0.9),
            attributes=self.maybe(self.attributes, 0.9),
            events=self.several(self.event),
            links=self.several(self.link),
            kind=self.maybe(lambda: SpanKind.CLIENT),
            status=self.maybe(self.status, 0.9),
            start_time=self.maybe(lambda: EPOCH),
            end_time=self.maybe(lambda: EPOCH + 1),
            instrumentation_scope=self.maybe(self.scope, 0.9),
        )

    def log(self) -> ReadableLogRecord:
        """Return a log record."""
        record = LogRecord()
        record.timestamp, record.observed_timestamp = self.maybe(lambda: EPOCH), self.maybe(lambda: EPOCH)
        record.body, record.severity_text, record.event_name = self.garbage(), self.garbage(), self.garbage()
        record.severity_number = self.maybe(lambda: SeverityNumber.INFO)
        record.attributes, record.context = self.maybe(self.attributes, 0.9), self.garbage()
        record.trace_id, record.span_id, record.trace_flags = self.garbage(), self.garbage(), self.garbage()
        return ReadableLogRecord(record, self.maybe(self.resource, 0.9), self.maybe(self.scope, 0.9))

    def numbers(self, *good: object) -> list[Any]:
        """Return these, each of them garbage now and then."""
        return [self.maybe(lambda each=each: each, 0.85) for each in good]

    def exemplar(self) -> Exemplar:
        """Return an exemplar."""
        return Exemplar(self.maybe(self.attributes), *self.numbers(1.0, EPOCH, 5, 6))

    def point(self, kind: int) -> Any:
        """Return a point of a sum or a gauge (0, 1), of a histogram (2), or of an exponential one (3)."""
        attributes, exemplars = self.maybe(self.attributes, 0.9), self.several(self.exemplar)
        if kind < 2:
            return NumberDataPoint(attributes, *self.numbers(EPOCH, EPOCH, 5), exemplars)
        if kind == 2:
            numbers = self.numbers(EPOCH, EPOCH, 2, 3.0, (1, 1), (1.0,), 1.0, 2.0)
            return HistogramDataPoint(attributes, *numbers, exemplars)
        buckets = [self.maybe(lambda: Buckets(*self.numbers(1, (1, 1))), 0.9) for _ in range(2)]
        numbers = self.numbers(EPOCH, EPOCH, 2, 3.0, 2, 0)
        return ExponentialHistogramDataPoint(attributes, *numbers, *buckets, *self.numbers(0, 1.0, 2.0), exemplars)

    def metric(self) -> Metric:
        """Return a metric."""
        kind = self.random.randrange(4)
        points = self.several(lambda: self.point(kind), 4)
        temporality = self.maybe(lambda: AggregationTemporality.CUMULATIVE, 0.9)
        data: Any = (
            lambda: Sum(points, temporality, self.maybe(lambda: True)),
            lambda: Gauge(points),
            lambda: Histogram(points, temporality),
            lambda: ExponentialHistogram(points, temporality),
        )[kind]
        name = self.maybe(lambda: self.random.choice(METRICS), 0.9)
        return Metric(name, self.garbage(), self.garbage(), self.maybe(data, 0.97))

    def metrics(self) -> MetricsData:
        """Return what a reader collects."""
        scopes = lambda: ScopeMetrics(self.maybe(self.scope, 0.9), self.several(self.metric, 4), self.garbage())  # noqa: E731
        whole = lambda: ResourceMetrics(self.maybe(self.resource, 0.9), self.several(scopes), self.garbage())  # noqa: E731
        return MetricsData(self.several(whole, 4))


def wrong(message: Any) -> set[Any]:
    """Return what breaks the promise in a request."""
    return {each for each in audit_message(message) if not each.is_doubt}


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32))
def test_a_span_of_garbage_keeps_the_invariant_and_its_batch(seed: int) -> None:
    """Whatever stands in a field: it is cleaned without a fault, encoded, and the span beside it arrives."""
    beside = ReadableSpan("GET", context=SpanContext(7, 9, is_remote=False), attributes={"http.request.method": "GET"})
    sent = encode_spans([clean_span(Maker(seed).span()), clean_span(beside)])
    assert wrong(sent) == set()
    assert b"GET" in sent.SerializeToString()
    assert b"Alice" not in sent.SerializeToString()


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32))
def test_a_log_record_of_garbage_keeps_the_invariant_and_its_batch(seed: int) -> None:
    """The same of log records."""
    beside = ReadableLogRecord(LogRecord(timestamp=EPOCH, attributes={"http.request.method": "GET"}), Resource({}))
    sent = encode_logs([clean_log(Maker(seed).log()), clean_log(beside)])
    assert wrong(sent) == set()
    assert b"GET" in sent.SerializeToString()
    assert b"Alice" not in sent.SerializeToString()


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32))
def test_metrics_of_garbage_keep_the_invariant_and_their_batch(seed: int) -> None:
    """The same of metrics: what is beside a scope, a metric or a point that cannot be is sent."""
    point = NumberDataPoint({"http.request.method": "GET"}, EPOCH, EPOCH, 1)
    beside = Metric("http.server.active_requests", "", "", Sum([point], AggregationTemporality.CUMULATIVE, False))
    scope = ScopeMetrics(InstrumentationScope("spanguard"), [Maker(seed + 1).metric(), beside], "")
    made = Maker(seed).metrics()
    with contextlib.suppress(Exception):  # garbage in place of a list
        made = MetricsData([*made.resource_metrics, ResourceMetrics(Resource({}), [scope], "")])
        sent = encode_metrics(clean_metrics(made))
        assert b"GET" in sent.SerializeToString()
    sent = encode_metrics(clean_metrics(made))
    assert wrong(sent) == set()
    assert b"Alice" not in sent.SerializeToString()


def test_the_bytes_of_a_text_are_no_counts() -> None:
    """They are numbers in range, one by one; a histogram made by hand could carry them."""
    point = HistogramDataPoint({}, EPOCH, EPOCH, 5, 5.0, SECRET.encode(), (1.0,), 1.0, 1.0)  # type: ignore[arg-type]
    metric = Metric(METRICS[0], "", "", Histogram([point], AggregationTemporality.CUMULATIVE))
    scope = ScopeMetrics(InstrumentationScope("spanguard"), [metric], "")
    assert b"Alice" not in wire(metrics=clean_metrics(MetricsData([ResourceMetrics(Resource({}), [scope], "")])))


@pytest.mark.parametrize("odd", [4_111_111_111_111_111, -1, 2**64, True, 1.0, "1", None])
def test_a_count_that_none_can_be_costs_its_point(odd: Any) -> None:
    """Of a histogram, of a bucket, and of what is zero; a scale and an offset too. What is beside it stays."""
    fine = HistogramDataPoint({"http.request.method": "GET"}, EPOCH, EPOCH, 1, 1.0, (1, 0), (1.0,), 1.0, 1.0)
    buckets, odd_buckets = Buckets(0, [1]), (Buckets(0, [odd]), Buckets(odd if odd != 4_111_111_111_111_111 else 2**62, [1]))
    for histogram in (
        [fine, HistogramDataPoint({}, EPOCH, EPOCH, odd, 1.0, (1, 0), (1.0,), 1.0, 1.0)],
        [fine, HistogramDataPoint({}, EPOCH, EPOCH, 1, 1.0, (odd, 0), (1.0,), 1.0, 1.0)],
    ):
        assert len(measured(Histogram(histogram, AggregationTemporality.CUMULATIVE))) == 1
    for positive in odd_buckets if odd != -1 else odd_buckets[:1]:
        point = ExponentialHistogramDataPoint({}, EPOCH, EPOCH, 1, 1.0, 0, 0, positive, buckets, 0, 1.0, 1.0)
        assert measured(ExponentialHistogram([point], AggregationTemporality.CUMULATIVE)) == []


def measured(data: Any) -> list[Any]:
    """Return what is left of the points of a duration, on the wire too."""
    scope = ScopeMetrics(InstrumentationScope("spanguard"), [Metric(METRICS[0], "", "", data)], "")
    cleaned = clean_metrics(MetricsData([ResourceMetrics(Resource({}), [scope], "")]))
    assert wrong(encode_metrics(cleaned)) == set()
    return [
        point
        for resource in cleaned.resource_metrics
        for each in resource.scope_metrics
        for metric in each.metrics
        for point in metric.data.data_points
    ]


# ------------------------------------------------------------------------------------------------- what is seen before

VALUES = st.one_of(
    st.sampled_from(["GET", "gpt-4o", "openai", "chat", "stop", "SELECT", "500", SECRET, "", "h:0123456789abcdef"]),
    st.text(max_size=5),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.binary(max_size=3),
    st.none(),
)
PAIRS = st.dictionaries(
    st.one_of(st.sampled_from(sorted(ATTRIBUTES)), st.text(max_size=8)),
    st.one_of(VALUES, st.lists(VALUES, max_size=3).map(tuple), st.just(("stop",) * 33)),
    max_size=8,
)


@settings(deadline=None, max_examples=200)
@given(PAIRS)
def test_what_was_accepted_before_is_what_the_rules_accept(attributes: dict[str, Any]) -> None:
    """The quick look and the rules agree on every value and its type: 1 is neither 1.0 nor true."""
    slow = cleaning._sorted_out(dict(attributes), "span")
    if cleaning._is_clean(attributes):
        assert repr(slow) == repr(attributes)
    assert repr(cleaning.clean_attributes(attributes, "span")) == repr(cleaning._sorted_out(attributes, "span"))


def test_a_list_of_known_words_is_cut_whether_they_were_seen_before_or_not() -> None:
    """A choice of words can be long enough to tell a story: 32 are kept."""
    reasons = "gen_ai.response.finish_reasons"
    for _ in range(2):
        assert cleaning.clean_attributes({reasons: ("stop",) * 33}, "span") == {reasons: ("stop",) * 32}


@pytest.mark.parametrize("odd", [1.5, True])
@pytest.mark.parametrize("at", ["context", "parent"])
def test_an_id_that_is_no_number_costs_no_batch(odd: Any, at: str) -> None:
    """As a generator of ids of somebody's own may draw it."""
    context = SpanContext(odd, 8, is_remote=False)
    span = clean_span(ReadableSpan("GET", **{"context": SpanContext(7, 8, is_remote=False), at: context}))
    assert b"GET" in wire(spans=[span])


class Posing(str):
    """A text that says that it is a key which everybody knows."""

    __slots__ = ()

    def __hash__(self) -> int:
        return hash("http.response.status_code")

    def __eq__(self, other: object) -> bool:
        return True


def test_a_key_that_poses_as_another_is_judged_by_its_text() -> None:
    """The quick look asks for exact texts, as the rules do."""
    assert cleaning.clean_attributes({Posing(SECRET): 200}, "span") == {}


def test_what_a_rule_remembers_is_bounded_and_never_what_it_refused() -> None:
    """A user's text is not kept in memory by having been looked at."""
    rule = ATTRIBUTES["gen_ai.request.model"]
    for number in range(50):
        cleaning.clean_attributes({"gen_ai.request.model": f"{SECRET} {number}", "note": SECRET}, "span")
    assert not [text for text in rule.kept if "Alice" in text]  # type: ignore[attr-defined]
    assert all(len(text) <= 256 for text in rule.kept)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("key", "value"), [("http.response.status_code", HTTPStatus.OK), ("gen_ai.usage.input_tokens", True)]
)
def test_members_of_enumerations_are_the_numbers_that_they_are(key: str, value: int) -> None:
    """`HTTPStatus.OK` is 200 on the wire; true is no number."""
    kept = cleaning.clean_attributes({"http.response.status_code": value}, "span")
    assert kept == ({} if value is True else {"http.response.status_code": 200})
    assert all(type(each) is int for each in kept.values())


def test_a_text_of_a_subclass_is_judged_by_its_text() -> None:
    """None of its own methods is asked, under a key or as one."""
    kept = cleaning.clean_attributes(
        {"gen_ai.provider.name": hostile(str, "openai"), "gen_ai.system": Endless(SECRET), "note": hostile(int, 5)}, "span"
    )
    assert kept["gen_ai.provider.name"] == "openai"
    assert type(kept["gen_ai.provider.name"]) is str
    assert "Alice" not in repr(kept)
    assert set(kept) <= {"gen_ai.provider.name", "gen_ai.system"}


def test_what_ends_while_a_redaction_is_counted_is_counted_too() -> None:
    """Garbage is collected at any time, in that thread: what it ends may be a span."""
    done = threading.Event()

    def twice() -> None:
        with redactions._lock:
            cleaning.clean_attributes({"note": SECRET}, "span")
        done.set()

    threading.Thread(target=twice, daemon=True).start()
    assert done.wait(30)


def test_thousands_of_events_and_links_are_each_cleaned() -> None:
    """None is left out, none passes raw."""
    events = [Event(SECRET, {"note": SECRET, "http.request.method": "GET"}, EPOCH) for _ in range(3000)]
    links = [Link(SpanContext(7, 8, is_remote=False), {"note": SECRET}) for _ in range(3000)]
    span = clean_span(ReadableSpan("x", context=SpanContext(7, 8, is_remote=False), events=events, links=links))
    assert (len(span.events), len(span.links)) == (3000, 3000)
    assert b"Alice" not in wire(spans=[span])
