"""instructor 1.13 to 1.17, sync and async, whichever provider's SDK is below it.

What is seen: each call with a ``response_model``, as an operation `repair` named for the function that makes it, with an
attempt for each answer that was asked for; of each answer the verdict, with the kind of pydantic's first complaint as its
rule; and what the refused answers have cost. Neither the answer nor a complaint's text or place is recorded. The loop runs
on tenacity, which leaves it to this instrumentor; retries of the SDK inside are the SDK's own.

Where no instrumentation of the SDK counts what a call used, it is read from the answer. Streams of partial objects are
validated by whoever reads them, after the loop: of those the last attempt counts as a success.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from spanguard._core.border import quiet
from spanguard.instrumentation import _names
from spanguard.instrumentation._adapter import (
    Args,
    Instrumentor,
    Kwargs,
    Patch,
    argument,
    around,
    before,
)
from spanguard.instrumentation._complaints import complaint
from spanguard.instrumentation._tries import Tries, running
from spanguard.vocabulary.declared import declare

_LIBRARY: Final = "instructor"
_VERDICT: Final = "response_model"
_REFUSALS: Final = ("ValidationError", "AsyncValidationError", "JSONDecodeError", "ResponseParsingError")


class Repair(Tries):
    """One call with a response model, however many answers it takes."""

    @quiet
    def ask(self, state: object, limit: object) -> None:
        """Begin the attempt that tenacity's state of the loop stands at; the limit is one if it is a number."""
        self.owner = state
        self._limit = limit if isinstance(limit, int) else None
        self.again()

    @quiet
    def answered(self, error: BaseException | None) -> None:
        """Hear how the attempt ended: the answer is used, was refused, or never came."""
        attempt, cause = self.trying, error
        if attempt is None:
            return
        if _over_budget(error):
            self.refused()
            cause = error.__cause__ if error is not None else None
        declare(_VERDICT)
        if cause is None:
            attempt.validated(_VERDICT, passed=True)
        elif _refuses(cause):
            rule = complaint(cause)
            declare(rule)
            last = cause is not error or attempt.number == self._limit
            attempt.validated(_VERDICT, passed=False, rule=rule, action="blocked" if last else "retried")
        self.leave(cause)

    def _tried_all(self) -> bool:
        return self._last is not None and self._last.outcome == "invalid"


def _over_budget(error: BaseException | None) -> bool:
    return error is not None and any(cls.__name__ == "TokenBudgetError" for cls in type(error).__mro__)


def _refuses(error: BaseException) -> bool:
    return any(cls.__name__ in _REFUSALS for cls in type(error).__mro__)


def _open(args: Args, kwargs: Kwargs) -> Repair | None:
    if argument(args, kwargs, 1, "response_model") is None:
        return None
    repair = Repair("repair", _names.known("repair", _names.caller_name(_LIBRARY), _LIBRARY), None, _LIBRARY)
    repair.start()
    return repair if repair.started else None


def _entered(manager: Any, _args: Args, _kwargs: Kwargs) -> None:
    repair, state = running(Repair), manager.retry_state
    if repair is not None and repair.owner in (None, state):  # not a loop of somebody else's inside
        repair.ask(state, getattr(state.retry_object.stop, "max_attempt_number", None))


def _exited(manager: Any, args: Args, kwargs: Kwargs) -> None:
    repair = running(Repair, manager.retry_state)
    if repair is not None:
        repair.answered(argument(args, kwargs, 1, "exc_value"))


def _responded(_instance: Any, args: Args, kwargs: Kwargs) -> None:
    repair = running(Repair)
    if repair is not None:
        repair.used(argument(args, kwargs, 0, "response"))


class InstructorInstrumentor(Instrumentor):
    """Shows the repair loops of instructor."""

    library = _LIBRARY
    requires: ClassVar[tuple[str, ...]] = ("instructor >= 1.13, < 2",)
    owns: ClassVar[tuple[str, ...]] = (_LIBRARY,)
    patches: ClassVar[tuple[Patch, ...]] = (
        *(Patch("instructor.core.patch", name, around(_open), versions="< 1.16") for name in ("retry_sync", "retry_async")),
        *(
            Patch("instructor.v2.core.patch", f"{name}_v2", around(_open), versions=">= 1.16")
            for name in ("retry_sync", "retry_async")
        ),
        Patch("instructor.core.retry", "update_total_usage", before(_responded), versions="< 1.16"),
        Patch("instructor.v2.core.retry", "update_total_usage", before(_responded), versions=">= 1.16"),
        *(Patch("tenacity", f"AttemptManager.{name}", before(_entered)) for name in ("__enter__", "__aenter__")),
        *(Patch("tenacity", f"AttemptManager.{name}", before(_exited)) for name in ("__exit__", "__aexit__")),
    )
