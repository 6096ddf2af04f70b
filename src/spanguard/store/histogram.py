"""Quantiles of histograms, as Prometheus computes them, so that the store and Prometheus give the same verdict."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence


class Buckets:
    """A sum of histograms: how many values fell into each bucket, by the bucket's upper bound."""

    def __init__(self) -> None:
        self._counts: Counter[float] = Counter()

    def add(self, bounds: Sequence[float], counts: Sequence[int]) -> None:
        """Add a histogram; it has one count more than bounds, for what is above the last."""
        self._counts.update(dict(zip((*bounds, math.inf), counts, strict=True)))

    def merge(self, other: Buckets) -> None:
        """Add all that another one holds."""
        self._counts.update(other._counts)

    def quantile(self, q: float) -> float | None:
        """Return the value that a share ``q`` of all values does not exceed; None if there are no values.

        It is Prometheus' ``histogram_quantile``: linear inside a bucket, the first bucket begins at 0, and what is above
        the last bound is taken for that bound.
        """
        uppers = sorted(self._counts)
        rank = q * self._counts.total()
        if rank <= 0 or uppers == [math.inf]:
            return None
        lower, below = 0.0, 0
        for position, upper in enumerate(uppers):
            inside = self._counts[upper]
            if upper == math.inf:
                break
            if inside and below + inside >= rank:
                return _inside(lower, upper, (rank - below) / inside, first=not position)
            lower, below = upper, below + inside
        return lower


def _inside(lower: float, upper: float, share: float, *, first: bool) -> float:
    if first and upper <= 0:
        return upper
    return lower + (upper - lower) * share
