"""Quantiles of histograms, as Prometheus computes them, so that the store and Prometheus give the same verdict."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from operator import add


class Buckets:
    """A sum of histograms: how many values fell into each bucket, by the bucket's upper bound."""

    def __init__(self) -> None:
        self._by_bounds: dict[tuple[float, ...], list[int]] = {}

    def add(self, bounds: tuple[float, ...], counts: Sequence[int]) -> None:
        """Add a histogram; it has one count more than bounds, for what is above the last."""
        before = self._by_bounds.get(bounds)
        self._by_bounds[bounds] = list(map(add, before, counts)) if before else list(counts)

    def merge(self, other: Buckets) -> None:
        """Add all that another one holds."""
        for bounds, counts in other._by_bounds.items():
            self.add(bounds, counts)

    def quantile(self, q: float) -> float | None:
        """Return the value that a share ``q`` of all values does not exceed; None if there are no values.

        It is Prometheus' ``histogram_quantile``: linear inside a bucket, the first bucket begins at 0, and what is above
        the last bound is taken for that bound.
        """
        by_upper = self._by_upper()
        rank = q * by_upper.total()
        if rank <= 0 or set(by_upper) == {math.inf}:
            return None
        lower, below = 0.0, 0
        for position, (upper, inside) in enumerate(sorted(by_upper.items())):
            if upper == math.inf:
                break
            if inside and below + inside >= rank:
                return _inside(lower, upper, (rank - below) / inside, first=not position)
            lower, below = upper, below + inside
        return lower

    def _by_upper(self) -> Counter[float]:
        by_upper: Counter[float] = Counter()
        for bounds, counts in self._by_bounds.items():
            by_upper.update(dict(zip((*bounds, math.inf), counts, strict=True)))
        return by_upper


def _inside(lower: float, upper: float, share: float, *, first: bool) -> float:
    if first and upper <= 0:
        return upper
    return lower + (upper - lower) * share
