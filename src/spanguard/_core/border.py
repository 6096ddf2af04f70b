"""The one border that swallows: no fault of telemetry reaches the program.

A fault is logged once for each place and kind, under the logger ``spanguard``, without any value of the program in it:
the log may itself be exported. Under our own tests `strict` is set, and faults of ours are raised.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_log: Final = logging.getLogger("spanguard")
_reported: set[tuple[str, str]] = set()
strict = False


def report(where: str, what: str) -> None:
    """Log a fault once: where it is in the user's terms, and what was left out because of it."""
    if (where, what) not in _reported:
        _reported.add((where, what))
        _log.warning("%s: %s (reported once)", where, what)


def forget() -> None:
    """Report each fault once more; for tests."""
    _reported.clear()


def quiet(method: Callable[P, R]) -> Callable[P, R | None]:
    """Wrap a method of ours so that an error in it is logged once and the program goes on."""

    @functools.wraps(method)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> R | None:
        try:
            return method(*args, **kwargs)
        except Exception as error:
            swallow(method, error)
            return None

    return guarded


def swallow(method: Callable[..., object], error: Exception) -> None:
    """Log an error of ours once, or raise it under our own tests; for who cannot afford the call that `quiet` adds."""
    if strict:
        raise error
    report(method.__qualname__, f"{type(error).__name__} in telemetry, left out")


def ask(where: str, foreign: Callable[[], R]) -> R | None:
    """Call code that is not ours (a reader, an attribute of a foreign object); what it raises is logged once."""
    try:
        return foreign()
    except Exception as error:
        report(where, f"{type(error).__name__} raised, left out")
        return None
