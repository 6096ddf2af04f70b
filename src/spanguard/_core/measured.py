"""What is measured of a call of a model: how long it took, what it used, and the pace of its stream.

The attributes of measurements are few sets that come back again and again, so each is made once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from opentelemetry.context import Context, create_key

from spanguard._core.usage import Usage
from spanguard._core.writers import Attributes, Writer, ignore
from spanguard.semconv import (
    ERROR_TYPE,
    GEN_AI_MODALITY,
    GEN_AI_MODEL,
    GEN_AI_OPERATION,
    GEN_AI_PROVIDER,
    GEN_AI_RESPONSE_MODEL,
    Generation,
    TokenKind,
    TokenMetric,
)

_MOST_SETS: Final = 1000
_NAMES: Final = (GEN_AI_OPERATION, GEN_AI_PROVIDER, GEN_AI_MODEL, GEN_AI_RESPONSE_MODEL)
_UNKNOWN: Final[Mapping[str, str]] = {GEN_AI_MODALITY: "unknown"}
# One exemplar a call, that of its duration: the counts of its tokens stand on the same span. This context has no span; it
# is not empty, for then the SDK would take the current one.
_APART: Final = Context({create_key("spanguard-apart"): True})

Key = tuple[str | None, str | None, str | None, str | None]
"""Operation, provider, model asked for, and model that answered."""


class _TokenLabels(NamedTuple):
    record: Writer
    place: int
    """Which field of `Usage` is recorded."""
    kind: TokenKind
    attributes: Attributes
    modal: bool
    """Whether each modality is counted apart, where it is known."""


class Labels(NamedTuple):
    """The attributes of what is measured of calls that are alike."""

    base: Attributes
    tokens: tuple[_TokenLabels, ...]


class CallMetrics:
    """The instruments of calls, with the attributes of all sets of them that have come up."""

    def __init__(self, generation: Generation, writers: Mapping[str, Writer], tokens: list[TokenMetric]) -> None:
        self._duration: Final = writers.get(generation.duration.name, ignore)
        self._first_chunk: Final = writers.get(generation.first_chunk.name, ignore)
        self._per_chunk: Final = writers.get(generation.per_chunk.name, ignore)
        self._tokens: Final = [(writers.get(each.metric.name, ignore), each) for each in tokens]
        self._labels: Final[dict[Key, Labels]] = {}

    def labels(self, key: Key) -> Labels:
        """Return the attributes of what is measured of such a call. Nobody changes them."""
        return self._labels.get(key) or self._made(key)

    def _made(self, key: Key) -> Labels:
        base: Attributes = {name: value for name, value in zip(_NAMES, key, strict=True) if value}
        tokens = tuple(
            _TokenLabels(
                record,
                Usage._fields.index(each.kind),
                each.kind,
                {**base, **(_UNKNOWN if each.fixed is None else each.fixed)},
                each.fixed is None,
            )
            for record, each in self._tokens
        )
        if len(self._labels) >= _MOST_SETS:
            self._labels.clear()
        made = self._labels[key] = Labels(base, tokens)
        return made

    def record(self, labels: Labels, seconds: float, usage: Usage, error: str | None, within: Context) -> None:
        """Record how long a call took, and what it used."""
        base = labels.base
        self._duration(seconds, base if error is None else {**base, ERROR_TYPE: error}, within)
        for record, place, kind, attributes, modal in labels.tokens:
            count = usage[place]
            if count is None:
                continue
            if modal and usage.modal is not None:
                for modality, part in usage.by_modality(kind).items():
                    record(part, {**base, GEN_AI_MODALITY: modality}, _APART)
            else:
                record(count, attributes, _APART)  # type: ignore[arg-type]  # the fields of tokens are counts

    def record_pace(self, labels: Labels, first: float, per_chunk: float | None, within: Context) -> None:
        """Record the seconds that a stream took to its first chunk, and the mean of those between its chunks."""
        self._first_chunk(first, labels.base, within)
        if per_chunk is not None:
            self._per_chunk(per_chunk, labels.base, within)
