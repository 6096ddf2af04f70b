"""The book of tokens: holds what calls used until it is known whether their answers were used."""

from __future__ import annotations

import threading
from collections.abc import Callable

from spanguard import semconv
from spanguard._core.scope import Scope
from spanguard._core.usage import Spent, by_model, total
from spanguard._core.writers import Attributes

Sink = Callable[[list[Spent]], None]


class Pending:
    """What calls used, until `settle` says where it goes; what comes later goes there at once."""

    __slots__ = ("_items", "_lock", "_sink")

    def __init__(self) -> None:
        self._items: list[Spent] = []
        self._sink: Sink | None = None
        self._lock = threading.Lock()

    def add(self, spent: list[Spent]) -> None:
        """Take what calls used; from any thread."""
        with self._lock:
            sink = self._sink
            if sink is None:
                self._items += spent
        if sink is not None:
            sink(spent)

    def settle(self, sink: Sink) -> list[Spent]:
        """Say where it goes, and hand over and return what has come so far."""
        with self._lock:
            self._sink = sink
            items, self._items = self._items, []
        if items:
            sink(items)
        return items


def count_tokens(scope: Scope, policy: Attributes, spent: list[Spent], disposition: str) -> None:
    """Count tokens and cost in the metrics, as ``useful`` or ``wasted`` under the policy that decided it."""
    record, within = scope.recorder.measure, scope.inner
    for (provider, model), sums in by_model(spent).items():
        by: Attributes = {**policy, semconv.DISPOSITION: disposition}
        if model:
            by[semconv.GEN_AI_MODEL] = model
        if sums.cost is not None:
            record(semconv.COST, sums.cost, by, within)
        if provider:
            by = {**by, semconv.GEN_AI_PROVIDER: provider}
        for kind, count in zip(semconv.TOKEN_TYPES, (sums.input, sums.output), strict=True):
            if count is not None:
                record(semconv.TOKEN_USAGE, count, {**by, semconv.TOKEN_TYPE: kind}, within)


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
