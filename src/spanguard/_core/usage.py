"""What a call used, and the book that says of every token whether its answer was used."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple, SupportsFloat

from spanguard._core.border import report

LARGEST = 2**53
"""More tokens than this in one call are taken for a mistake."""


class Usage(NamedTuple):
    """Tokens and cost of one call; None means unknown, which is not 0."""

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None
    cost: float | None = None

    def over(self, other: Usage) -> Usage:
        """Return this usage, completed from the other where this one does not know."""
        if self is NOTHING:
            return other
        known = {name: value for name, value in self._asdict().items() if value is not None}
        return other._replace(**known)


NOTHING = Usage()


class Spent(NamedTuple):
    """What one call used, and of whom."""

    usage: Usage
    provider: str | None
    model: str | None


class Total(NamedTuple):
    """Sum over calls; None where no call knew."""

    input: int | None
    output: int | None
    cost: float | None


def total(spent: Iterable[Spent]) -> Total:
    """Add up what calls used."""
    usages = [each.usage for each in spent]
    inputs = [u.input for u in usages if u.input is not None]
    outputs = [u.output for u in usages if u.output is not None]
    costs = [u.cost for u in usages if u.cost is not None]
    return Total(sum(inputs) if inputs else None, sum(outputs) if outputs else None, math.fsum(costs) if costs else None)


def by_model(spent: Iterable[Spent]) -> dict[tuple[str | None, str | None], Total]:
    """Add up what calls used, for each provider and model."""
    groups: defaultdict[tuple[str | None, str | None], list[Spent]] = defaultdict(list)
    for each in spent:
        groups[each.provider, each.model].append(each)
    return {key: total(group) for key, group in groups.items()}


def tokens(where: str, value: object) -> int | None:
    """Return a token count if the value can be one; report it and return None otherwise. None stays None, in silence."""
    if value is None:
        return None
    number = _number(value)
    if number is not None and 0 <= number <= LARGEST and number == int(number):
        return int(number)
    report(where, "a token count is not a whole number from 0 up, left out")
    return None


def amount(where: str, value: object) -> float | None:
    """Return an amount of money or seconds if the value can be one; report it and return None otherwise. None stays None."""
    if value is None:
        return None
    number = _number(value)
    if number is not None and 0 <= number <= LARGEST:
        return float(number)
    report(where, "an amount is not a number from 0 up, left out")
    return None


def _number(value: object) -> float | None:
    """Return an int as it is, other numbers (Decimal, numpy's) as a float, and None for NaN, bool, text and the rest."""
    if type(value) is int:
        return value
    if isinstance(value, (bool, str, bytes)) or not isinstance(value, SupportsFloat):
        return None
    number = float(value)
    return None if math.isnan(number) else number
