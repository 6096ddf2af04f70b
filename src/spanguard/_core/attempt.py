"""One try inside an operation: its span, its verdicts, and what its calls used until it is known how it ended."""

from __future__ import annotations

import sys
from types import CodeType, TracebackType
from typing import TYPE_CHECKING, Final, Protocol, cast

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN_CONTEXT, Link, SpanContext

from spanguard import semconv
from spanguard._core.book import Pending
from spanguard._core.border import ask, quiet
from spanguard._core.errors import REFUSED, UNKNOWN, Failure, failure, is_cancellation
from spanguard._core.recorder import Attributes
from spanguard._core.scope import Scope
from spanguard._core.usage import Spent
from spanguard._core.verdict import Verdict, tell_verdict

if TYPE_CHECKING:
    from typing_extensions import Self

_SECOND: Final = 1e9


class Owner(Protocol):
    """What an attempt asks of the operation it belongs to."""

    started: bool

    @property
    def deferred(self) -> bool:
        """Whether the operation has put off its span."""
        ...

    @property
    def inner(self) -> Context:
        """The context of the operation."""
        ...

    def serves(self) -> Attributes:
        """The attributes of the policy."""
        ...

    def begun(self, attempt: Attempt) -> int:
        """Hear that an attempt begins; return its number, counted from 1."""
        ...

    def ended(self, outcome: str) -> None:
        """Hear how an attempt ended."""
        ...

    def materialise(self) -> None:
        """Make the span that was put off."""
        ...

    def hold(self, spent: list[Spent]) -> None:
        """Hold what a successful attempt used."""
        ...

    def discard(self, spent: list[Spent]) -> None:
        """Count what a failed attempt used as wasted."""
        ...


class Attempt(Scope):
    """One try inside an operation; use it as ``with attempt:``. An exception passes through it unchanged."""

    def __init__(self, operation: Owner, scope: Scope) -> None:
        super().__init__()
        self._operation = operation
        self._above = scope
        self.number = 0
        self.outcome = ""
        self.error: Failure | None = None
        self._first: SpanContext = INVALID_SPAN_CONTEXT
        self._pending = Pending()
        self._seen: Spent | None = None

    def __enter__(self) -> Self:
        self.start()
        self.resume()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.finish(error)
        self.suspend()

    # ----------------------------------------------------------------------------------------------- what a user calls

    def validated(
        self,
        name: str,
        *,
        passed: bool,
        rule: str | None = None,
        stage: str = "output",
        action: str | None = None,
    ) -> None:
        """Record a verdict on this attempt's answer; unless it passed, the attempt is ``invalid``.

        ``name`` is the validator's and ``rule`` the one it applied: names of the program, shown in clear when they are
        literals or declared. ``stage`` is ``input``, ``output`` (default) or ``tool``; ``action`` is what is done about
        it: ``allowed``, ``warned`` or ``fixed`` (the answer is used all the same), ``blocked`` or ``retried``. Never
        pass the validator's message.
        """
        holds = ask("validated", lambda: bool(passed))
        if holds is None:
            return
        verdict = Verdict(name, holds, rule, stage, action)
        if verdict.refuses and self.error is None:
            self.error = REFUSED
        self._tell(verdict, sys._getframe(1).f_code)

    def fail(self, error: BaseException) -> None:
        """Say that this attempt failed with an exception that the program caught inside it."""
        self.error = failure(error) if isinstance(cast("object", error), BaseException) else UNKNOWN

    # ------------------------------------------------------------------------------------------------------- its course

    @quiet
    def start(self) -> None:
        """Begin the attempt, and its span unless the operation has put off its own."""
        operation = self._operation
        if self.started or not operation.started:
            return
        self.number = operation.begun(self)
        self.begin()
        self.parent, self.inherited = self._above, self._above.inherited
        if self.number > 1:
            operation.materialise()
        if not operation.deferred:
            # An operation's attempts are its children, wherever in the program they are made.
            self.open_span("attempt", self.serves(), operation.inner)

    def finish(self, error: BaseException | None = None) -> None:
        """End the attempt; the exception is the one that leaves it. Only the first time counts."""
        if self.done:
            return
        self.done = True
        if error is not None:
            self.error = failure(error)
        if self.error is None:
            self.outcome = "success"
        elif error is not None and is_cancellation(error):
            self.outcome = "cancelled"
        else:
            self.outcome = "invalid" if self.error is REFUSED else "error"
        if self.started:
            self._conclude(self.elapsed(), self.outcome)

    @quiet
    def _conclude(self, elapsed: int, outcome: str) -> None:
        operation, failed = self._operation, self.outcome in ("error", "invalid")
        operation.ended(outcome)
        self._pending.settle(operation.hold if outcome == "success" else operation.discard)
        if failed and operation.deferred:
            operation.materialise()
            self._open_late()
        self._measure(elapsed, outcome, self.error if failed else None)
        self.end_span(elapsed, {semconv.ATTEMPT_OUTCOME: outcome}, self.error, failed=failed)

    def _open_late(self) -> None:
        """Make the span of a first attempt that went wrong, with a link to what ran in it: its spans stand beside it."""
        self.span = self.recorder.start(
            "attempt",
            {**self.inherited, **self.serves()},
            parent=self._operation.inner,
            start=self._start_ns,
            links=[Link(self._first)] if self._first.is_valid else [],
        )

    @quiet
    def _measure(self, elapsed: int, outcome: str, error: Failure | None) -> None:
        by: Attributes = {**self._operation.serves(), semconv.ATTEMPT_OUTCOME: outcome}
        if error is not None:
            by[semconv.ERROR_TYPE] = error.type
        if self._seen is not None:
            for key, value in (
                (semconv.GEN_AI_PROVIDER, self._seen.provider),
                (semconv.GEN_AI_MODEL, self._seen.model),
            ):
                if value:
                    by[key] = value
        self.recorder.measure(semconv.ATTEMPT_DURATION, elapsed / _SECOND, by, self.inner)

    @quiet
    def _tell(self, verdict: Verdict, code: CodeType) -> None:
        if self.started:
            tell_verdict(self, verdict, code)

    # --------------------------------------------------------------------------------------------- what flows up the chain

    def child_started(self, span: SpanContext) -> None:
        """Remember the first span inside this attempt, for a link."""
        if not self._first.is_valid:
            self._first = span

    def spend(self, spent: list[Spent]) -> None:
        """Hold what calls used until the attempt ends; what comes late is judged by how it ended."""
        self._seen = spent[-1]
        self._pending.add(spent)

    def serves(self) -> Attributes:
        """Return the attributes that tell a call inside which policy and attempt it serves."""
        return {**self._operation.serves(), semconv.ATTEMPT_NUMBER: self.number}
