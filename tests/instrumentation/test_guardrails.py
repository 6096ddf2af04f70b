"""guardrails-ai, the real one with models that are functions: verdicts by rule, and answers that are asked for again."""

from __future__ import annotations

import asyncio
import gc
import inspect
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from spanguard.instrumentation.guardrails import GuardrailsInstrumentor
from support import Span, Telemetry

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else litellm below fetches prices when it is imported
pytest.importorskip("guardrails")
from guardrails import AsyncGuard, Guard, OnFailAction, settings
from guardrails.classes.rc import RC
from guardrails.run.async_runner import AsyncRunner
from guardrails.run.runner import Runner
from guardrails.validator_base import FailResult, PassResult, Validator, register_validator
from guardrails.validator_service.validator_service_base import ValidatorServiceBase

pytestmark = [pytest.mark.foreign, pytest.mark.filterwarnings("default")]  # warnings of its own code
MESSAGES: Any = [{"role": "user", "content": "the secret"}]


@register_validator(name="test/polite", data_type="string")
class Polite(Validator):
    """Refuses what does not say please."""

    def validate(self, value: Any, metadata: Any) -> Any:
        if "please" in value:
            return PassResult()
        return FailResult(error_message=f"rude: {value}", fix_value=metadata.get("fix"))


@pytest.fixture(autouse=True)
def _instrumented(instrument: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(RC, "load", lambda *_: RC(enable_metrics=False))  # else it phones home
    monkeypatch.setattr(settings, "_rc", RC(enable_metrics=False))
    instrument(GuardrailsInstrumentor)
    yield
    asyncio.set_event_loop(None)  # it leaves one behind, and does not close it
    gc.collect()


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Both kinds of guard, with a model that gives one answer after the other."""
    kind = str(request.param)

    def call(*answers: Any, on_fail: Any = OnFailAction.REASK, reasks: int = 1, fix: str | None = None) -> Any:
        left = list(answers)
        options: Any = {"messages": MESSAGES, "num_reasks": reasks, "metadata": {"fix": fix}}

        def answer(*_args: Any, **_kwargs: Any) -> str:
            given = left.pop(0)
            if isinstance(given, BaseException):
                raise given
            return str(given)

        async def aanswer(*args: Any, **kwargs: Any) -> str:
            return answer(*args, **kwargs)

        if kind == "sync":
            return Guard().use(Polite(on_fail=on_fail))(answer, **options)
        guard = AsyncGuard().use(Polite(on_fail=on_fail))
        return asyncio.run(guard(aanswer, **options))

    return call


def ours(telemetry: Telemetry) -> list[Span]:
    """Return our spans: guardrails-ai writes what it validates into its own."""
    return [span for span in telemetry.spans if span.scope == "spanguard"]


def repair(telemetry: Telemetry) -> Span:
    """Return the one operation."""
    (found,) = [span for span in ours(telemetry) if span.name.startswith("repair ")]
    return found


def verdicts(telemetry: Telemetry) -> dict[tuple[str, str | None], int]:
    """Return how often each result was counted, with what was done about it."""
    points = telemetry.metrics()["resilience.validation.results"]
    assert {a["resilience.validation.rule"].rpartition(".")[2] for a, _ in points} == {"Polite"}
    assert {a["resilience.library.name"] for a, _ in points} == {"guardrails-ai"}
    return {(a["resilience.validation.result"], a.get("resilience.validation.action")): value for a, value in points}


def test_an_answer_that_is_asked_for_again(telemetry: Telemetry, ask: Any) -> None:
    """One operation, an attempt for each answer, the verdict on each."""
    assert ask("secret", "please").validation_passed
    whole = repair(telemetry)
    assert whole["resilience.library.name"] == "guardrails-ai"
    assert (whole["resilience.operation.outcome"], whole["resilience.operation.attempt_count"]) == ("recovered", 2)
    attempts = [span["resilience.attempt.outcome"] for span in ours(telemetry) if span.name == "attempt"]
    assert attempts == ["invalid", "success"]
    assert "secret" not in repr(ours(telemetry)) + repr(telemetry.logs)
    assert verdicts(telemetry) == {("fail", "retried"): 1, ("pass", None): 1}


def test_answers_that_are_never_right(telemetry: Telemetry, ask: Any) -> None:
    """Nobody is asked any more: exhausted, unless a validator has something to use instead."""
    assert not ask("secret", "secret").validation_passed
    assert repair(telemetry)["resilience.operation.outcome"] == "exhausted"
    telemetry.clear()
    assert ask("secret", "secret", fix="please").validation_passed
    assert repair(telemetry)["resilience.operation.outcome"] == "degraded"


def test_a_right_answer_is_one_attempt(telemetry: Telemetry, ask: Any) -> None:
    """A success at once."""
    ask("please")
    whole = repair(telemetry)
    assert (whole["resilience.operation.outcome"], whole["resilience.operation.attempt_count"]) == ("success", 1)


def test_an_answer_that_is_fixed_is_used(telemetry: Telemetry, ask: Any) -> None:
    """It is not asked for again."""
    assert ask("secret", on_fail=OnFailAction.FIX, fix="please").validated_output == "please"
    assert repair(telemetry)["resilience.operation.outcome"] == "success"
    assert verdicts(telemetry) == {("fail", "fixed"): 1}


def test_an_error_of_the_model_passes(telemetry: Telemetry, ask: Any) -> None:
    """The operation failed; no verdict was given."""
    with pytest.raises(Exception, match="down"):
        ask(RuntimeError("down"))
    assert repair(telemetry)["resilience.operation.outcome"] == "failed"
    assert "down" not in repr(ours(telemetry))


def test_without_reasks_there_is_no_operation(telemetry: Telemetry, ask: Any) -> None:
    """The verdicts are counted all the same."""
    ask("secret", on_fail=OnFailAction.NOOP, reasks=0)
    assert [span for span in ours(telemetry) if span.name.startswith("repair")] == []
    assert verdicts(telemetry) == {("fail", "allowed"): 1}


def test_a_stream_is_validated_piece_by_piece(telemetry: Telemetry) -> None:
    """It is never asked for again: its verdicts are counted, and there is no operation."""

    def answer(*_args: Any, **_kwargs: Any) -> Iterator[str]:
        yield from ("secret. ", "please.")

    guard = Guard().use(Polite(on_fail=OnFailAction.NOOP))
    assert len(list(guard(answer, messages=MESSAGES, stream=True))) == 2
    assert [span for span in ours(telemetry) if span.name.startswith("repair")] == []
    assert verdicts(telemetry) == {("fail", "allowed"): 1, ("pass", None): 1}


def test_what_is_parsed_is_validated(telemetry: Telemetry) -> None:
    """Where no model is called at all."""
    with pytest.raises(Exception, match="rude"):
        Guard().use(Polite(on_fail=OnFailAction.EXCEPTION)).parse("secret")
    assert verdicts(telemetry) == {("fail", "blocked"): 1}
    assert "secret" not in repr(ours(telemetry)) + repr(telemetry.logs)


def test_what_the_answers_used_is_told_from_what_was_of_use(telemetry: Telemetry) -> None:
    """As guardrails-ai counts it, where nobody else does: here litellm's own fake model."""
    guard = Guard().use(Polite(on_fail=OnFailAction.REASK))
    guard(model="gpt-4o", messages=MESSAGES, num_reasks=1, mock_response="secret")
    points = telemetry.metrics()["resilience.token.usage"]
    assert {a["resilience.token.disposition"] for a, _ in points} == {"wasted"}
    assert sum(value for _, value in points) == 60


def test_a_call_that_is_cancelled(telemetry: Telemetry) -> None:
    """Whoever waited gave up."""

    async def never(*_args: Any, **_kwargs: Any) -> str:
        await asyncio.Event().wait()
        return ""

    async def main() -> None:
        guard = AsyncGuard().use(Polite(on_fail=OnFailAction.REASK))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(guard(never, messages=MESSAGES, num_reasks=1), 0.2)

    asyncio.run(main())
    assert repair(telemetry)["resilience.operation.outcome"] == "cancelled"


def test_uninstrument_restores_everything(telemetry: Telemetry, ask: Any) -> None:
    """Every function is again what it was."""
    before = GuardrailsInstrumentor()
    before.uninstrument()
    found = [
        vars(owner)[name]
        for owner, name in (
            *((Runner, "__call__"), (Runner, "step"), (AsyncRunner, "async_run"), (AsyncRunner, "async_step")),
            (ValidatorServiceBase, "after_run_validator"),
        )
    ]
    assert all(inspect.isfunction(each) for each in found)
    assert "spanguard" not in " ".join(each.__code__.co_filename for each in found)
    ask("secret", "please")
    assert ours(telemetry) == []
