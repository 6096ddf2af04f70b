"""Rate limiters: how long calls waited for a permit, and which were refused one."""

from __future__ import annotations

from typing import ClassVar, Final

from spanguard import semconv
from spanguard._core.border import quiet
from spanguard._core.errors import Failure, failure, is_cancellation
from spanguard._core.gate import SECOND, SHORT, Gate
from spanguard._core.recorder import on
from spanguard._core.usage import amount
from spanguard._core.writers import Attributes

_REFUSED: Final = Failure("rate_limited_local", "rate_limited")
_ACTIONS: Final = {"acquired": "acquire", "delayed": "delay", "rejected": "block", "timeout": "block"}


class Wait(Gate):
    """One wait for a permit of a rate limiter; ``with traced_rate_limit("openai") as wait`` gives it."""

    policy: ClassVar[str] = "rate_limiter"

    def __init__(self, name: str, max_delay: float | None, library: str | None = None) -> None:
        super().__init__(name, library)
        self._max_delay = max_delay
        self._delay: float | None = None
        self._result: str | None = None
        self._skipped = False

    def decide(self, result: str) -> None:
        """State how the wait ended."""
        self._result = result

    def rejected(self) -> None:
        """Say that the limiter refused the permit, where it does not do so by an exception."""
        self._result = "rejected"

    def skipped(self) -> None:
        """Say that the limiter was not asked: nothing is counted, and the current span says `skip`."""
        self._skipped = True

    def delayed(self, seconds: float) -> None:
        """State how long the limiter held the call up, where the block does not last as long."""
        self._delay = amount("delayed", seconds)

    @quiet
    def start(self, before: int = 0) -> None:
        """Begin to wait, ``before`` nanoseconds ago."""
        if not on():
            return
        self.begin(before)
        self.recorder.measure(semconv.LIMITER_QUEUED, 1, self.by, self.outer)

    @quiet
    def finish(self, error: BaseException | None = None) -> None:
        """End the wait: count it, and show it if it was long or in vain."""
        if not self.started or self.done:
            return
        self.done = True
        elapsed = self.elapsed()
        self.recorder.measure(semconv.LIMITER_QUEUED, -1, self.by, self.outer)
        if self._skipped:
            self.note({semconv.LIMITER_ACTION: "skip"})
            return
        seconds = elapsed / SECOND if self._delay is None else self._delay
        result = self._judge(seconds, error)
        by: Attributes = {**self.by, semconv.LIMITER_RESULT: result}
        self.recorder.measure(semconv.LIMITER_REQUESTS, 1, by, self.outer)
        self.recorder.measure(semconv.LIMITER_WAIT, seconds, by, self.outer)
        self._tell(elapsed, seconds, result)

    def _judge(self, seconds: float, error: BaseException | None) -> str:
        if self._result is not None:
            return self._result
        if error is not None:
            if is_cancellation(error):
                return "cancelled"
            return "timeout" if failure(error).category == "timeout" else "rejected"
        return "delayed" if seconds * SECOND >= SHORT else "acquired"

    def _tell(self, elapsed: int, seconds: float, result: str) -> None:
        refused = result in ("rejected", "timeout")
        about: Attributes = {semconv.LIMITER_RESULT: result, semconv.LIMITER_DELAY: seconds}
        if self._max_delay is not None:
            about[semconv.LIMITER_MAX_DELAY] = self._max_delay
        if refused:
            self.tell(semconv.LIMITER_REJECTED, {**self.by, **about})
        if refused or elapsed >= SHORT or self._delay:
            if result in _ACTIONS:
                about[semconv.LIMITER_ACTION] = _ACTIONS[result]
            self.show(elapsed, about, _REFUSED if refused else None)
