"""Policies that are in force and without effect: things that no error ever tells."""

from __future__ import annotations

import threading
from typing import Final, NamedTuple

from opentelemetry.context import get_current
from opentelemetry.trace import INVALID_SPAN

from spanguard import semconv
from spanguard._core.border import quiet
from spanguard._core.recorder import recorder
from spanguard._core.scope import policy_attributes


class Misuse(NamedTuple):
    """One way in which a policy is in force and without effect: its kind, and which policy of which library it is."""

    kind: str
    policy: str
    name: str
    library: str | None


_found: Final[dict[Misuse, None]] = {}
_lock: Final = threading.Lock()


@quiet
def detected(kind: str, *, policy: str, name: str, library: str | None) -> None:
    """Tell, once for each policy in a process, that it has no effect; ``kind`` is one of `semconv.MISUSES`."""
    misuse = Misuse(kind, policy, name, library)
    with _lock:
        if misuse in _found:
            return
        _found[misuse] = None
    attributes = {semconv.MISUSE: kind, **policy_attributes(policy, name, library)}
    # With no span, so that it is a log record: it is about the program, not about one call.
    recorder().event(semconv.MISUSE_DETECTED, attributes, span=INVALID_SPAN, within=get_current())


def misuses() -> tuple[Misuse, ...]:
    """Return what has been detected in this process, in the order in which it was."""
    return tuple(_found)


def forget() -> None:
    """Tell each once more; for tests."""
    _found.clear()
