"""Figures that several statistics are made of: rates, and what can be said of a distribution."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from spanguard import semconv
from spanguard.store.histogram import Buckets
from spanguard.store.points import DURATIONS, Points, Series

# What outcomes of operations count as; of these the figures of summaries and the SLIs are made alike. A fallback value
# (`degraded`) is neither an answer nor a miss.
ANSWERED: Final = ("success", "recovered")
"""The operation had a real answer."""
MISSED: Final = ("exhausted", "failed", "rejected")
"""It had none."""
LEFT_OUT: Final = ("cancelled",)
"""Somebody did not want to wait for it: it says nothing about reliability, and no rate counts it."""
CONTEXT: Final = "retrieval"
"""The operation of the GenAI conventions that assembles context: no call of a model."""


@dataclass(frozen=True)
class Latency:
    """How long things took, in seconds; quantiles are those of the histograms' buckets, None where nothing was measured."""

    count: int = 0
    total: float = 0.0
    average: float | None = None
    median: float | None = None
    p95: float | None = None
    p99: float | None = None
    min: float | None = None
    max: float | None = None


def latency(found: Iterable[Series]) -> Latency:
    """Return what the histograms together say."""
    series, buckets = list(found), Buckets()
    for each in series:
        buckets.merge(each.buckets)
    return described(
        sum(each.count for each in series),
        sum(each.sum for each in series),
        buckets,
        min((each.low for each in series if each.low is not None), default=None),
        max((each.high for each in series if each.high is not None), default=None),
    )


def described(count: int, total: float, buckets: Buckets, low: float | None, high: float | None) -> Latency:
    """Return what is to be said of a distribution."""
    if not count:
        return Latency()
    median, p95, p99 = (buckets.quantile(q) for q in (0.5, 0.95, 0.99))
    return Latency(count, total, total / count, median, p95, p99, low, high)


def rate(part: float | None, whole: float | None) -> float | None:
    """Return a part of a whole: 0 where there is nothing of the whole, None where either is not known."""
    if part is None or whole is None:
        return None
    return part / whole if whole else 0.0


def plus(*parts: float | None) -> float | None:
    """Return the sum of those that are known, None if none is."""
    known = [each for each in parts if each is not None]
    return sum(known) if known else None


def outcomes(durations: Iterable[Series]) -> dict[str, int]:
    """Count operations by how they ended, in the order of the vocabulary; what it does not know comes last."""
    counts: Counter[str] = Counter()
    for series in durations:
        counts[series.text(semconv.OUTCOME) or semconv.OTHER] += series.count
    known = (*semconv.OUTCOMES, *sorted({*counts} - {*semconv.OUTCOMES}))
    return {outcome: counts[outcome] for outcome in known if counts[outcome]}


def judged(ended: Mapping[str, int]) -> int:
    """Return how many operations a rate is of: those that somebody cancelled are left out."""
    return sum(count for outcome, count in ended.items() if outcome not in LEFT_OUT)


def share_of(ended: Mapping[str, int], *wanted: str) -> float | None:
    """Return the share of operations that ended so; None where there was none to judge."""
    whole = judged(ended)
    return sum(ended.get(outcome, 0) for outcome in wanted) / whole if whole else None


def calls(points: Points) -> list[Series]:
    """Return how long calls took, in either generation of the conventions."""
    return points.of(*DURATIONS)


def failed(durations: Sequence[Series]) -> int:
    """Count those that ended with an error."""
    return sum(series.count for series in durations if series.text(semconv.ERROR_TYPE))


def token_series(points: Points, kind: semconv.TokenKind) -> list[Series]:
    """Return the first metric of each generation that has this kind of token; another one counts the same tokens again."""
    found: list[Series] = []
    for generation in semconv.GENERATIONS.values():
        counted = next(each for each in generation.tokens if each.kind == kind)
        token_type = dict(counted.fixed or {}).get(semconv.GEN_AI_TOKEN_TYPE)
        found += [
            series
            for series in points.of(counted.metric.name)
            if token_type is None or series.text(semconv.GEN_AI_TOKEN_TYPE) == token_type
        ]
    return found


def tokens(found: Sequence[Series]) -> int | None:
    """Add tokens up; None if nobody counted any. A counter has them in its value, a histogram in its sum."""
    return int(sum(series.value + series.sum for series in found)) if found else None
