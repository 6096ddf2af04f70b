"""Breakers, limiters, caches and validators: what a call has to pass, seen only when there is something to see."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from opentelemetry import trace

from spanguard import (
    traced_breaker,
    traced_cache,
    traced_llm_call,
    traced_rate_limit,
    traced_repair,
    traced_validation,
)
from spanguard._core import breaker
from support import Clock, Telemetry


@pytest.fixture(autouse=True)
def _fresh_breakers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "_cells", {})


def values(telemetry: Telemetry, metric: str, key: str) -> dict[Any, Any]:
    """Return a metric's values by one attribute."""
    return {attributes.get(key): value for attributes, value in telemetry.metrics().get(metric, [])}


class CircuitOpenError(Exception):
    """As breakers raise it."""


# ------------------------------------------------------------------------------------------------------------- breakers


def test_admitted_calls_make_no_span_and_are_counted(telemetry: Telemetry) -> None:
    """Success, failure and what the breaker ignores are counted by result."""
    protect = traced_breaker("openai")
    with protect:
        pass
    with pytest.raises(ValueError), protect:
        raise ValueError
    with pytest.raises(asyncio.CancelledError), protect:
        raise asyncio.CancelledError
    with protect as call:
        call.ignored()
    assert telemetry.spans == []
    assert values(telemetry, "resilience.circuit_breaker.calls", "resilience.circuit_breaker.result") == {
        "success": 1,
        "failure": 1,
        "ignored": 2,
    }


@pytest.mark.parametrize("by", ["exception", "word"])
def test_a_rejected_call_is_a_short_error_span(telemetry: Telemetry, by: str) -> None:
    """It was never attempted: `circuit_open`, INTERNAL, counted as rejected; the exception passes through."""
    protect = traced_breaker("openai", rejections=(CircuitOpenError,))
    error = CircuitOpenError()
    if by == "exception":
        with pytest.raises(CircuitOpenError) as caught, protect:
            raise error
        assert caught.value is error
    else:
        with protect as call:
            call.rejected()
    (span,) = telemetry.spans
    assert (span.name, span.kind, span.status) == ("circuit_breaker openai", "INTERNAL", "ERROR")
    assert (span["error.type"], span["resilience.error.category"]) == ("circuit_open", "circuit_open")
    assert values(telemetry, "resilience.circuit_breaker.calls", "resilience.circuit_breaker.result") == {"rejected": 1}


def test_the_call_that_trips_the_breaker_is_a_failure(telemetry: Telemetry) -> None:
    """Some breakers raise the rejection's error for the tripping call too; but something ran inside it."""
    ask = traced_llm_call(model="gpt-5.2")(lambda: None)
    with pytest.raises(CircuitOpenError), traced_breaker("openai", rejections=(CircuitOpenError,)):  # noqa: PT012
        ask()
        raise CircuitOpenError
    assert values(telemetry, "resilience.circuit_breaker.calls", "resilience.circuit_breaker.result") == {"failure": 1}


def test_spans_inside_carry_the_state(telemetry: Telemetry) -> None:
    """The state is an attribute of the span inside, not a span of its own."""
    with traced_breaker("openai", state="half_open"), traced_llm_call(model="gpt-5.2"):
        pass
    assert telemetry.span("chat gpt-5.2")["resilience.circuit_breaker.state"] == "half_open"


@pytest.mark.parametrize(("new", "severity"), [("open", "ERROR"), ("half_open", "WARN"), ("closed", "INFO")])
def test_a_transition_is_an_event_and_a_count(telemetry: Telemetry, new: str, severity: str) -> None:
    """Handed to a breaker as a callback: on the current span, or a log record where there is none."""
    callback = traced_breaker("openai", scope="api.openai.com", reset_timeout=30).on_transition
    old = "half_open" if new == "closed" else "closed"
    callback(old, new, failures=5)
    expected = {
        "resilience.policy.type": "circuit_breaker",
        "resilience.policy.name": "openai",
        "resilience.circuit_breaker.from": old,
        "resilience.circuit_breaker.to": new,
        "resilience.circuit_breaker.failures": 5,
        "resilience.circuit_breaker.reset_timeout": 30.0,
        "resilience.circuit_breaker.scope": "api.openai.com",
    }
    assert telemetry.logs == [("resilience.circuit_breaker.transition", severity, expected)]
    with trace.get_tracer("test").start_as_current_span("work"):
        callback(old, new)
    assert telemetry.span("work").events[0][0] == "resilience.circuit_breaker.transition"
    assert values(telemetry, "resilience.circuit_breaker.transitions", "resilience.circuit_breaker.to") == {new: 2}


def test_the_state_is_one_of_three_and_the_others_are_zero(telemetry: Telemetry, clock: Clock) -> None:
    """A breaker nobody knows the state of has none; time in the open state is counted while it lasts."""
    protect = traced_breaker("openai")
    states = "resilience.circuit_breaker.state"
    assert values(telemetry, states, states) == {}
    with protect:
        pass
    assert values(telemetry, states, states) == {"closed": 1, "half_open": 0, "open": 0}
    protect.on_transition("closed", "open")
    clock.move(5)
    points = telemetry.metrics()
    assert {a[states]: value for a, value in points[states]} == {"closed": 0, "half_open": 0, "open": 1}
    assert points["resilience.circuit_breaker.open.duration"][0][1] == 5.0
    clock.move(2)
    protect.on_transition("open", "half_open")
    clock.move(9)
    assert telemetry.metrics()["resilience.circuit_breaker.open.duration"][0][1] == 7.0


class State:
    """As pybreaker hands it over."""

    name = "half-open"


@pytest.mark.parametrize("state", ["half-open", "HALF_OPEN", State()])
def test_states_are_known_however_a_breaker_writes_them(telemetry: Telemetry, state: Any) -> None:
    """A hyphen, capitals, an object with a name."""
    traced_breaker("openai").on_transition("OPEN", state)
    ((_, _, attributes),) = telemetry.logs
    assert attributes["resilience.circuit_breaker.to"] == "half_open"


def test_an_unknown_state_is_left_out(telemetry: Telemetry, caplog: pytest.LogCaptureFixture) -> None:
    """A transition to a state that no breaker has is not told."""
    traced_breaker("openai").on_transition("closed", "ajar")
    assert telemetry.logs == []
    assert len(caplog.records) == 1


# ------------------------------------------------------------------------------------------------------------- limiters


def test_a_short_wait_makes_no_span(telemetry: Telemetry, clock: Clock) -> None:
    """Under 10 ms the permit was acquired; the wait is measured all the same."""
    with traced_rate_limit("openai"):
        clock.move(0.009)
    assert telemetry.spans == []
    assert values(telemetry, "resilience.rate_limiter.requests", "resilience.rate_limiter.result") == {"acquired": 1}


def test_a_long_wait_is_a_span_of_its_length(telemetry: Telemetry, clock: Clock) -> None:
    """From 10 ms on it was delayed: an INTERNAL span, and a measurement of the wait."""
    with traced_rate_limit("openai", max_delay=5):
        clock.move(0.5)
    (span,) = telemetry.spans
    assert (span.name, span.status, span.start, span.end) == ("rate_limiter openai", "UNSET", 0.0, 0.5)
    assert span.attributes == {
        "resilience.policy.type": "rate_limiter",
        "resilience.policy.name": "openai",
        "resilience.rate_limiter.result": "delayed",
        "resilience.rate_limiter.action": "delay",
        "resilience.rate_limiter.delay": 0.5,
        "resilience.rate_limiter.max_delay": 5.0,
    }
    assert values(telemetry, "resilience.rate_limiter.wait.duration", "resilience.rate_limiter.result") == {
        "delayed": (1, 0.5)
    }


@pytest.mark.parametrize(
    ("error", "result", "status"),
    [
        (RuntimeError(), "rejected", "ERROR"),
        (TimeoutError(), "timeout", "ERROR"),
        (asyncio.CancelledError(), "cancelled", ""),
    ],
)
def test_a_wait_in_vain_tells_how(telemetry: Telemetry, error: BaseException, result: str, status: str) -> None:
    """Rejected and timed out are ERROR spans with an event; cancelled is neither."""
    with pytest.raises(type(error)), trace.get_tracer("test").start_as_current_span("work"), traced_rate_limit("openai"):
        raise error
    shown = [span for span in telemetry.spans if span.name == "rate_limiter openai"]
    assert [span.status for span in shown] == ([status] if status else [])
    events = [name for name, _ in telemetry.span("work").events if name.startswith("resilience")]
    assert events == (["resilience.rate_limiter.rejected"] if status else [])
    if status:
        assert (shown[0]["error.type"], shown[0]["resilience.error.category"]) == ("rate_limited_local", "rate_limited")
        assert shown[0]["resilience.rate_limiter.action"] == "block"
    assert values(telemetry, "resilience.rate_limiter.requests", "resilience.rate_limiter.result") == {result: 1}


def test_the_queue_is_counted_while_requests_wait(telemetry: Telemetry) -> None:
    """One up at the begin of a wait, one down at its end, whatever the end is."""
    limit = traced_rate_limit("queue")
    with limit, limit:
        assert values(telemetry, "resilience.rate_limiter.queued_requests", "resilience.policy.name")["queue"] == 2
    with pytest.raises(RuntimeError), limit:
        raise RuntimeError
    assert values(telemetry, "resilience.rate_limiter.queued_requests", "resilience.policy.name")["queue"] == 0


def test_a_wait_can_be_told_after_the_fact(telemetry: Telemetry) -> None:
    """`on_wait` is a callback for limiters that know nothing of telemetry."""
    limit = traced_rate_limit("openai")
    limit.on_wait(0.25)
    limit.on_wait(0.0, result="rejected")
    delayed, rejected = sorted(telemetry.spans, key=lambda span: span.status, reverse=True)
    assert (delayed.end - delayed.start, delayed["resilience.rate_limiter.result"]) == (0.25, "delayed")
    assert rejected["error.type"] == "rate_limited_local"
    assert telemetry.metrics()["resilience.rate_limiter.queued_requests"][0][1] == 0


def test_a_limiter_that_was_not_asked_is_told_on_the_current_span(telemetry: Telemetry) -> None:
    """`skipped` counts nothing."""
    with traced_llm_call(model="gpt-5.2"), traced_rate_limit("openai") as wait:
        wait.skipped()
    assert telemetry.span("chat gpt-5.2")["resilience.rate_limiter.action"] == "skip"
    assert "resilience.rate_limiter.requests" not in telemetry.metrics()


# --------------------------------------------------------------------------------------------------------------- caches


@pytest.mark.parametrize("result", ["hit", "miss", "stale", "bypass"])
def test_a_lookup_is_told_on_the_current_span(telemetry: Telemetry, clock: Clock, result: str) -> None:
    """No span of its own; result, kind and name are attributes of the span around, and counted."""
    with trace.get_tracer("test").start_as_current_span("work"), traced_cache("answers", kind="exact") as lookup:
        clock.move(0.002)
        getattr(lookup, result)()
    (span,) = telemetry.spans
    assert span.attributes == {
        "resilience.cache.result": result,
        "resilience.cache.kind": "exact",
        "resilience.cache.name": "answers",
    }
    points = telemetry.metrics()
    ((attributes, count),) = points["resilience.cache.lookups"]
    assert (attributes["resilience.cache.result"], count) == (result, 1)
    assert points["resilience.cache.lookup.duration"][0][1] == (1, 0.002)


def test_a_decorated_lookup_misses_with_none(telemetry: Telemetry) -> None:
    """Everything else is a hit, falsy values too; an exception is an error."""
    answers = {"a": "", "b": 0}

    @traced_cache("answers")
    def look(key: str) -> object:
        if key == "broken":
            raise OSError
        return answers.get(key)

    assert [look("a"), look("b"), look("secret")] == ["", 0, None]
    with pytest.raises(OSError):
        look("broken")
    assert values(telemetry, "resilience.cache.lookups", "resilience.cache.result") == {"hit": 2, "miss": 1, "error": 1}


def test_a_lookup_can_be_told_after_the_fact(telemetry: Telemetry, caplog: pytest.LogCaptureFixture) -> None:
    """`on_lookup` is a callback; a result that is none is left out."""
    cache = traced_cache("answers")
    cache.on_lookup("hit", duration=0.003)
    cache.on_lookup("perhaps")
    points = telemetry.metrics()
    assert points["resilience.cache.lookup.duration"][0][1] == (1, 0.003)
    assert len(caplog.records) == 1


# ----------------------------------------------------------------------------------------------------------- validators


def test_a_verdict_is_told_on_the_span_around_and_counted(telemetry: Telemetry, clock: Clock) -> None:
    """Under 10 ms a check makes no span: an evaluation event, a count by rule, a duration."""
    with trace.get_tracer("test").start_as_current_span("work"), traced_validation("schema") as check:
        clock.move(0.001)
        check.failed(rule="total_matches", action="blocked")
    event = telemetry.span("work").event("gen_ai.evaluation.result")
    assert event["gen_ai.evaluation.name"] == "schema"
    assert event["gen_ai.evaluation.score.label"] == "fail"
    assert event["resilience.validation.rule"] == "total_matches"
    points = telemetry.metrics()
    assert points["resilience.validation.duration"][0][1] == (1, 0.001)
    ((attributes, count),) = points["resilience.validation.results"]
    assert (attributes["resilience.policy.type"], attributes["resilience.policy.name"], count) == ("validator", "schema", 1)


def test_a_long_check_is_a_span(telemetry: Telemetry, clock: Clock) -> None:
    """From 10 ms on."""
    with traced_validation("schema"):
        clock.move(0.02)
    assert (telemetry.spans[0].name, telemetry.spans[0].end) == ("validator schema", 0.02)


def test_a_refusing_check_makes_the_attempt_invalid(telemetry: Telemetry) -> None:
    """By word, by False from a decorated validator, or by an exception that the program catches outside."""

    @traced_validation("schema")
    def valid(answer: int) -> bool:
        return answer > 1

    @traced_validation("strict_schema")
    def demand(answer: int) -> None:
        if answer < 3:
            raise ValueError("secret")

    outcomes = []
    with traced_repair("invoice") as repair:
        for attempt in repair.attempts(3):
            try:
                with attempt:
                    if valid(attempt.number):
                        demand(attempt.number)
            except ValueError:
                pass
            outcomes.append(attempt.outcome)
    assert outcomes == ["invalid", "invalid", "success"]
    assert telemetry.span("repair invoice")["resilience.operation.outcome"] == "recovered"
    assert "secret" not in repr(telemetry.spans)


def test_a_safety_check_tells_risk_action_and_pattern(telemetry: Telemetry) -> None:
    """Of an input or a tool call, a failure is `resilience.validation.failed`; a pass is only counted."""
    with trace.get_tracer("test").start_as_current_span("work"):
        with traced_validation("shell_safety", stage="tool") as check:
            check.failed(rule="rm_rf", action="blocked", risk_level="critical", pattern_category="destructive_rm")
        with traced_validation("shell_safety", stage="tool") as check:
            check.passed(action="allowed")
    (event,) = [attributes for _, attributes in telemetry.span("work").events]
    assert (
        event.items()
        >= {
            "resilience.validation.stage": "tool",
            "resilience.validation.rule": "rm_rf",
            "resilience.validation.action": "blocked",
            "resilience.validation.risk_level": "critical",
            "resilience.validation.pattern_category": "destructive_rm",
        }.items()
    )
    assert values(telemetry, "resilience.validation.results", "resilience.validation.action") == {"blocked": 1, "allowed": 1}


def test_a_refusing_safety_check_makes_the_attempt_invalid_too(telemetry: Telemetry) -> None:
    """Whatever stage it checks."""
    with traced_repair("command") as repair:
        for attempt in repair.attempts(2):
            with attempt, traced_validation("shell_safety", stage="tool") as check:
                if attempt.number == 1:
                    check.failed(action="blocked")
    assert telemetry.span("repair command")["resilience.operation.outcome"] == "recovered"


def test_a_verdict_can_be_told_after_the_fact(telemetry: Telemetry) -> None:
    """`on_verdict` is a callback for validators that know nothing of telemetry."""
    traced_validation("schema").on_verdict(False, rule="total_matches")
    ((_, _, attributes),) = telemetry.logs
    assert attributes["resilience.validation.rule"] == "total_matches"


@pytest.mark.parametrize("verb", [traced_breaker, traced_rate_limit, traced_cache, traced_validation])
def test_each_gate_decorates_every_kind_of_function(telemetry: Telemetry, way: Any, verb: Any) -> None:
    """What the function returns and raises stays what it is."""
    assert way.run(verb("gate")(way.function(lambda: "answer"))) == "answer"
    error = RuntimeError()

    def fails() -> None:
        raise error

    with pytest.raises(RuntimeError) as caught:
        way.run(verb("gate")(way.function(fails)))
    assert caught.value is error


@pytest.mark.parametrize("verb", [traced_breaker, traced_rate_limit, traced_cache, traced_validation])
@pytest.mark.parametrize("name", [None, "", 7, "x" * 1_000_000])
def test_a_name_that_is_none_disturbs_nobody(telemetry: Telemetry, verb: Any, name: Any) -> None:
    """It is `_other` or a pseudonym."""
    with verb(name):
        pass
    assert "xxx" not in repr(telemetry.metrics())
