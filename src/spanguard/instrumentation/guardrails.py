"""guardrails-ai 0.11, sync and async, with validators from its hub or of the program.

What is seen: each verdict of a validator, by rule, with what is done about it; and each call of a guard that may ask again
(``num_reasks``) as an operation `repair` named for the function that makes it, with an attempt for each answer that was asked
for, and what the refused answers have cost. A rule is the validator's class. Neither what was validated nor a validator's
message is recorded by us; guardrails-ai itself writes both into its own spans.

Where no instrumentation of the SDK counts what a call used, it is taken from what guardrails-ai counts. Streams are never
asked again: of those the verdicts are seen.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from spanguard._core.attempt import Attempt
from spanguard._core.border import quiet
from spanguard._core.scope import policy_attributes
from spanguard._core.validation import Validation
from spanguard.instrumentation import _names
from spanguard.instrumentation._adapter import Args, Instrumentor, Kwargs, Outcome, Patch, after, argument, around
from spanguard.instrumentation._tries import Tries, Try, nearest, running
from spanguard.vocabulary.declared import declare

_LIBRARY: Final = "guardrails-ai"
_VERDICT: Final = "guard"
_ACTIONS: Final = {
    "reask": "retried",
    "fix": "fixed",
    "fix_reask": "fixed",
    "filter": "fixed",
    "refrain": "blocked",
    "exception": "blocked",
    "noop": "allowed",
}


class _Repair(Tries):
    """One call of a guard, however many answers it takes."""

    def __init__(self, runner: Any) -> None:
        frame = _names.caller("guardrails", "asyncio", "opentelemetry")
        name = _names.known("repair", frame and _names.place_name(frame), _LIBRARY)
        super().__init__("repair", name, runner.num_reasks + 1, _LIBRARY)
        self.owner = runner

    @quiet
    def returned(self, value: object) -> None:
        """Hear what the guard returns: if it passes although the last answer was refused, then what a validator fixed."""
        call: Any = value
        if self._last is not None and self._last.outcome == "invalid" and call.status == "pass":
            self.degraded()


class _Answer(Try):
    """One answer of the model that a guard validates."""

    @quiet
    def returned(self, value: object) -> None:
        """Hear what the guard made of the answer."""
        iteration: Any = value
        told = iteration.outputs.llm_response_info
        if told is not None:
            usage = {"prompt_tokens": told.prompt_token_count, "completion_tokens": told.response_token_count}
            self.used({"usage": usage})
        if iteration.outputs.reasks:
            self.refuse()


def _called(args: Args, _kwargs: Kwargs) -> _Repair | None:
    if not args[0].num_reasks:
        return None
    repair = _Repair(args[0])
    repair.start()
    return repair if repair.started else None


def _asked(args: Args, _kwargs: Kwargs) -> _Answer | None:
    repair = running(_Repair, args[0])
    if repair is None:
        return None
    answer = _Answer(repair)
    answer.start()
    return answer


def _judged(_service: Any, args: Args, kwargs: Kwargs, _outcome: Outcome) -> None:
    validator, logs, result = (
        argument(args, kwargs, place, name) for place, name in enumerate(("validator", "validator_logs", "result"))
    )
    if result is None:
        return
    rule = _names.class_name(type(validator), _LIBRARY)
    declare(rule)
    declare(_VERDICT)
    passed, stage = result.outcome == "pass", "input" if logs.property_path == "messages" else "output"
    on_fail = getattr(validator.on_fail_descriptor, "value", validator.on_fail_descriptor)
    action = None if passed else _ACTIONS.get(str(on_fail))
    attempt = nearest(Attempt)
    if attempt is not None:
        attempt.validated(_VERDICT, passed=passed, rule=rule, stage=stage, action=action)
        return
    check = Validation(_VERDICT, stage, _judged.__code__)
    check.by = policy_attributes(check.policy, _VERDICT, _LIBRARY)
    check.start()
    check.decide(_judged.__code__, passed=passed, rule=rule, action=action)
    check.finish()


class GuardrailsInstrumentor(Instrumentor):
    """Shows the verdicts and the repairs of guardrails-ai."""

    library = _LIBRARY
    requires: ClassVar[tuple[str, ...]] = ("guardrails-ai >= 0.11, < 0.12",)
    patches: ClassVar[tuple[Patch, ...]] = (
        Patch("guardrails.run.runner", "Runner.__call__", around(_called)),
        Patch("guardrails.run.runner", "Runner.step", around(_asked)),
        Patch("guardrails.run.async_runner", "AsyncRunner.async_run", around(_called)),
        Patch("guardrails.run.async_runner", "AsyncRunner.async_step", around(_asked)),
        Patch(
            "guardrails.validator_service.validator_service_base", "ValidatorServiceBase.after_run_validator", after(_judged)
        ),
    )
