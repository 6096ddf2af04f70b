"""What the guard removed or replaced: counted by signal, field and reason, never what it was.

The counts are the metric `resilience.privacy.redactions`. Besides, the keys that were dropped most are kept for
``spanguard doctor``, in this process and in no telemetry: somebody's text can be a key too.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from spanguard.semconv import PRIVACY_FIELD, PRIVACY_REASON, PRIVACY_SIGNAL

_MOST_KEYS: Final = 500
_LONGEST_KEY: Final = 64

_lock = threading.RLock()  # garbage is collected inside it too, and what that ends may be a span
_counts: Counter[tuple[str, str, str]] = Counter()
_keys: Counter[str] = Counter()
_paused = False


@contextmanager
def uncounted() -> Iterator[None]:
    """Count nothing meanwhile: for what the guard does to its own canary."""
    global _paused
    _paused = True
    try:
        yield
    finally:
        _paused = False


def redacted(signal: str, field: str, reason: str) -> None:
    """Count one redaction."""
    if not _paused:
        with _lock:
            _counts[signal, field, reason] += 1


def dropped_key(signal: str, field: str, key: str) -> None:
    """Count an attribute or a metric that no convention knows, and remember its key or name if it looks like one."""
    if _paused:
        return
    with _lock:
        _counts[signal, field, "unknown_key"] += 1
        if key in _keys or (len(_keys) < _MOST_KEYS and _looks_like_a_key(key)):
            _keys[key] += 1


def counts() -> list[tuple[int, Mapping[str, str]]]:
    """Return how often what was removed, each count with its attributes."""
    with _lock:
        found = dict(_counts)
    return [
        (number, {PRIVACY_SIGNAL: signal, PRIVACY_FIELD: field, PRIVACY_REASON: reason})
        for (signal, field, reason), number in found.items()
    ]


def dropped_keys(most: int = 50, *, seen: int = 1) -> list[tuple[str, int]]:
    """Return the keys that were dropped at least ``seen`` times, the most frequent first, with their number."""
    with _lock:
        return [(key, number) for key, number in _keys.most_common(most) if number >= seen]


def _looks_like_a_key(key: str) -> bool:
    """Whether it is written as keys are, ``shop.order_id``: what a user typed seldom is."""
    if len(key) > _LONGEST_KEY or not ("." in key or "_" in key) or not key.islower():
        return False
    return all(map(str.isalpha, key.replace("_", ".").split(".")))


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.RLock()
    _counts.clear()  # the parent tells of its own
    _keys.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
