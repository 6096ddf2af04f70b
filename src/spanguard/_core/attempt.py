"""One try inside an operation: its span, its verdicts, and what its calls used until it is known how it ended."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from types import CodeType, TracebackType
from typing import TYPE_CHECKING, Final, Protocol, cast

from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN_CONTEXT, Link, Span, SpanContext

from spanguard import semconv
from spanguard._core.book import Book
from spanguard._core.border import ask, quiet
from spanguard._core.errors import REFUSED, UNKNOWN, Failure, failure, is_cancellation
from spanguard._core.policies import Policy
from spanguard._core.scope import Scope
from spanguard._core.usage import Spent
from spanguard._core.verdict import Verdict, tell_verdict
from spanguard._core.writers import Attributes

if TYPE_CHECKING:
    from typing_extensions import Self

    from spanguard._core.http import HttpFacts

_SECOND: Final = 1e9


class Owner(Protocol):
    """What an attempt asks of the operation it belongs to."""

    started: bool

    @property
    def policy(self) -> Policy:
        """The policy that the operation follows."""
        ...

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

    def fell_through(self) -> None:
        """Hear that an attempt has not succeeded."""
        ...

    def resends(self, number: int) -> int:
        """Return how often an attempt of that number sends again what was sent before."""
        ...

    def materialise(self) -> None:
        """Make the span that was put off."""
        ...

    def hold(self, spent: list[Spent]) -> None:
        """Keep what a successful attempt used."""
        ...

    def discard(self, spent: list[Spent]) -> None:
        """Count what a failed attempt used as wasted."""
        ...


class Attempt(Book):
    """One try inside an operation; use it as ``with attempt:``. An exception passes through it unchanged."""

    span: Span
    parent: Scope | None
    inherited: Mapping[str, str]
    number: int = 0
    outcome: str = ""
    error: Failure | None = None
    candidate: str = ""
    """Name of the candidate that this attempt tries, in a failover."""
    seen: Spent | None = None
    _first: SpanContext = INVALID_SPAN_CONTEXT
    _refused: bool = False
    _sent: int = 0

    def __init__(self, operation: Owner, scope: Scope, label: str = "attempt", about: Attributes | None = None) -> None:
        self._lock = threading.Lock()
        self._label = label
        self.about: Attributes = about or {}
        self._operation = operation
        self._above = scope

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
        risk_level: str | None = None,
        pattern_category: str | None = None,
    ) -> None:
        """Record a verdict on this attempt's answer; unless it passed, the attempt is ``invalid``.

        ``name`` is the validator's and ``rule`` the one it applied: names of the program, shown in clear when they are
        literals or declared. ``stage`` is ``input``, ``output`` (default) or ``tool``; ``action`` is what is done about
        it: ``allowed``, ``warned`` or ``fixed`` (the answer is used all the same), ``blocked`` or ``retried``. A safety
        validator adds ``risk_level`` (``low`` to ``critical``) and ``pattern_category`` (as in docs/telemetry.md). Never
        pass the validator's message.
        """
        holds = ask("validated", lambda: bool(passed))
        if holds is None:
            return
        verdict = Verdict(name, holds, rule, stage, action, risk_level, pattern_category)
        if verdict.refuses:
            self.refuse()
        self._tell(verdict, sys._getframe(1).f_code)

    def refuse(self) -> None:
        """Hear that a validator refused the answer."""
        self._refused = True
        if self.error is None:
            self.error = REFUSED

    def fail(self, error: BaseException) -> None:
        """Say that this attempt failed with an exception that the program caught inside it."""
        self.error = failure(error) if isinstance(cast("object", error), BaseException) else UNKNOWN

    def http(
        self,
        response: object = None,
        *,
        status: int | None = None,
        host: str | None = None,
        method: str | None = None,
        url: str | None = None,
        from_cache: bool | None = None,
        revalidated: bool | None = None,
        stale: bool | None = None,
        retry_after: float | None = None,
        limiter_delay: float | None = None,
        breaker_state: str | None = None,
        breaker_result: str | None = None,
    ) -> None:
        """Record one HTTP try of this attempt: of a response object (httpx, requests, aiohttp, urllib3), or by hand.

        What is given by hand beats what the response tells. ``retry_after`` and ``limiter_delay`` are in seconds. Where no
        HTTP instrumentation of OpenTelemetry is loaded, the try becomes a CLIENT span; otherwise its facts are told on the
        attempt. The URL is shown as a pseudonym, the host in clear if it is a known provider's or declared.
        """
        from spanguard._core.http import HttpFacts  # with what it needs, it would double the time of `import spanguard`

        given = HttpFacts(
            status=status,
            host=host,
            method=method,
            url=url,
            from_cache=from_cache,
            revalidated=revalidated,
            stale=stale,
            retry_after=retry_after,
            limiter_delay=limiter_delay,
            breaker_state=breaker_state,
            breaker_result=breaker_result,
        )
        self._http(given, response)

    # ------------------------------------------------------------------------------------------------------- its course

    @quiet
    def start(self, before: int = 0) -> None:
        """Begin the attempt (``before`` nanoseconds ago), and its span unless the operation has put off its own."""
        operation = self._operation
        if self.number:
            return
        self.number = operation.begun(self)  # for the program, whether anybody listens or not
        if not operation.started:
            return
        self.begin(before)
        self.parent, self.inherited = self._above, self._above.inherited
        if self.number > 1:
            operation.materialise()
        if not operation.deferred:
            # An operation's attempts are its children, wherever in the program they are made.
            self.open_span(self._label, {**self.about, **self.serves()}, operation.inner)
        self.mark(semconv.RESENT, operation.resends(self.number))

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
            self.outcome = "invalid" if self._refused else "error"
        if self.started:
            self._conclude(self.elapsed(), self.outcome)

    @quiet
    def _conclude(self, elapsed: int, outcome: str) -> None:
        operation, failed = self._operation, outcome in ("error", "invalid")
        if outcome != "success":
            operation.fell_through()
        self.close_book()
        if failed and operation.deferred:
            operation.materialise()
            self._open_late()
        try:
            self._measure(elapsed, outcome, self.error if failed else None)
        finally:
            self.end_span(elapsed, {semconv.ATTEMPT_OUTCOME: outcome}, self.error, failed=failed)

    def _open_late(self) -> None:
        """Make the span of a first attempt that went wrong, with a link to what ran in it: its spans stand beside it."""
        self.span = self.recorder.start(
            self._label,
            {**self.inherited, **self.about, **self.serves()},
            parent=self._operation.inner,
            start=self._start_ns,
            links=[Link(self._first)] if self._first.is_valid else [],
        )
        self.enclose(self.span)

    def _measure(self, elapsed: int, outcome: str, error: Failure | None) -> None:
        seen = self.seen
        told = outcome, error and error.type, seen and seen.provider, seen and seen.model
        self._operation.policy.measure(self.recorder, semconv.ATTEMPT_DURATION, elapsed / _SECOND, told, self.inner)

    @quiet
    def _tell(self, verdict: Verdict, code: CodeType) -> None:
        if self.started:
            tell_verdict(self, self.serves(), verdict, code)

    @quiet
    def _http(self, given: HttpFacts, response: object) -> None:
        from spanguard._core.http import described, read_http, tell

        if self.started:
            facts = given.over(read_http(response)) if response is not None else given
            self._sent = tell(self, described(facts, self.number - 1), self._sent)

    # --------------------------------------------------------------------------------------------- what flows up the chain

    def child_started(self, span: SpanContext) -> None:
        """Remember the first span inside this attempt, for a link."""
        if not self._first.is_valid:
            self._first = span

    def spend(self, spent: list[Spent]) -> None:
        """Hold what calls used until the attempt ends; what comes late is judged by how it ended."""
        self.seen = spent[-1]
        self.hold(spent)

    def _settled(self, spent: list[Spent]) -> None:
        if self.outcome == "success":
            self._operation.hold(spent)
        else:
            self._operation.discard(spent)

    def serves(self) -> Attributes:
        """Return the attributes that tell a call inside which policy and attempt it serves."""
        return {**self._operation.serves(), semconv.ATTEMPT_NUMBER: self.number}
