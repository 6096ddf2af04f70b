"""The server's own account of what it was asked, what it answered, and what that cost."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple, TypedDict


class Entry(NamedTuple):
    """One request: its job, the status it was given, what was wrong on purpose, and what the answer cost in USD.

    ``status`` is None where the client left without an answer. A request without an answer used nothing.
    """

    job: str
    status: int | None
    fault: str | None = None
    spoiled: bool = False
    input_tokens: int = 0
    output_tokens: int = 0
    cost: float = 0.0

    @property
    def answered(self) -> bool:
        """Whether the client got a whole answer, be it a good one or a spoiled one."""
        return self.status == 200


class Used(TypedDict):
    """Answers, their tokens, and their cost in USD."""

    answers: int
    input_tokens: int
    output_tokens: int
    cost: float


class Totals(TypedDict):
    """Sums over all requests. ``failures`` is by status, ``abandoned`` for clients that left; ``faults`` is by kind."""

    requests: int
    failures: dict[str, int]
    faults: dict[str, int]
    answered: Used
    spoiled: Used


class Ledger:
    """What was asked and answered, written down by many threads."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: Entry) -> None:
        """Write one request down."""
        with self._lock:
            self._entries.append(entry)

    @property
    def entries(self) -> list[Entry]:
        """All requests so far, in the order in which they ended."""
        with self._lock:
            return list(self._entries)

    def totals(self) -> Totals:
        """Sum up all requests so far."""
        entries = self.entries
        failed = Counter(str(entry.status or "abandoned") for entry in entries if not entry.answered)
        return Totals(
            requests=len(entries),
            failures=dict(sorted(failed.items())),
            faults=dict(sorted(Counter(entry.fault for entry in entries if entry.fault).items())),
            answered=_used([entry for entry in entries if entry.answered]),
            spoiled=_used([entry for entry in entries if entry.spoiled]),
        )


def _used(entries: Sequence[Entry]) -> Used:
    return Used(
        answers=len(entries),
        input_tokens=sum(entry.input_tokens for entry in entries),
        output_tokens=sum(entry.output_tokens for entry in entries),
        cost=round(math.fsum(entry.cost for entry in entries), 9),
    )
