"""Cumulative points: each contains all before it, so what it says of a time is by how much it grew."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_STREAM: Final = ("resource_id", "scope", "name", "attributes", "start_ns")


@dataclass(frozen=True)
class Growth:
    """By how much a point raises what the ones before it in its stream said; ``row`` is the point."""

    row: sqlite3.Row
    value: float
    count: int
    sum: float
    counts: Sequence[int]


def grown(rows: Iterable[sqlite3.Row], start_ns: int = 0) -> Iterator[Growth]:
    """Yield the growth of each cumulative point from a time on; rows come in order of time, those before included.

    A stream that falls began anew, as Prometheus' ``increase`` has it too: then all of the point is growth.
    """
    before: dict[tuple[object, ...], sqlite3.Row] = {}
    for row in rows:
        stream = tuple(row[each] for each in _STREAM)
        last, before[stream] = before.get(stream), row
        if row["time_ns"] >= start_ns:
            yield _since(row, None if last is None or _fell(row, last) else last)


def _fell(row: sqlite3.Row, last: sqlite3.Row) -> bool:
    return any((row[each] or 0) < (last[each] or 0) for each in ("value", "count"))


def _since(row: sqlite3.Row, last: sqlite3.Row | None) -> Growth:
    value, count, total = ((row[each] or 0) - ((last[each] or 0) if last else 0) for each in ("value", "count", "sum"))
    counts: Sequence[int] = parsed_counts(row["counts"]) if row["counts"] else ()
    if last is not None and counts and last["bounds"] == row["bounds"]:
        counts = [now - then for now, then in zip(counts, parsed_counts(last["counts"]), strict=True)]
    return Growth(row, value, count, total, counts)


@lru_cache(maxsize=4096)
def parsed_counts(text: str) -> tuple[int, ...]:
    """Return the counts of buckets, which are stored as JSON."""
    return tuple(json.loads(text))


@lru_cache(maxsize=64)
def parsed_bounds(text: str) -> tuple[float, ...]:
    """Return the bounds of buckets, which are stored as JSON."""
    return tuple(json.loads(text))
