"""Caches: what lookups found and how long they took; a hit saves the call, so it makes no span."""

from __future__ import annotations

from typing import ClassVar

from spanguard import semconv
from spanguard._core.border import quiet
from spanguard._core.gate import SECOND, Gate
from spanguard._core.writers import Attributes


class Lookup(Gate):
    """One lookup in a cache; ``with traced_cache("answers") as lookup`` gives it. The key is never recorded."""

    policy: ClassVar[str] = "cache"

    def __init__(self, name: str, kind: str | None) -> None:
        super().__init__(name)
        self._kind = kind
        self._result: str | None = None

    def decide(self, result: str) -> None:
        """State what the lookup found."""
        self._result = result

    def hit(self) -> None:
        """Say that the cache had an answer, which is used."""
        self._result = "hit"

    def miss(self) -> None:
        """Say that the cache had no answer."""
        self._result = "miss"

    def stale(self) -> None:
        """Say that the cache had an answer past its time."""
        self._result = "stale"

    def bypass(self) -> None:
        """Say that the cache was not asked, or its answer not used, on purpose."""
        self._result = "bypass"

    @quiet
    def returned(self, value: object) -> None:
        """Take what a decorated lookup returned: None is a miss, everything else a hit, unless it said otherwise."""
        if self._result is None:
            self._result = "miss" if value is None else "hit"

    @quiet
    def finish(self, error: BaseException | None = None) -> None:
        """Count the lookup, and tell its result on the span around it."""
        if not self.started or self.done:
            return
        self.done = True
        elapsed, result = self.elapsed(), "error" if error is not None else self._result or "miss"
        found: Attributes = {semconv.CACHE_RESULT: result}
        if self._kind is not None:
            found[semconv.CACHE_KIND] = self._kind
        self.recorder.measure(semconv.CACHE_LOOKUPS, 1, {**self.by, **found}, self.outer)
        self.recorder.measure(semconv.CACHE_DURATION, elapsed / SECOND, {**self.by, **found}, self.outer)
        self.note({**found, semconv.CACHE_NAME: self._name})
