"""`traced_repair`: a loop that asks again until the answer is valid."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from spanguard import current_operation, traced_llm_call, traced_repair
from support import Clock, Telemetry, Way, completion


@traced_llm_call(provider="openai", model="gpt-5.2")
def ask(sent: int = 10, received: int = 5) -> Any:
    """A call of a model."""
    return completion(sent, received, cost=0.25)


def extract(valid_from: int, limit: int = 3) -> str | None:
    """A repair loop whose answers are valid from one attempt on."""
    with traced_repair("invoice") as repair:
        for attempt in repair.attempts(limit):
            with attempt:
                ask()
                passed = attempt.number >= valid_from
                attempt.validated("schema", passed=passed, rule="total_matches", action=None if passed else "retried")
                if passed:
                    return "answer"
    return None


def test_a_recovered_repair_is_unset_and_says_what_it_wasted(telemetry: Telemetry) -> None:
    """The operation has no error; the failed attempt has; useful is what the used answer cost, wasted all the rest."""
    assert extract(valid_from=2) == "answer"

    assert telemetry.tree == [
        ("repair invoice", None),
        ("attempt", "repair invoice"),
        ("chat gpt-5.2", "attempt"),
        ("attempt", "repair invoice"),
        ("chat gpt-5.2", "attempt"),
    ]
    operation, first, call, second, _ = telemetry.spans
    assert (operation.kind, operation.status, operation.scope) == ("INTERNAL", "UNSET", "spanguard")
    assert operation.attributes == {
        "resilience.policy.type": "repair",
        "resilience.policy.name": "invoice",
        "resilience.operation.outcome": "recovered",
        "resilience.operation.attempt_count": 2,
        "resilience.operation.attempt_limit": 3,
        "resilience.usage.useful.input_tokens": 10,
        "resilience.usage.useful.output_tokens": 5,
        "resilience.usage.useful.cost": 0.25,
        "resilience.usage.wasted.input_tokens": 10,
        "resilience.usage.wasted.output_tokens": 5,
        "resilience.usage.wasted.cost": 0.25,
    }
    assert (first.status, first["resilience.attempt.outcome"], first["error.type"]) == (
        "ERROR",
        "invalid",
        "validation_error",
    )
    assert (second.status, second["resilience.attempt.outcome"]) == ("UNSET", "success")
    assert "error.type" not in second.attributes
    assert call["resilience.attempt.number"] == 1
    assert call["resilience.policy.name"] == "invoice"


def test_a_verdict_is_an_evaluation_event(telemetry: Telemetry) -> None:
    """The event is the conventions' `gen_ai.evaluation.result`, on the attempt, with rule, stage and action."""
    extract(valid_from=2)
    assert telemetry.spans[1].event("gen_ai.evaluation.result") == {
        "gen_ai.evaluation.name": "schema",
        "gen_ai.evaluation.score.label": "fail",
        "resilience.policy.type": "repair",
        "resilience.policy.name": "invoice",
        "resilience.attempt.number": 1,
        "resilience.validation.result": "fail",
        "resilience.validation.rule": "total_matches",
        "resilience.validation.stage": "output",
        "resilience.validation.action": "retried",
    }


def test_operations_attempts_tokens_and_verdicts_are_measured(telemetry: Telemetry) -> None:
    """Each metric has the policy's type and name, never the attempt's number."""
    extract(valid_from=2)
    by = {"resilience.policy.type": "repair", "resilience.policy.name": "invoice"}
    model = {"gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5.2"}
    points = telemetry.metrics()
    assert points["resilience.operation.attempts"] == [({**by, "resilience.operation.outcome": "recovered"}, (1, 2))]
    assert points["resilience.operation.duration"] == [({**by, "resilience.operation.outcome": "recovered"}, (1, 0.0))]
    assert {a["resilience.attempt.outcome"]: v for a, v in points["resilience.attempt.duration"]} == {
        "invalid": (1, 0.0),
        "success": (1, 0.0),
    }
    tokens = {
        (a.pop("resilience.token.disposition"), a.pop("resilience.token.type")): (a, v)
        for a, v in points["resilience.token.usage"]
    }
    assert tokens == {
        ("wasted", "input"): ({**by, **model}, 10),
        ("wasted", "output"): ({**by, **model}, 5),
        ("useful", "input"): ({**by, **model}, 10),
        ("useful", "output"): ({**by, **model}, 5),
    }
    assert {a["resilience.token.disposition"]: v for a, v in points["resilience.cost"]} == {"useful": 0.25, "wasted": 0.25}
    assert {a["resilience.validation.result"]: v for a, v in points["resilience.validation.results"]} == {
        "fail": 1,
        "pass": 1,
    }
    assert not any("resilience.attempt.number" in a for point in points.values() for a, _ in point)


@pytest.mark.parametrize(
    ("valid_from", "outcome", "attempts", "status"),
    [(1, "success", 1, "UNSET"), (2, "recovered", 2, "UNSET"), (3, "recovered", 3, "UNSET"), (9, "exhausted", 3, "ERROR")],
)
def test_the_outcome_tells_how_it_ended(
    telemetry: Telemetry, valid_from: int, outcome: str, attempts: int, status: str
) -> None:
    """Success at the first attempt, recovered later, exhausted when the last allowed attempt failed."""
    extract(valid_from)
    span = telemetry.span("repair invoice")
    assert span["resilience.operation.outcome"] == outcome
    assert (span["resilience.operation.attempt_count"], span.status) == (attempts, status)
    assert ("error.type" in span.attributes) == (outcome == "exhausted")


def test_an_error_that_nobody_retries_fails_the_operation(telemetry: Telemetry) -> None:
    """An exception that leaves the loop before the limit is `failed`; the same object reaches the caller."""
    error = ValueError("secret")
    with pytest.raises(ValueError) as caught, traced_repair("invoice") as repair:  # noqa: PT012
        for attempt in repair.attempts(3):
            with attempt:
                ask()
                raise error
    assert caught.value is error
    operation = telemetry.span("repair invoice")
    assert (operation["resilience.operation.outcome"], operation["error.type"]) == ("failed", "ValueError")
    assert operation["resilience.usage.wasted.input_tokens"] == 10
    assert "resilience.usage.useful.input_tokens" not in operation.attributes


def test_a_fallback_value_degrades_the_operation(telemetry: Telemetry) -> None:
    """`repair.degraded()` says that the caller got a stub: no error, and all tokens wasted."""
    with traced_repair("invoice") as repair:
        for attempt in repair.attempts(1):
            with attempt:
                ask()
                attempt.validated("schema", passed=False)
        repair.degraded()
    span = telemetry.span("repair invoice")
    assert (span.status, span["resilience.operation.outcome"]) == ("UNSET", "degraded")
    assert span["resilience.usage.wasted.output_tokens"] == 5


def test_an_operation_refused_before_any_attempt_is_rejected(telemetry: Telemetry) -> None:
    """By word; it is an error where an exception leaves it."""
    with traced_repair("invoice") as repair:
        repair.rejected()
    with pytest.raises(ValueError), traced_repair("invoice") as repair:  # noqa: PT012
        repair.rejected()
        raise ValueError
    quiet, loud = telemetry.spans
    assert quiet["resilience.operation.outcome"] == loud["resilience.operation.outcome"] == "rejected"
    assert (quiet.status, loud.status, quiet["resilience.operation.attempt_count"]) == ("UNSET", "ERROR", 0)


def test_a_cancelled_operation_is_not_an_error(telemetry: Telemetry) -> None:
    """A task that is cancelled inside an attempt cancels attempt and operation."""

    async def main() -> None:
        with traced_repair("invoice") as repair:
            for attempt in repair.attempts(3):
                with attempt:
                    await asyncio.sleep(60)

    async def cancel() -> None:
        task = asyncio.create_task(main())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    operation, attempt = telemetry.spans
    assert (operation.status, attempt.status) == ("UNSET", "UNSET")
    assert operation["resilience.operation.outcome"] == attempt["resilience.attempt.outcome"] == "cancelled"


def test_an_error_caught_inside_an_attempt_can_be_told(telemetry: Telemetry) -> None:
    """`attempt.fail(error)` is for programs that handle the exception themselves; the loop goes on."""
    with traced_repair("invoice") as repair:
        for attempt in repair.attempts(2):
            with attempt:
                if attempt.number == 1:
                    attempt.fail(TimeoutError())
    assert telemetry.span("repair invoice")["resilience.operation.outcome"] == "recovered"
    assert telemetry.spans[1]["error.type"] == "TimeoutError"


@pytest.mark.parametrize("action", ["allowed", "warned", "fixed"])
def test_a_verdict_that_lets_the_answer_pass_does_not_fail_the_attempt(telemetry: Telemetry, action: str) -> None:
    """What is allowed, warned about or fixed is used all the same."""
    with traced_repair("invoice") as repair:
        for attempt in repair.attempts(2):
            with attempt:
                attempt.validated("schema", passed=False, action=action)
    assert telemetry.span("repair invoice")["resilience.operation.outcome"] == "success"


def test_as_a_decorator_the_operation_is_found_inside(telemetry: Telemetry, way: Way) -> None:
    """`current_operation()` hands out the attempts of the operation that a decorator made."""

    def body() -> str:
        for attempt in current_operation().attempts(2):
            with attempt:
                ask()
                attempt.validated("schema", passed=attempt.number == 2)
        return "answer"

    assert way.run(traced_repair("invoice")(way.function(body))) == "answer"
    assert telemetry.span("repair invoice")["resilience.operation.outcome"] == "recovered"


def test_bare_it_takes_the_name_of_the_function(telemetry: Telemetry) -> None:
    """`@traced_repair` without a name is named after the function; without attempts of its own, the function is one."""

    @traced_repair
    def extract_invoice() -> None:
        ask()

    extract_invoice()
    span = telemetry.span("repair extract_invoice")
    assert (span["resilience.operation.outcome"], span["resilience.operation.attempt_count"]) == ("success", 1)
    assert span["resilience.usage.useful.input_tokens"] == 10


def test_tokens_of_nested_operations_are_counted_once(telemetry: Telemetry) -> None:
    """The inner operation counts what it wasted, the outermost what was useful; each span tells its whole sum."""
    with traced_repair("outer") as outer:
        for attempt in outer.attempts(2):
            with attempt:
                extract(valid_from=2)
                attempt.validated("schema", passed=attempt.number == 2)
    span = telemetry.span("repair outer")
    assert (span["resilience.usage.useful.input_tokens"], span["resilience.usage.wasted.input_tokens"]) == (10, 30)
    points = telemetry.metrics()["resilience.token.usage"]
    counted = {
        (a["resilience.policy.name"], a["resilience.token.disposition"]): value
        for a, value in points
        if a["resilience.token.type"] == "input"
    }
    assert counted == {("invoice", "wasted"): 20, ("outer", "wasted"): 10, ("outer", "useful"): 10}


def test_calls_in_threads_and_tasks_belong_to_the_attempt_whose_context_they_have(telemetry: Telemetry) -> None:
    """`asyncio.to_thread` and tasks carry the context, and with it the attempt."""

    async def main() -> None:
        with traced_repair("invoice") as repair:
            for attempt in repair.attempts(1):
                with attempt:
                    await asyncio.gather(*(asyncio.to_thread(ask, 1, 1) for _ in range(20)))

    asyncio.run(main())
    assert telemetry.span("repair invoice")["resilience.usage.useful.input_tokens"] == 20


def test_usage_that_comes_after_the_end_is_still_counted(telemetry: Telemetry, clock: Clock) -> None:
    """A stream that is read when the operation is over is counted by how the operation ended."""
    stream = traced_llm_call(model="gpt-5.2")(lambda: (completion(10, 5) for _ in range(1)))
    with traced_repair("invoice") as repair:
        for attempt in repair.attempts(2):
            with attempt:
                answer = stream()
    list(answer)
    points = telemetry.metrics()["resilience.token.usage"]
    assert {(a["resilience.token.disposition"], a["resilience.token.type"]): v for a, v in points} == {
        ("useful", "input"): 10,
        ("useful", "output"): 5,
    }


def test_outside_any_operation_attempts_are_handed_out_all_the_same() -> None:
    """A function that asks for the current operation runs unchanged where nobody traces it."""
    made = 0
    for attempt in current_operation().attempts(3):
        with attempt:
            made += 1
            attempt.validated("schema", passed=made == 2)
    assert made == 2
