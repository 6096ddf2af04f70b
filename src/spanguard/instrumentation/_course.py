"""One run of a retry loop of tenacity, which decides: what it says is taken for the course of an operation."""

from __future__ import annotations

import atexit
import functools
from collections import deque
from typing import Any, Final
from weakref import WeakKeyDictionary

from spanguard._core import leaving
from spanguard._core.attempt import Attempt
from spanguard._core.border import quiet
from spanguard._core.errors import Failure, failure, is_cancellation
from spanguard._core.operation import Operation
from spanguard.instrumentation import _misuse

# What google-genai would send again if it were told to.
_RETRIED: Final = ("timeout", "rate_limited", "overloaded", "backend_error", "connection")


class Course(Operation):
    """One run of a retry loop of tenacity, which decides; an attempt is judged when the loop has decided what it means."""

    def __init__(self, name: str, library: str, limit: int | None, *, current: bool) -> None:
        super().__init__("retry", name, limit, library)
        self.name = name
        self.library = library
        self._current = current
        self.running: Attempt | None = None
        self._heard = False
        # Not the exception: its traceback leads to tenacity's state, which leads here again, and both would stay for ever.
        self._error: Failure | None = None
        self._stopped: BaseException | None = None
        self._gave_up = False

    @quiet
    def next(self) -> None:
        """Begin the next attempt."""
        self._judge_attempt(refused=False)
        attempt = self.running = self.attempt()
        self._heard, self._error, self._stopped = False, None, None
        attempt.start()
        if self._current:
            attempt.resume()

    @quiet
    def heard(self, error: BaseException | None) -> None:
        """Hear how the attempt ended; some loops say it twice."""
        self._error = None if error is None else failure(error)
        self._stopped = error if error is not None and is_cancellation(error) else None
        if self.running is not None and not self._heard:
            self._heard = True
            self.running.stop()
            self.running.suspend()

    @quiet
    def wait(self, delay: float) -> None:
        """Hear that another attempt follows."""
        self._judge_attempt(refused=True)
        self.scheduled(delay)

    @quiet
    def settle(self, *, gave_up: bool) -> None:
        """Hear that the loop returns a value: the answer, or after it gave up what is to be used instead."""
        self._judge_attempt(refused=gave_up)
        if gave_up:
            self.degraded()
        self.finish()

    @quiet
    def fail(self, error: BaseException, *, gave_up: bool) -> None:
        """Hear that the loop ends with an exception."""
        self._gave_up = gave_up
        self._judge_attempt(refused=gave_up)
        self.finish(error)

    @quiet
    def left(self) -> None:
        """End the course, which the program has left without another word to the loop: with the attempt that was last."""
        if self.done:
            self.forget()
            return
        attempt, failed = self.running, self._error is not None or not self._heard
        if attempt is not None:
            self._stop_ticks = attempt._stop_ticks
        if not self._heard:
            self._stopped = GeneratorExit()  # it was handed out and never begun
        self._judge_attempt(refused=False)
        self.finish(GeneratorExit() if failed else None)

    @quiet
    def forget(self) -> None:
        """Let go of the course, of which nobody hears any more how it went on."""
        attempt, self.running = self.running, None
        if attempt is not None:
            attempt.suspend()

    def _judge_attempt(self, *, refused: bool) -> None:
        attempt, self.running = self.running, None
        if attempt is None:
            return
        error = attempt.error = self._error
        if error is None and refused:
            attempt.refuse()
        attempt.suspend()
        attempt.finish(self._stopped)
        self._stopped = None
        if self._limit == 1 and self.library == "google-genai" and error and error.category in _RETRIED:
            self.misused("retry_not_configured")

    def _tried_all(self) -> bool:
        return self._gave_up

    def misused(self, kind: str) -> None:
        """Tell that this loop has no effect."""
        _misuse.detected(kind, policy="retry", name=self.name, library=self.library)


class _Held:
    """Held by the attempt that a loop has handed out: when the program holds that no more, the loop was left."""

    __slots__ = ("_attempt", "_course")

    def __init__(self, course: Course) -> None:
        self._course = course
        self._attempt = course.running
        _watch()

    def __del__(self) -> None:
        self.let_go()
        if not leaving.collecting():  # there a lock of the SDK may be held
            sweep()

    def let_go(self) -> None:
        """Take note that the loop was left, if this is the attempt that it was left with."""
        if self._attempt is not None and self._course.running is self._attempt:
            _left.append(self._course)


_handed_out: Final[WeakKeyDictionary[Any, _Held]] = WeakKeyDictionary()
_left: Final[deque[Course]] = deque()


@functools.cache
def _watch() -> None:
    leaving.watch()
    atexit.register(_exit)


def _exit() -> None:
    for held in list(_handed_out.values()):
        held.let_go()
    sweep()


def sweep() -> None:
    """End the courses of loops that were left."""
    while _left:
        _left.popleft().left()


def hand_out(manager: object, course: Course) -> None:
    """Take note of the attempt that a loop hands out to the program."""
    _handed_out[manager] = _Held(course)
