"""pyrate-limiter 3.9 to 4.5.

What is seen: each wait for a permit (``try_acquire``, ``try_acquire_async``, the decorator), how long it took, and whether it
was in vain. A limiter's name is the variable that it is assigned to; the name of the item is never recorded, for it may be
a user's.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from spanguard._core.limiter import Wait
from spanguard.instrumentation import _names
from spanguard.instrumentation._adapter import Args, Clearable, Instrumentor, Kwargs, Patch, argument, around, before
from spanguard.instrumentation._tries import running

_LIBRARY: Final = "pyrate-limiter"
_names_of: Final = _names.Made("rate_limiter", "pyrate_limiter")


class _Wait(Wait):
    """A wait whose result says whether there was a permit."""

    def __init__(self, name: str, longest: float | None) -> None:
        super().__init__(name, longest, _LIBRARY)
        self._longest = longest

    def returned(self, value: object) -> None:
        """Hear whether there was a permit."""
        if value is False:
            self.decide("rejected" if self._longest is None else "timeout")


def _made(limiter: Any, _args: Args, _kwargs: Kwargs) -> None:
    _names_of.heard(limiter)


def _sync(args: Args, kwargs: Kwargs) -> Wait | None:
    # What `try_acquire_async` calls is its own wait.
    return None if argument(args, kwargs, 5, "_force_async") else _wait(args, kwargs)


def _wait(args: Args, kwargs: Kwargs) -> Wait:
    timeout = argument(args, kwargs, 4, "timeout")
    longest = float(timeout) if isinstance(timeout, (int, float)) and timeout >= 0 else None
    wait = _Wait(_names_of.name(args[0]), longest)
    wait.start()
    return wait


class _Wait3(Wait):
    """A wait as version 3 makes it: it refuses at once what would take longer than the limiter may hold up."""

    def __init__(self, limiter: Any) -> None:
        longest = limiter.max_delay
        super().__init__(_names_of.name(limiter), None if longest is None else longest / 1000, _LIBRARY)
        self.owner = limiter

    def returned(self, value: object) -> None:
        """Hear whether there was a permit."""
        if value is False:
            self.rejected()


def _wait3(args: Args, _kwargs: Kwargs) -> Wait | None:
    if running(_Wait3, args[0]) is not None:
        return None  # the async way goes through the other
    wait = _Wait3(args[0])
    wait.start()
    return wait


class PyrateLimiterInstrumentor(Instrumentor):
    """Shows the rate limiters of pyrate-limiter."""

    library = _LIBRARY
    requires: ClassVar[tuple[str, ...]] = ("pyrate-limiter >= 3.9, < 5",)
    known: ClassVar[tuple[Clearable, ...]] = (_names_of,)
    patches: ClassVar[tuple[Patch, ...]] = (
        Patch("pyrate_limiter.limiter", "Limiter.__init__", before(_made), always=True),
        Patch("pyrate_limiter.limiter", "Limiter._try_acquire", around(_sync), versions=">= 4"),
        Patch("pyrate_limiter.limiter", "Limiter.try_acquire_async", around(_wait), versions=">= 4"),
        Patch("pyrate_limiter.limiter", "Limiter.try_acquire", around(_wait3), versions="< 4"),
        Patch("pyrate_limiter.limiter", "Limiter.try_acquire_async", around(_wait3), versions="< 4"),
    )
