"""Circuit breakers: calls and what became of them, transitions, the state they are in and how long they have been open."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from typing import ClassVar, Final

from opentelemetry.context import get_current
from opentelemetry.trace import SpanContext, get_current_span

from spanguard import semconv
from spanguard._core import clock
from spanguard._core.border import quiet, report
from spanguard._core.errors import Failure, is_cancellation
from spanguard._core.gate import SECOND, Gate
from spanguard._core.recorder import on, recorder
from spanguard._core.scope import policy_attributes
from spanguard._core.usage import amount, tokens
from spanguard._core.writers import Attributes, Value, observe

_OPEN_CIRCUIT: Final = Failure("circuit_open", "circuit_open")
_SEVERITIES: Final[dict[str, semconv.Severity]] = {"open": "ERROR", "half_open": "WARN", "closed": "INFO"}


class Cell:
    """What is known of one breaker: its state, and for how long it has been open.

    Collection reads it from another thread and never asks the breaker itself, which may hold a lock or live in a database.
    """

    def __init__(self, by: Attributes) -> None:
        self.by = by
        self.state: str | None = None
        self._open_for = 0
        self._opened: int | None = None
        self._lock = threading.Lock()

    def enter(self, state: str) -> None:
        """Take note of the state that the breaker is in now."""
        with self._lock:
            if self._opened is not None:
                self._open_for += clock.ticks() - self._opened
            self._opened = clock.ticks() if state == "open" else None
            self.state = state

    def open_seconds(self) -> float:
        """Seconds that the breaker has been open in this process, until now."""
        with self._lock:
            since = 0 if self._opened is None else clock.ticks() - self._opened
            return (self._open_for + since) / SECOND

    def after_fork(self) -> None:
        """Start the count anew in a child: its time so far is the parent's to tell."""
        self._lock = threading.Lock()
        self._open_for = 0
        self._opened = clock.ticks() if self.state == "open" else None


_cells: dict[tuple[str, str | None], Cell] = {}


def cell(name: str, library: str | None = None) -> Cell:
    """Return the cell of the breaker of that name, one for the process."""
    known = _cells.get((name, library))
    if known is None:
        made = Cell(policy_attributes(BreakerCall.policy, name, library))
        known = _cells.setdefault((name, library), made)  # one step, so that two threads get the same one
    return known


class BreakerCall(Gate):
    """One call that a circuit breaker protects; ``with traced_breaker("openai") as call`` gives it."""

    policy: ClassVar[str] = "circuit_breaker"
    inherited: Mapping[str, str]

    def __init__(
        self, name: str, state: str | None, rejections: tuple[type[BaseException], ...], library: str | None = None
    ) -> None:
        super().__init__(name, library)
        self._cell = cell(name, library)
        self._given = state
        self._rejections = rejections
        self._result: str | None = None
        self._ran = False

    def rejected(self) -> None:
        """Say that the breaker is open and refused the call, which was never attempted."""
        self._result = "rejected"

    def ignored(self) -> None:
        """Say that the breaker counts this call neither as a success nor as a failure."""
        self._result = "ignored"

    @quiet
    def start(self, before: int = 0) -> None:
        """Begin the call; spans inside carry the breaker's state."""
        if not on():
            return
        self.begin(before)
        if self._given in semconv.BREAKER_STATES:
            if self._given != self._cell.state:
                self._cell.enter(self._given)
        elif self._given is not None:
            report("traced_breaker", f"state is none of {', '.join(semconv.BREAKER_STATES)}, left out")
        if self._cell.state is not None:
            self.inherited = {**self.inherited, semconv.BREAKER_STATE: self._cell.state}

    def child_started(self, span: SpanContext) -> None:
        """Learn that the call ran: something inside it started a span."""
        self._ran = True
        super().child_started(span)

    @quiet
    def finish(self, error: BaseException | None = None) -> None:
        """Count the call; a rejected one is a short span of its own."""
        if not self.started or self.done:
            return
        self.done = True
        elapsed, result = self.elapsed(), self._judge(error)
        if self._cell.state is None and result == "success":
            self._cell.enter("closed")  # an open breaker would not have let it pass
        self.recorder.measure(semconv.BREAKER_CALLS, 1, {**self.by, semconv.BREAKER_RESULT: result}, self.outer)
        if result == "rejected":
            self.show(
                elapsed, {semconv.BREAKER_STATE: self._cell.state or "open", semconv.BREAKER_RESULT: result}, _OPEN_CIRCUIT
            )

    def _judge(self, error: BaseException | None) -> str:
        if self._result is not None:
            return self._result
        if error is None:
            return "success"
        # The call that trips some breakers raises the same error as the calls that they reject; but it ran.
        if issubclass(type(error), self._rejections) and not self._ran:
            return "rejected"
        return "ignored" if is_cancellation(error) else "failure"


@quiet
def transition(
    name: str,
    old: object,
    new: object,
    *,
    failures: int | None,
    reset_timeout: float | None,
    scope: str | None,
    library: str | None = None,
) -> None:
    """Tell that a breaker changed its state: an event where it happened, a count, and the state from now on."""
    where = "on_transition"
    before, now = _state(old), _state(new)
    if now not in semconv.BREAKER_STATES or before not in semconv.BREAKER_STATES:
        report(where, f"a state is none of {', '.join(semconv.BREAKER_STATES)}; the transition is left out")
        return
    known = cell(name, library)
    known.enter(now)
    attributes: Attributes = {**known.by, semconv.BREAKER_FROM: before, semconv.BREAKER_TO: now}
    recorder().measure(semconv.BREAKER_TRANSITIONS, 1, {**attributes}, None)  # older SDKs keep the very mapping
    more: tuple[tuple[str, Value | None], ...] = (
        (semconv.BREAKER_FAILURES, tokens(where, failures)),
        (semconv.BREAKER_RESET, amount(where, reset_timeout)),
        (semconv.BREAKER_SCOPE, scope),
    )
    attributes.update({key: value for key, value in more if value is not None})
    context = get_current()
    recorder().event(
        semconv.BREAKER_TRANSITION,
        attributes,
        span=get_current_span(context),
        within=context,
        severity=_SEVERITIES[now],
    )


def _state(given: object) -> str:
    """Return a state in our words: breakers write `half-open` or `HALF_OPEN`, and hand over objects that have a name."""
    return str(getattr(given, "name", given)).lower().replace("-", "_")


def _states() -> Iterator[tuple[float, Attributes]]:
    for known in list(_cells.values()):
        if known.state is not None:
            for state in semconv.BREAKER_STATES:
                yield int(state == known.state), {**known.by, semconv.BREAKER_STATE: state}


def _open_times() -> Iterator[tuple[float, Attributes]]:
    for known in list(_cells.values()):
        if known.state is not None:
            yield known.open_seconds(), known.by


def _after_fork() -> None:
    for known in _cells.values():
        known.after_fork()


observe(semconv.BREAKER_STATE_NOW, _states)
observe(semconv.BREAKER_OPEN, _open_times)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
