"""Bad input at run time: the field is left out, the fault is logged once, and the program's own call is untouched."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any

import pytest

from spanguard import association, current_call, declare, traced_llm_call, traced_repair, traced_retry
from spanguard._core import border
from support import Telemetry, completion


@pytest.fixture
def faults(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The log of faults."""
    caplog.set_level(logging.WARNING, "spanguard")
    return caplog


def test_an_unknown_operation_is_left_out(telemetry: Telemetry, faults: pytest.LogCaptureFixture) -> None:
    """The span is named `llm_call` and has no operation."""
    for _ in range(3):
        traced_llm_call(operation="chatter", model="gpt-5.2")(lambda: None)()
    assert {span.name for span in telemetry.spans} == {"llm_call gpt-5.2"}
    assert "gen_ai.operation.name" not in telemetry.spans[0].attributes
    assert len(faults.records) == 1


@pytest.mark.parametrize("value", [-1, -1.5, 0.5, float("nan"), float("inf"), "12", b"12", True, 2**80, [], {}, object()])
def test_a_token_count_that_cannot_be_is_left_out(telemetry: Telemetry, faults: pytest.LogCaptureFixture, value: Any) -> None:
    """Negative, fractional, NaN, text, huge: the count is left out, the others stay."""
    with traced_llm_call(model="gpt-5.2") as call:
        call.record_usage(input_tokens=value, output_tokens=3)
        call.record_usage(input_tokens=value)
    attributes = telemetry.spans[0].attributes
    assert "gen_ai.usage.input_tokens" not in attributes
    assert attributes["gen_ai.usage.output_tokens"] == 3
    assert len(faults.records) == 1


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf"), "1 USD", True, object()])
def test_a_cost_that_cannot_be_is_left_out(telemetry: Telemetry, faults: pytest.LogCaptureFixture, value: Any) -> None:
    """The same holds for the cost."""
    with traced_llm_call(model="gpt-5.2") as call:
        call.record_usage(cost=value)
    assert "resilience.usage.cost" not in telemetry.spans[0].attributes
    assert len(faults.records) == 1


@pytest.mark.parametrize(("value", "recorded"), [(Decimal("0.25"), 0.25), (1, 1.0), (0, 0.0)])
def test_numbers_of_other_types_are_taken(telemetry: Telemetry, value: Any, recorded: float) -> None:
    """A Decimal or an int is a cost too; 0 is known, and not the same as unknown."""
    with traced_llm_call(model="gpt-5.2") as call:
        call.record_usage(cost=value)
    assert telemetry.spans[0]["resilience.usage.cost"] == recorded


def test_bad_usage_in_a_response_is_left_out(telemetry: Telemetry, faults: pytest.LogCaptureFixture) -> None:
    """A provider's nonsense costs only the field that it stands in."""
    traced_llm_call(model="gpt-5.2")(lambda: completion(-3, 5))()
    assert "gen_ai.usage.input_tokens" not in telemetry.spans[0].attributes
    assert telemetry.spans[0]["gen_ai.usage.output_tokens"] == 5
    assert len(faults.records) == 1


def test_a_reader_that_raises_costs_only_what_it_would_have_read(
    telemetry: Telemetry, faults: pytest.LogCaptureFixture
) -> None:
    """The function's value is returned, the call is recorded, the fault is logged once without the message."""

    def reader(_: object) -> object:
        raise ValueError("secret")

    ask = traced_llm_call(model="gpt-5.2", reader=reader)(lambda: "answer")
    assert [ask(), ask()] == ["answer", "answer"]
    assert [span.status for span in telemetry.spans] == ["UNSET", "UNSET"]
    assert len(faults.records) == 1
    assert "secret" not in faults.text


class Hostile:
    """A response whose attributes raise."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError("secret")

    def __repr__(self) -> str:
        raise RuntimeError("secret")


def test_a_hostile_response_reaches_the_caller(
    telemetry: Telemetry, faults: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attributes that raise are the telemetry's problem alone; the call is still recorded."""
    monkeypatch.setattr(border, "strict", False)
    response = Hostile()
    assert traced_llm_call(model="gpt-5.2")(lambda: response)() is response
    assert telemetry.span("chat gpt-5.2").status == "UNSET"
    assert len(faults.records) == 1
    assert "secret" not in faults.text


@pytest.mark.parametrize("name", [None, "", 7, b"name", ["name"], "x" * 10_000_000])
def test_names_that_are_none_never_raise(telemetry: Telemetry, faults: pytest.LogCaptureFixture, name: Any) -> None:
    """What is no name is left out or `_other`; a huge one becomes a pseudonym."""
    with traced_repair(name) as repair:
        for attempt in repair.attempts(1):
            with attempt, traced_llm_call(provider=name, model=name):
                attempt.validated(name, passed=True, rule=name, stage=name, action=name)
    operation = telemetry.spans[0]["resilience.policy.name"]
    assert operation == "_other" if not isinstance(name, str) or not name else operation.startswith("h:")
    assert "xxx" not in repr(telemetry.spans)


def test_a_bad_delay_and_source_are_left_out(telemetry: Telemetry, faults: pytest.LogCaptureFixture) -> None:
    """The event is told without them, and the metric does not count them."""
    with traced_retry("quote") as retry:
        retry.scheduled(float("nan"), source="astrology")
    event = telemetry.spans[0].event("resilience.retry.scheduled")
    assert not {"resilience.retry.delay", "resilience.retry.delay.source"} & set(event)
    assert "resilience.retry.delay" not in telemetry.metrics()
    assert len(faults.records) == 2


def test_a_bad_identity_is_left_out(telemetry: Telemetry, faults: pytest.LogCaptureFixture) -> None:
    """`association` takes text, whole numbers and UUIDs."""
    with association(user=object(), space=7), traced_llm_call(model="gpt-5.2"):  # type: ignore[arg-type]
        pass
    attributes = telemetry.spans[0].attributes
    assert "user.id" not in attributes
    assert attributes["resilience.space.id"].startswith("h:")
    assert len(faults.records) == 1


class Undecided:
    """A verdict that cannot be told."""

    def __bool__(self) -> bool:
        raise ValueError("secret")


def test_a_verdict_that_cannot_be_told_is_left_out(telemetry: Telemetry, faults: pytest.LogCaptureFixture) -> None:
    """A `passed` that raises is the validator's fault; the attempt goes on without the verdict."""
    with traced_repair("invoice") as repair:
        for attempt in repair.attempts(1):
            with attempt:
                attempt.validated("schema", passed=Undecided())  # type: ignore[arg-type]
    assert telemetry.spans[1].events == []
    assert len(faults.records) == 1


@pytest.mark.parametrize("name", ["the secret prompt", "x" * 500, "bob@example.com"])
def test_an_exception_class_made_at_run_time_is_other(telemetry: Telemetry, name: str) -> None:
    """`error.type` is a class of the program or of a library; whatever could be text is not shown."""
    error = type(name, (Exception,), {})
    with pytest.raises(error), traced_llm_call(model="gpt-5.2"):
        raise error
    assert telemetry.spans[0]["error.type"] == "_OTHER"


@pytest.mark.parametrize(("name", "error"), [(7, TypeError), ("", ValueError), ("x" * 129, ValueError)])
def test_a_bad_declaration_is_an_error_at_once(name: Any, error: type[Exception]) -> None:
    """`declare` is for the program's start, where an error helps."""
    with pytest.raises(error):
        declare(name)


def test_a_fault_of_ours_never_reaches_the_program(
    telemetry: Telemetry, faults: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the tracer, the meter and the clock all raise, functions return what they return and loops end when they end."""
    monkeypatch.setattr(border, "strict", False)

    def broken(*_: object, **__: object) -> object:
        raise RuntimeError("secret")

    for name in ("start", "measure", "event"):
        monkeypatch.setattr(f"spanguard._core.recorder.Recorder.{name}", broken)

    @traced_llm_call(model="gpt-5.2")
    def ask() -> str:
        current_call().record_usage(input_tokens=1)
        return "answer"

    made = 0
    with association(user="bob"), traced_repair("invoice") as repair:
        for attempt in repair.attempts(5):
            with attempt:
                made += 1
                assert ask() == "answer"
                attempt.validated("schema", passed=made == 2)
    assert made == 2
    assert "secret" not in faults.text
    assert faults.records
