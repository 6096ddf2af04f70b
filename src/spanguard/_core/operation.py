"""Operations that try more than once, repair and retry: a span each, their attempts, and what was useful or wasted.

Every token is counted once: as wasted by the innermost operation that discarded the answer it paid for, or as useful by
the outermost operation, when every operation around the call has used the answer.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from opentelemetry.trace import Span

from spanguard import semconv
from spanguard._core.attempt import Attempt
from spanguard._core.book import Book, add, count_tokens, summary
from spanguard._core.border import quiet, report
from spanguard._core.errors import Failure, failure, is_cancellation
from spanguard._core.held import APART
from spanguard._core.policies import Policy, known_policy
from spanguard._core.recorder import on
from spanguard._core.scope import current_scope
from spanguard._core.switch import SPAN_KEY
from spanguard._core.usage import Spent, amount, tokens
from spanguard._core.writers import Attributes, Value
from spanguard.vocabulary.packages import package_name

_SECOND: Final = 1e9
_USED: Final = ("success", "recovered")
_FAULTLESS: Final = (*_USED, "degraded")
_BROKEN: Final = ("exhausted", "failed", "rejected")
_MOST_DEPENDENCIES: Final = 50


class Operation(Book):
    """A repair or retry operation: what the caller asked for, however many attempts it takes.

    Made by `spanguard.traced_repair` and `spanguard.traced_retry`. It reports what happens and decides nothing: it never
    waits, never catches, and tries again only in so far as `attempts` hands out the next attempt.
    """

    _count: int = 0
    _failed: int = 0
    _degraded: bool = False
    _rejected: bool = False
    _used: bool = False
    _about: Mapping[str, Value] = {}  # as the next one it is replaced and never changed
    _dependencies: Mapping[str, None] = {}
    _wasted: list[Spent] | None = None
    _last: Attempt | None = None
    deferred: bool = False

    def __init__(self, policy: str, name: str, limit: int | None = None, library: str | None = None) -> None:
        self._lock = threading.Lock()
        self.policy: Final[Policy] = known_policy(policy, name, library)
        self._defers = policy == "retry"
        self._limit = limit

    # ----------------------------------------------------------------------------------------------- what a user calls

    def attempts(self, limit: int | None = None) -> Iterator[Attempt]:
        """Hand out attempts to loop over, at most ``limit`` of them (default: the verb's), until one has succeeded.

        Each is used as ``with attempt:``. Without a limit it goes on until one succeeds or the loop is left. An attempt
        has succeeded when its block ends without an exception and without a verdict against it.
        """
        self._limit = self._limit if limit is None else limit
        made = 0
        while self._limit is None or made < self._limit:
            made += 1
            attempt = self.attempt()
            yield attempt
            if attempt.outcome == "success":
                return

    def attempt(self) -> Attempt:
        """Return the next attempt, for programs whose loop is not a ``for`` loop; use it as ``with``."""
        return Attempt(self, self)

    @property
    def current_attempt(self) -> Attempt:
        """The attempt that was begun last, running or not; one that ignores what it is told if there is none."""
        return self._last or Attempt(_INERT, _INERT)

    def rejected(self) -> None:
        """Say that the operation was refused before any attempt, by a check of its input say: the outcome is ``rejected``."""
        self._rejected = True

    def degraded(self) -> None:
        """Say that the caller gets a fallback value instead of a real answer: the outcome is ``degraded``."""
        self._degraded = True

    def on_attempt(self, error: BaseException | None = None, *, duration: float = 0.0) -> None:
        """Report one attempt after the fact, that failed with ``error`` or succeeded, and took ``duration`` seconds.

        A callback for components that know nothing of telemetry: ``download(url, on_attempt=retry.on_attempt)``.
        """
        seconds = amount("on_attempt", duration)
        attempt = self.attempt()
        attempt.start(int((seconds or 0.0) * _SECOND))
        attempt.finish(error)

    @quiet
    def generated(
        self,
        *,
        input_length: int | None = None,
        output_length: int | None = None,
        dependencies: Iterable[str] = (),
    ) -> None:
        """Describe what a generation was about: lengths in characters, and packages that generated code tried to use.

        Called again, it replaces the lengths and adds to the packages. A package is shown if it is in the standard library
        or well known, otherwise as a pseudonym.
        """
        about = dict(self._about)
        for key, value in ((semconv.INPUT_LENGTH, input_length), (semconv.OUTPUT_LENGTH, output_length)):
            length = tokens("generated", value)
            if length is not None:
                about[key] = length
        self._about = about
        self._dependencies = {**self._dependencies, **dict.fromkeys(package_name(each) for each in dependencies)}
        if self._dependencies:
            self._about = {**about, semconv.DEPENDENCIES: tuple(self._dependencies)[:_MOST_DEPENDENCIES]}

    @quiet
    def scheduled(self, delay: float, *, source: str = "backoff") -> None:
        """Say that another attempt follows after ``delay`` seconds; it is the program that waits.

        ``source`` is ``backoff`` (the program chose the delay, the default) or ``retry_after`` (the server did).
        """
        if not self.started or self.done:
            return
        attributes = self._about_last()
        seconds = amount("scheduled", delay)
        if seconds is not None:
            attributes[semconv.RETRY_DELAY] = seconds
        if source in semconv.DELAY_SOURCES:
            attributes[semconv.DELAY_SOURCE] = source
        else:
            report("scheduled", "source is neither backoff nor retry_after, left out")
        self.materialise()
        self.tell(semconv.RETRY_SCHEDULED, attributes)
        if seconds is not None:
            chosen = source if source in semconv.DELAY_SOURCES else None
            self.policy.measure(self.recorder, semconv.RETRY_DELAYS, seconds, (chosen,), self.inner)

    @quiet
    def refused(self) -> None:
        """Say that another attempt was possible but not allowed, by a budget or a deadline."""
        if self.started and not self.done:
            self.materialise()
            self.tell(semconv.RETRY_REFUSED, self._about_last())

    # ------------------------------------------------------------------------------------------------------- its course

    @quiet
    def start(self) -> None:
        """Start the operation; a retry below another span makes no span until it has something to show."""
        if on():
            self.open()

    def open(self, before: int = 0) -> None:
        """Start the operation, ``before`` nanoseconds ago, for who knows that somebody listens, and swallows."""
        self.begin(before)
        outer = self.outer
        self.recorder.started(self.policy.attributes, outer)
        around: Span | None = outer.get(SPAN_KEY) if self._defers else None  # type: ignore[assignment]
        self.deferred = around is not None and around.get_span_context().is_valid
        if not self.deferred:
            self.open_span(self.policy.title, self.serves())

    def materialise(self) -> None:
        """Make the span that was put off, backdated to the start."""
        if self.deferred:
            self.deferred = False
            self.open_span(self.policy.title, self.serves())

    @quiet
    def finish(self, error: BaseException | None = None) -> None:
        """End the operation; the exception is the one that leaves it. Only the first time counts."""
        if not self.started or self.done:
            return
        self.done = True
        elapsed, last = self.elapsed(), self._last
        if last is not None and not last.done:
            last.finish(error)
        outcome = self._judge(error)
        fault = None
        if error is not None:
            fault = failure(error)
        elif outcome not in _FAULTLESS and last is not None:
            fault = last.error
        self._used = outcome in _USED
        spent = self.close_book()
        try:
            self._measure(elapsed, outcome, fault if outcome in _BROKEN else None)
        finally:
            self._end(elapsed, outcome, fault, spent)

    def _end(self, elapsed: int, outcome: str, fault: Failure | None, spent: list[Spent]) -> None:
        if outcome == "exhausted" and self._defers:
            self.materialise()
            self.tell(semconv.RETRY_EXHAUSTED, self._about_last())
        if self.deferred:
            self._inner = self._outer  # as `Scope.end_span`, it leads back here no more
            return
        attributes = {**self._ending(outcome), **summary(spent if self._used else [], self._wasted or [])}
        self.end_span(elapsed, attributes, fault, failed=outcome in _BROKEN and fault is not None)

    def _judge(self, error: BaseException | None) -> str:
        last = self._last
        if error is not None and is_cancellation(error):
            return "cancelled"
        if self._rejected and last is None:
            return "rejected"
        if error is not None:
            return "exhausted" if self._tried_all() and last is not None and last.outcome != "success" else "failed"
        if self._degraded:
            return "degraded"
        if last is not None and last.outcome != "success":
            return "cancelled" if last.outcome == "cancelled" else "exhausted"
        return "recovered" if self._failed else "success"

    def _tried_all(self) -> bool:
        return self._limit is not None and self._count >= self._limit

    def _measure(self, elapsed: int, outcome: str, error: Failure | None) -> None:
        measure, recorder = self.policy.measure, self.recorder
        # One that has made no span, and in whose context nothing has run, has no exemplar.
        within = self._inner or APART if self.deferred else self.inner
        measure(recorder, semconv.OPERATION_ATTEMPTS, self._tries, (outcome,), within)
        told = outcome, error and error.type, *self._served_by()
        measure(recorder, semconv.OPERATION_DURATION, elapsed / _SECOND, told, within)

    def _served_by(self) -> tuple[str | None, ...]:
        """Return the provider and model that answered, where the policy is to choose among them."""
        return ()

    @property
    def _tries(self) -> int:
        # A decorated function that makes no attempts of its own is one attempt.
        return self._count if self._rejected else max(self._count, 1)

    def _ending(self, outcome: str) -> Attributes:
        ending: Attributes = {**self._about, semconv.OUTCOME: outcome, semconv.ATTEMPT_COUNT: self._tries}
        if isinstance(self._limit, int):
            ending[semconv.ATTEMPT_LIMIT] = self._limit
        return ending

    def _about_last(self) -> Attributes:
        attributes = self.serves()
        if self._last is not None:
            attributes[semconv.ATTEMPT_NUMBER] = self._last.number
            if self._last.error is not None:
                attributes[semconv.ERROR_TYPE] = self._last.error.type
        return attributes

    # ------------------------------------------------------------------------------------- its attempts, and their book

    def begun(self, attempt: Attempt) -> int:
        """Hear that an attempt begins; return its number, counted from 1."""
        with self._lock:
            self._count += 1
            self._last = attempt
            return self._count

    def fell_through(self) -> None:
        """Hear that an attempt has not succeeded."""
        with self._lock:
            self._failed += 1

    def spend(self, spent: list[Spent]) -> None:
        """Keep what calls inside used until it is known whether the answer was."""
        self.hold(spent)

    def _settled(self, spent: list[Spent]) -> None:
        if self._used:
            self._use(spent)
        else:
            self.discard(spent)

    def discard(self, spent: list[Spent]) -> None:
        """Count what was used in vain, and tell the operations around."""
        count_tokens(self, self.policy, spent, "wasted")
        self.waste(spent)

    def waste(self, spent: list[Spent]) -> None:
        """Remember what was wasted inside this operation, already counted."""
        with self._lock:
            self._wasted = add(self._wasted, spent)
        super().waste(spent)

    def _use(self, spent: list[Spent]) -> None:
        above = self.parent
        while above is not None and not isinstance(above, (Operation, Attempt)):
            above = above.parent
        if above is None:
            count_tokens(self, self.policy, spent, "useful")
        else:
            above.spend(spent)

    def resends(self, number: int) -> int:
        """Return how often an attempt of that number sends again what was sent before; only a retry does."""
        return number - 1 if self._defers else 0

    def serves(self) -> Attributes:
        """Return the attributes that tell which policy this is."""
        return dict(self.policy.attributes)


_INERT: Final = Operation("repair", "")


def current_operation() -> Operation:
    """Return the repair or retry operation that is running here: ``current_operation().attempts(3)``.

    For functions that a verb decorates. Outside any operation it returns one that hands out attempts and records nothing.
    """
    scope = current_scope()
    while scope is not None and not isinstance(scope, Operation):
        scope = scope.parent
    return scope or Operation("repair", "")
