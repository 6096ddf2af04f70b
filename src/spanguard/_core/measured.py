"""What is measured of a call of a model: how long it took, what it used, and the pace of its stream.

The attributes of measurements are few sets that come back again and again, so each is made once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from opentelemetry.context import Context

from spanguard._core.held import APART, Held, Series, of_span
from spanguard._core.switch import SPAN_KEY
from spanguard._core.usage import Usage
from spanguard._core.writers import Attributes
from spanguard.semconv import (
    ERROR_TYPE,
    GEN_AI_MODALITY,
    GEN_AI_MODEL,
    GEN_AI_OPERATION,
    GEN_AI_PROVIDER,
    GEN_AI_RESPONSE_MODEL,
    Generation,
    TokenMetric,
)

_MOST_SETS: Final = 1000
_NAMES: Final = (GEN_AI_OPERATION, GEN_AI_PROVIDER, GEN_AI_MODEL, GEN_AI_RESPONSE_MODEL)
_UNKNOWN: Final[Mapping[str, str]] = {GEN_AI_MODALITY: "unknown"}

Key = tuple[str | None, str | None, str | None, str | None]
"""Operation, provider, model asked for, and model that answered."""
Pace = tuple[int | None, float | None]
"""Nanoseconds that a stream took to its first chunk, and the mean of those between its chunks."""
NO_PACE: Final[Pace] = (None, None)
Told = tuple[int, Usage, Pace, str | None]
"""How many nanoseconds a call took, what it used, the pace of its stream, and its error."""
_SECOND: Final = 1e9


class _TokenLabels(NamedTuple):
    series: Series
    place: int
    """Which field of `Usage` is recorded."""
    tokens: TokenMetric
    modal: bool
    """Whether each modality is counted apart, where it is known."""


class Labels:
    """The attributes of what is measured of calls that are alike."""

    __slots__ = ("base", "begun", "duration", "pace", "tokens")

    def __init__(self, base: Attributes, duration: Series, tokens: tuple[_TokenLabels, ...]) -> None:
        self.base: Final = base
        self.duration: Final = duration
        self.tokens: Final = tokens
        self.pace: tuple[Series, Series] | None = None
        """Of streams: the time to the first chunk, and that between chunks."""
        self.begun: set[tuple[type, ...] | None] = set()
        """What was measured of calls already, as types of what there was, so that all series of such a call have begun."""


class CallMetrics:
    """The instruments of calls, with the attributes of all sets of them that have come up."""

    def __init__(self, generation: Generation, tokens: list[TokenMetric], held: Held) -> None:
        self._of: Final = generation
        self._tokens: Final = tokens
        self._held: Final = held
        self._labels: Final[dict[Key, Labels]] = {}

    def record(self, key: Key, told: Told, within: Context) -> None:
        """Record what is told of a call, with its span as exemplar: at once if any series begins with it, else soon."""
        labels = self._labels.get(key) or self._made(key)
        _, usage, pace, error = told
        kinds = None if error is not None or usage.modal is not None else tuple(map(type, usage + pace))
        if kinds in labels.begun:
            self._held.later(self._record, labels, told, within.get(SPAN_KEY))
            return
        self._record(labels, told, within.get(SPAN_KEY))
        if kinds is not None:
            labels.begun.add(kinds)

    def _made(self, key: Key) -> Labels:
        base: Attributes = {name: value for name, value in zip(_NAMES, key, strict=True) if value}
        if len(self._labels) >= _MOST_SETS:
            self._labels.clear()
        tokens = [self._token_labels(base, each) for each in self._tokens]
        made = self._labels[key] = Labels(base, self._held.series(self._of.duration, base), tuple(tokens))
        return made

    def _token_labels(self, base: Attributes, tokens: TokenMetric) -> _TokenLabels:
        series = self._held.series(tokens.metric, {**base, **(_UNKNOWN if tokens.fixed is None else tokens.fixed)})
        return _TokenLabels(series, Usage._fields.index(tokens.kind), tokens, tokens.fixed is None)

    def _record(self, labels: Labels, told: Told, span: object) -> None:
        elapsed, usage, pace, error = told
        held, base, within = self._held, labels.base, of_span(span)
        series = labels.duration if error is None else held.series(self._of.duration, {**base, ERROR_TYPE: error})
        held.put(series, elapsed / _SECOND, within)
        for series, place, tokens, modal in labels.tokens:
            count = usage[place]
            if count is None:
                continue
            if modal and usage.modal is not None:
                for modality, part in usage.by_modality(tokens.kind).items():
                    held.measure(tokens.metric, part, {**base, GEN_AI_MODALITY: modality}, APART)
            else:
                held.put(series, count, APART)  # type: ignore[arg-type]  # the fields of tokens are counts
        first, per_chunk = pace
        if first is None:
            return
        if labels.pace is None:
            labels.pace = held.series(self._of.first_chunk, base), held.series(self._of.per_chunk, base)
        held.put(labels.pace[0], first / _SECOND, within)
        if per_chunk is not None:
            held.put(labels.pace[1], per_chunk / _SECOND, within)
