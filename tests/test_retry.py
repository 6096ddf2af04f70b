"""`traced_retry`: a loop that tries again after an error."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from opentelemetry import trace

from spanguard import settings, traced_llm_call, traced_repair, traced_retry
from spanguard.settings import Settings
from support import Clock, Telemetry, completion


@pytest.fixture
def fetch(clock: Clock) -> Callable[..., str | None]:
    """A retry loop around a call that fails a number of times."""

    @traced_llm_call(provider="openai", model="gpt-5.2")
    def ask(fails: bool) -> object:
        clock.move(1)
        if fails:
            raise TimeoutError("secret")
        return completion()

    def loop(failures: int, limit: int = 3) -> str | None:
        with traced_retry("quote") as retry:
            for attempt in retry.attempts(limit):
                try:
                    with attempt:
                        ask(attempt.number <= failures)
                        return "answer"
                except TimeoutError:
                    if attempt.number < limit:
                        retry.scheduled(0.5)
                        clock.move(0.5)
        return None

    return loop


def test_inside_a_span_the_happy_path_leaves_no_span(telemetry: Telemetry, fetch: Callable[..., str | None]) -> None:
    """A retry that need not retry adds nothing to the trace; its metrics count it."""
    with trace.get_tracer("test").start_as_current_span("program"):
        assert fetch(0) == "answer"
    assert set(telemetry.tree) == {("program", None), ("chat gpt-5.2", "program")}
    ((attributes, value),) = telemetry.metrics()["resilience.operation.attempts"]
    assert (attributes["resilience.operation.outcome"], value) == ("success", (1, 1))


def test_from_the_first_failure_on_the_span_is_there_backdated(
    telemetry: Telemetry, fetch: Callable[..., str | None]
) -> None:
    """Inside a span, `retry` begins when the operation began; attempt 1 links to the call that stands beside it."""
    with traced_repair("program"):
        fetch(1)
    retry = telemetry.span("retry quote")
    first, second = [span for span in telemetry.spans if span.name == "attempt"]
    assert (retry.start, retry.end, retry.parent, retry.status) == (0.0, 2.5, "repair program", "UNSET")
    assert (first.start, first.end, first.parent, first.links) == (0.0, 1.0, "retry quote", ["chat gpt-5.2"])
    assert (second.start, second.end, second.parent, second.links) == (1.5, 2.5, "retry quote", [])
    assert (first.status, first["error.type"]) == ("ERROR", "TimeoutError")
    assert [span.parent for span in telemetry.spans if span.name == "chat gpt-5.2"] == ["repair program", "attempt"]


def test_at_the_root_the_span_is_there_from_the_start(telemetry: Telemetry, fetch: Callable[..., str | None]) -> None:
    """Without a parent the operation is what holds the trace together."""
    fetch(0)
    assert telemetry.tree == [("retry quote", None), ("attempt", "retry quote"), ("chat gpt-5.2", "attempt")]


def test_a_scheduled_retry_tells_its_delay(telemetry: Telemetry, fetch: Callable[..., str | None]) -> None:
    """The event says after which attempt and error, how long, and who chose it; a histogram measures the delays."""
    fetch(2)
    (_, event), _ = telemetry.span("retry quote").events
    assert event == {
        "resilience.policy.type": "retry",
        "resilience.policy.name": "quote",
        "resilience.attempt.number": 1,
        "error.type": "TimeoutError",
        "resilience.retry.delay": 0.5,
        "resilience.retry.delay.source": "backoff",
    }
    ((attributes, value),) = telemetry.metrics()["resilience.retry.delay"]
    assert (attributes["resilience.retry.delay.source"], value) == ("backoff", (2, 1.0))


def test_an_exhausted_retry_says_so(telemetry: Telemetry, fetch: Callable[..., str | None]) -> None:
    """When the last allowed attempt failed, the operation is ERROR with the last error, and an event tells it."""
    assert fetch(3) is None
    span = telemetry.span("retry quote")
    assert (span.status, span["resilience.operation.outcome"], span["error.type"]) == ("ERROR", "exhausted", "TimeoutError")
    assert span.event("resilience.retry.exhausted")["resilience.attempt.number"] == 3


def test_events_can_go_to_log_records(telemetry: Telemetry, fetch: Callable[..., str | None]) -> None:
    """With `SPANGUARD_EVENTS=both` each event is also a log record with its severity."""
    settings.use(Settings(events="both"))
    fetch(3)
    assert [(name, severity) for name, severity, _ in telemetry.logs] == [
        ("resilience.retry.scheduled", "WARN"),
        ("resilience.retry.scheduled", "WARN"),
        ("resilience.retry.exhausted", "ERROR"),
    ]
    assert len(telemetry.span("retry quote").events) == 3
    settings.use(Settings(events="log"))
    telemetry.clear()
    fetch(3)
    assert (len(telemetry.logs), telemetry.span("retry quote").events) == (3, [])


def request(**attributes: int) -> None:
    """Make the span that an HTTP instrumentation makes."""
    attributes = {"http.request.method": "GET", **attributes}  # type: ignore[dict-item]
    trace.get_tracer("http").start_span("GET", kind=trace.SpanKind.CLIENT, attributes=attributes).end()


def test_http_spans_of_a_retry_say_how_often_they_were_sent_before(telemetry: Telemetry) -> None:
    """Whoever makes them; by the innermost retry, and never over a value that is there."""
    with traced_retry("outer") as outer:
        for attempt in outer.attempts(2):
            with attempt:
                request()
                request(**{"http.request.resend_count": 7})
                with traced_retry("inner") as inner:
                    for again in inner.attempts(3):
                        with again:
                            request()
                            if again.number < 3:
                                again.fail(TimeoutError())
                if attempt.number == 1:
                    attempt.fail(TimeoutError())
    counts = [span.attributes.get("http.request.resend_count") for span in telemetry.spans if span.name == "GET"]
    assert counts == [None, 7, None, 1, 2, 1, 7, None, 1, 2]


def test_a_repair_sends_nothing_again(telemetry: Telemetry) -> None:
    """Its requests are new ones, even inside a retry that has tried before."""
    with traced_retry("outer") as outer:
        for attempt in outer.attempts(2):
            with attempt:
                with traced_repair("invoice") as repair:
                    for again in repair.attempts(2):
                        with again:
                            request()
                            again.validated("schema", passed=again.number == 2)
                if attempt.number == 1:
                    attempt.fail(TimeoutError())
    counts = [span.attributes.get("http.request.resend_count") for span in telemetry.spans if span.name == "GET"]
    assert counts == [None] * 4


def test_the_begin_of_operations_can_be_told_too(telemetry: Telemetry) -> None:
    """With `SPANGUARD_STARTED=true` a log record at the begin outlives a process that is killed."""
    settings.use(Settings(started=True))
    with traced_retry("quote"):
        assert [name for name, *_ in telemetry.logs] == ["resilience.operation.started"]


def test_a_refused_retry_is_an_event(telemetry: Telemetry) -> None:
    """`retry.refused()` tells that a budget or a deadline forbade another attempt."""
    with traced_retry("quote") as retry:
        for attempt in retry.attempts():
            with attempt:
                attempt.fail(TimeoutError())
            retry.refused()
            break
    assert telemetry.span("retry quote").event("resilience.retry.refused")["error.type"] == "TimeoutError"
