"""The book of tokens: holds what calls used until it is known whether their answers were used."""

from __future__ import annotations

import threading

from spanguard import semconv
from spanguard._core.policies import Policy
from spanguard._core.scope import Scope
from spanguard._core.usage import Spent, by_model, total
from spanguard._core.writers import Attributes


class Book(Scope):
    """A scope that keeps what calls in it used until it is settled where that goes; what comes late goes there at once."""

    _lock: threading.Lock
    _kept: list[Spent] | None = None
    _is_settled: bool = False

    def hold(self, spent: list[Spent]) -> None:
        """Keep what calls used, told from any thread, until it is settled."""
        with self._lock:
            settled = self._is_settled
            if not settled:
                self._kept = add(self._kept, spent)
        if settled:
            self._settled(spent)

    def close_book(self) -> list[Spent]:
        """Send on, and return, what has come so far; it is known now where it goes."""
        with self._lock:
            self._is_settled = True
            kept, self._kept = self._kept or [], None
        if kept:
            self._settled(kept)
        return kept

    def _settled(self, spent: list[Spent]) -> None:
        """Send on what calls used."""
        raise NotImplementedError


def add(kept: list[Spent] | None, spent: list[Spent]) -> list[Spent]:
    """Add to a list that is made when it is first needed: most scopes keep nothing, ever."""
    if kept is None:
        return list(spent)
    kept += spent
    return kept


def count_tokens(scope: Scope, policy: Policy, spent: list[Spent], disposition: str) -> None:
    """Count tokens and cost in the metrics, as ``useful`` or ``wasted`` under the policy that decided it."""
    recorder, within = scope.recorder, scope.inner
    for (provider, model), sums in by_model(spent).items():
        if sums.cost is not None:
            policy.measure(recorder, semconv.COST, sums.cost, (disposition, model), within)
        for kind, count in zip(semconv.TOKEN_TYPES, (sums.input, sums.output), strict=True):
            if count is not None:
                policy.measure(recorder, semconv.TOKEN_USAGE, count, (kind, disposition, provider, model), within)


def summary(useful: list[Spent], wasted: list[Spent]) -> Attributes:
    """Return the attributes that say how much was useful and how much was wasted; what is unknown is left out."""
    attributes: Attributes = {}
    for spent, names in (
        (useful, (semconv.USEFUL_INPUT, semconv.USEFUL_OUTPUT, semconv.USEFUL_COST)),
        (wasted, (semconv.WASTED_INPUT, semconv.WASTED_OUTPUT, semconv.WASTED_COST)),
    ):
        for name, value in zip(names, total(spent), strict=True):
            if value is not None:
                attributes[name] = value
    return attributes
