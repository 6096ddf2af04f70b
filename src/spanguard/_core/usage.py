"""What a call used, and the book that says of every token whether its answer was used."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple, TypeVar, cast

from spanguard._core.border import report
from spanguard.semconv import TokenKind

N = TypeVar("N", int, float)

_UNCOUNTED: Final = (None,) * 5
LARGEST: Final = 2**53
"""More tokens than this in one call are taken for a mistake."""


Modal = tuple[TokenKind, str, int]
"""How many tokens of a kind encode text, image or audio."""


class Usage(NamedTuple):
    """Tokens and cost of one call; None means unknown, which is not 0."""

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None
    cost: float | None = None
    modal: tuple[Modal, ...] | None = None

    def over(self, other: Usage) -> Usage:
        """Return this usage, completed from the other where this one does not know."""
        if self is NOTHING or other is NOTHING:
            return other if self is NOTHING else self
        pairs = zip(self, other, strict=True)
        return Usage._make(theirs if mine is None else mine for mine, theirs in pairs)

    def plus(self, other: Usage) -> Usage:
        """Return the sum with the other, for streams whose chunks each count their own."""
        if self is NOTHING or other is NOTHING:
            return self.over(other)
        return Usage(
            _plus(self.input, other.input),
            _plus(self.output, other.output),
            _plus(self.cache_read, other.cache_read),
            _plus(self.cache_write, other.cache_write),
            _plus(self.reasoning, other.reasoning),
            _plus(self.cost, other.cost),
            (*(self.modal or ()), *(other.modal or ())) or None,
        )

    @property
    def counted(self) -> bool:
        """Whether any token count is known."""
        return self.input is not None or self.output is not None or self[:5] != _UNCOUNTED

    def by_modality(self, kind: TokenKind) -> dict[str, int]:
        """Return how many tokens of a kind there are of each modality, which add up to its count; the rest is ``unknown``."""
        whole: int | None = getattr(self, kind)
        if whole is None:
            return {}
        if self.modal is None:
            return {"unknown": whole}
        parts: defaultdict[str, int] = defaultdict(int)
        for of, modality, count in self.modal:
            if of == kind:
                parts[modality] += count
        rest = whole - sum(parts.values())
        if rest < 0:  # a breakdown of something else
            return {"unknown": whole}
        return {**parts, "unknown": rest} if rest or not parts else dict(parts)


NOTHING = Usage()


def _plus(mine: N | None, theirs: N | None) -> N | None:
    return mine if theirs is None else theirs if mine is None else mine + theirs


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
    if value is None or (type(value) is int and 0 <= value <= LARGEST):
        return value
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
    if isinstance(value, bool) or not (isinstance(value, float) or _is_number(value)):
        return None
    number = float(cast("float", value))
    return None if math.isnan(number) else number


def _is_number(value: object) -> bool:
    from decimal import Decimal  # both for rare types alone: they are not loaded with `import spanguard`
    from numbers import Real

    return isinstance(value, (Real, Decimal))
