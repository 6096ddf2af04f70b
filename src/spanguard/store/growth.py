"""Cumulative points: each contains all before it, so what it says of a time is by how much it grew."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Hashable, Iterable, Iterator, Sequence
from functools import lru_cache
from operator import sub
from typing import Final, NamedTuple, cast

_STREAM: Final = ("resource_id", "scope", "name", "attributes", "start_ns")
_NUMBERS: Final = ("value", "count", "sum", "min", "max", "bounds", "counts")


class Measured(NamedTuple):
    """What a point says, or by how much it raises what the ones before it in its stream said."""

    value: float = 0
    number: int = 0
    sum: float = 0
    low: float | None = None
    high: float | None = None
    bounds: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()


def measured(numbers: Sequence[object]) -> Measured:
    """Return a point's value, count, sum, minimum, maximum, bounds and counts, as they stand in the store."""
    value, count, total, low, high = cast("Sequence[float | None]", numbers[:5])
    bounds = parsed_bounds(numbers[5]) if isinstance(numbers[5], str) else ()
    counts = parsed_counts(numbers[6]) if isinstance(numbers[6], str) else ()
    return Measured(value or 0, int(count or 0), total or 0, low, high, bounds, counts)


class Streams:
    """The newest point of each stream, to tell by how much the next one grew."""

    def __init__(self) -> None:
        self._newest: dict[Hashable, tuple[int, Measured]] = {}

    def grown(self, stream: Hashable, time_ns: int, now: Measured) -> Measured:
        """Return by how much a point raises what was known of its stream.

        A stream that falls began anew, as Prometheus' ``increase`` has it too: then all of the point is growth. A histogram
        falls as a whole, with any of its buckets, for otherwise its buckets would tell of another number than its count. A
        point that is lower because it is older, and came late, adds nothing: a later one has it in it.
        """
        last_ns, last = self._newest.get(stream, (time_ns, None))
        fell = last is not None and _fell(now, last)
        if fell and time_ns < last_ns:
            return Measured(bounds=now.bounds)
        self._newest[stream] = time_ns, now
        return now if last is None or fell else _since(now, last)


def grown(rows: Iterable[sqlite3.Row], start_ns: int = 0) -> Iterator[tuple[sqlite3.Row, Measured]]:
    """Yield each cumulative point from a time on with its growth; rows come in order of time, those before included."""
    streams = Streams()
    for row in rows:
        growth = streams.grown(
            tuple(row[each] for each in _STREAM), row["time_ns"], measured([row[each] for each in _NUMBERS])
        )
        if row["time_ns"] >= start_ns:
            yield row, growth


def _fell(now: Measured, last: Measured) -> bool:
    if (now.bounds, len(now.counts)) != (last.bounds, len(last.counts)) or now.value < last.value or now.number < last.number:
        return True
    return any(new < old for new, old in zip(now.counts, last.counts, strict=True))


def _since(now: Measured, last: Measured) -> Measured:
    """The least and the most stay those of all that the stream ever measured; nobody knows those of a part."""
    counts = tuple(map(sub, now.counts, last.counts))
    return now._replace(value=now.value - last.value, number=now.number - last.number, sum=now.sum - last.sum, counts=counts)


@lru_cache(maxsize=4096)
def parsed_counts(text: str) -> tuple[int, ...]:
    """Return the counts of buckets, which are stored as JSON."""
    return tuple(json.loads(text))


def summed_up(bounds: str, counts: str) -> tuple[tuple[float, ...], list[int]]:
    """Return bounds, and the sum of the counts of points with these bounds: JSON arrays with commas between them.

    As one flat list: arrays of arrays take half as long again.
    """
    parsed = parsed_bounds(bounds)
    size = len(parsed) + 1
    flat: list[int] = json.loads(counts.replace("],[", ","))
    return parsed, [sum(flat[place::size]) for place in range(size)]


@lru_cache(maxsize=64)
def parsed_bounds(text: str) -> tuple[float, ...]:
    """Return the bounds of buckets, which are stored as JSON."""
    return tuple(json.loads(text))
