"""What this process has lost of its telemetry, for whatever reason: counted here, and told by `resilience.telemetry.dropped`.

Drops are also counted where they can be read afterwards: in the store (`drops`), or in the spool.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Mapping

from spanguard.semconv import DROP_REASON, DROP_SIGNAL

_lock = threading.Lock()
_counts: Counter[tuple[str, str]] = Counter()


def lost(signal: str, reason: str, items: int) -> None:
    """Count items of a signal (``traces``, ``metrics``, ``logs``) that were lost."""
    if items > 0:
        with _lock:
            _counts[signal, reason] += items


def losses() -> list[tuple[int, Mapping[str, str]]]:
    """Return how many items were lost, each number with its attributes."""
    with _lock:
        found = dict(_counts)
    return [(items, {DROP_SIGNAL: signal, DROP_REASON: reason}) for (signal, reason), items in found.items()]


def total() -> int:
    """Return how many items were lost, of all signals."""
    with _lock:
        return _counts.total()


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.Lock()
    _counts.clear()  # the parent tells of its own


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
