"""What a processor behind `PrivacySpanProcessor` gets: a span like any other, clean, and without the raw one behind it."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from spanguard.privacy import attributes as cleaning
from spanguard.privacy.modes import in_force
from spanguard.privacy.processors import PrivacySpanProcessor
from spanguard.privacy.rules import DROPPED, Text
from spanguard.privacy.spans import CleanSpan, clean_span
from support import EPOCH

SECRET = "Alice's diagnosis"


class Keeps(SpanProcessor):
    """Keeps what it sees of a span."""

    def __init__(self) -> None:
        self.started: list[dict[str, object]] = []
        self.ended: list[ReadableSpan] = []

    def on_start(self, span: Span, parent_context: object = None) -> None:
        self.started.append({"name": span.name, "attributes": dict(span.attributes or {}), "private": vars(span)})
        span.set_attribute("http.request.method", "GET")

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span)


def raw(**attributes: object) -> ReadableSpan:
    """Return a span as the SDK hands it to processors, full of what may not leave."""
    context = SpanContext(7, 8, is_remote=False, trace_flags=TraceFlags(1), trace_state=TraceState([("v", "secret")]))
    return ReadableSpan(
        name=SECRET,
        context=context,
        parent=context,
        resource=Resource({"host.name": SECRET}),
        attributes={"http.request.method": "GET", "note": SECRET, **attributes},  # type: ignore[dict-item]
        events=[Event("exception", {"exception.message": SECRET}, 5)],
        links=[Link(context, {"a": SECRET})],
        kind=SpanKind.CLIENT,
        status=Status(StatusCode.ERROR, SECRET),
        start_time=EPOCH,
        end_time=EPOCH + 2,
        instrumentation_scope=InstrumentationScope(SECRET, SECRET),
    )


def test_a_span_is_rebuilt_from_what_is_known() -> None:
    """Ids, times, kind, status code and known attributes stay; the name is made of these."""
    span = clean_span(raw())
    assert (span.name, span.kind, span.start_time, span.end_time) == ("GET", SpanKind.CLIENT, EPOCH, EPOCH + 2)
    assert dict(span.attributes or {}) == {"http.request.method": "GET"}
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)
    assert span.context is not None
    assert (span.context.trace_id, span.context.span_id, dict(span.context.trace_state)) == (7, 8, {})
    assert [event.name for event in span.events] == ["exception"]
    assert [dict(link.context.trace_state) for link in span.links] == [{}]
    assert SECRET not in span.to_json()


def test_nothing_is_cleaned_before_it_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller pays for the handing on alone; the context is there without it."""
    span = clean_span(raw())

    def refuse(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("spanguard.privacy.spans.clean_attributes", refuse)
    assert span.context is not None
    assert span.context.trace_flags.sampled
    monkeypatch.undo()
    assert span.name == "GET"


def test_a_view_lets_go_of_the_raw_span_once_it_is_clean() -> None:
    """What was exported and is kept in a queue holds nothing raw."""
    span = raw()
    reference = weakref.ref(span)
    view = clean_span(span)
    assert view.name == "GET"
    del span
    gc.collect()
    assert reference() is None
    assert SECRET not in repr(vars(view))


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, lambda span: pickle.loads(pickle.dumps(span))])
def test_copies_and_pickles_are_plain_spans(way: object) -> None:
    """Another process can read them without spanguard's help, and finds nothing raw in them."""
    plain = way(clean_span(raw()))  # type: ignore[operator]
    assert type(plain) is ReadableSpan
    assert plain.to_json() == clean_span(raw()).to_json()
    assert plain.status.status_code is StatusCode.ERROR
    assert plain.instrumentation_scope is not None


def test_cleaning_twice_is_cleaning_once() -> None:
    """A span that passes two guards is the same after the second one."""
    view = clean_span(raw())
    assert clean_span(view) is view


def test_what_looks_clean_is_not_trusted() -> None:
    """A user can write what looks like a pseudonym: it gets one of its own."""
    span = clean_span(raw(**{"user.id": "h:0123456789abcdef"}))
    assert str((span.attributes or {})["user.id"]).startswith("h:")
    assert (span.attributes or {})["user.id"] != "h:0123456789abcdef"


def test_many_threads_can_look_at_a_view_at_once() -> None:
    """Each sees the same clean span."""
    with ThreadPoolExecutor(4) as threads:
        for _ in range(50):
            view = clean_span(raw())
            seen = [threads.submit(lambda span: (span.name, span.kind), view) for _ in range(4)]
            assert [each.result() for each in seen] == [("GET", SpanKind.CLIENT)] * 4


def test_a_span_that_cannot_be_cleaned_leaves_emptied(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of ours costs the attributes, never the guarantee; the fault is told without what it was about."""

    def fault(*_: object) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr("spanguard.privacy.spans.clean_attributes", fault)
    span = clean_span(raw())
    assert (span.name, dict(span.attributes or {}), span.events, span.links) == ("redacted", {}, (), ())
    assert (span.start_time, span.end_time, span.status.status_code) == (EPOCH, EPOCH + 2, StatusCode.ERROR)
    assert "RuntimeError" in caplog.text
    assert SECRET not in caplog.text + span.to_json()


def test_a_processor_sees_a_starting_span_as_it_may_leave() -> None:
    """It can write to the span; what it reads is clean, and the SDK's private fields are not there."""
    keeps = Keeps()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(PrivacySpanProcessor(keeps))
    with provider.get_tracer("t").start_as_current_span(
        SECRET, attributes={"note": SECRET, "http.response.status_code": 200}
    ):
        pass
    ((seen),) = keeps.started
    assert seen["attributes"] == {"http.response.status_code": 200}
    assert SECRET not in repr(seen)
    assert dict(keeps.ended[0].attributes or {}) == {"http.response.status_code": 200, "http.request.method": "GET"}


def test_with_the_guard_off_spans_pass_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same object, untouched."""
    monkeypatch.setattr(in_force, "mode", "off")
    span = raw()
    assert clean_span(span) is span


def test_privacy_span_processor_takes_a_processor() -> None:
    """Anything else is refused where it is set up."""
    with pytest.raises(TypeError, match="not str"):
        PrivacySpanProcessor("exporter")  # type: ignore[arg-type]


class Hostile(str):
    """A text that does what it likes when it is looked at."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        raise SystemExit

    def __hash__(self) -> int:
        raise SystemExit

    def __len__(self) -> int:
        raise SystemExit


def deep(n: int) -> object:
    """Return a list in a list, n deep."""
    found: object = SECRET
    for _ in range(n):
        found = [found]
    return found


@pytest.mark.parametrize(
    "value",
    [
        *(Hostile(SECRET), float("nan"), float("inf"), 10**5000, -(10**30), "\ud800 lone", SECRET * 600_000, deep(5000)),
        *(
            {SECRET: {SECRET: deep(100)}},
            SECRET.encode(),
            bytearray(b"x"),
            object(),
            None,
            (1, "a", None),
            [SECRET] * 100_000,
        ),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("key", ["gen_ai.request.model", "http.response.status_code", "note", "gen_ai.input.messages"])
def test_hostile_values_are_refused_without_a_look(key: str, value: object) -> None:
    """No value raises, recurses or is walked."""
    kept = cleaning.clean_attributes({key: value}, "span")
    kept.pop("resilience.privacy.content.fields", None)
    kept.pop("resilience.privacy.content.length", None)
    assert not kept or (key == "gen_ai.request.model" and str(kept[key]).startswith("h:"))


def test_a_list_is_known_when_all_of_it_is() -> None:
    """One element that is not becomes what stands for it, however often the others were seen."""
    reasons = "gen_ai.response.finish_reasons"
    for _ in range(2):
        assert cleaning.clean_attributes({reasons: ("stop", "length")}, "span") == {reasons: ("stop", "length")}
        assert cleaning.clean_attributes({reasons: ("stop", "Alice")}, "span") == {reasons: ("stop", "_OTHER")}


def test_of_content_the_length_is_told_roughly() -> None:
    """All of it together, rounded up to a power of two, and how many fields it was in."""
    kept = cleaning.clean_attributes(
        {"gen_ai.input.messages": "x" * 40, "gen_ai.output.messages": "x" * 30, "input.value": 7}, "span"
    )
    assert kept == {"resilience.privacy.content.length": 128, "resilience.privacy.content.fields": 3}


def test_a_text_that_is_longer_than_any_known_one_is_not_looked_up() -> None:
    """So that a prompt under a known key costs nothing."""
    asked: list[str] = []
    rule = Text(lambda text: not asked.append(text))
    assert rule.clean("x" * 256) == "x" * 256
    assert rule.clean("x" * 257) is DROPPED
    assert asked == ["x" * 256]


def test_hostile_keys_are_refused() -> None:
    """Nor does a key."""
    attributes = {"x" * 1_000_000: 1, "\ud800": 1, "": 1}
    assert cleaning.clean_attributes(attributes, "span") == {}
    assert type(CleanSpan(raw())) is CleanSpan
