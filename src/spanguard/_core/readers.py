"""Read model, id, finish reasons and usage from whatever a provider's library returned, by the shape of the object.

No provider's library is imported. A shape that is not known gives nothing, which is recorded as nothing. This first version
knows OpenAI's chat completions, completions, embeddings and responses, as objects and as mappings, whole and in chunks;
and a flat mapping for everything else: ``{"model": ..., "input_tokens": ..., "output_tokens": ..., "cost": ...}``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, cast

from spanguard._core.usage import NOTHING, Usage, amount, tokens
from spanguard.semconv import FINISH_REASONS, OTHER

_WHERE: Final = "usage in a response"
_LAST: Final = 8
"""How many chunks of a stream are kept, counted from its end: usage and finish reasons come last."""

_MAPS: Final[dict[type, bool]] = {}
_MOST_TYPES: Final = 1000


class Reading(NamedTuple):
    """What a response says of itself; None and () mean that it does not say."""

    usage: Usage = NOTHING
    model: str | None = None
    id: str | None = None
    finish_reasons: tuple[str, ...] = ()
    provider: str | None = None

    def over(self, other: Reading) -> Reading:
        """Return this reading, completed from the other where this one does not know."""
        if other is UNREAD:
            return self
        if self is UNREAD:
            return other
        return Reading(
            self.usage.over(other.usage),
            self.model or other.model,
            self.id or other.id,
            self.finish_reasons or other.finish_reasons,
            self.provider or other.provider,
        )


UNREAD: Final = Reading()


def read(response: object) -> Reading:
    """Read a whole response. Never raises for an unknown shape; may raise what the object's own attributes raise."""
    if response is None or isinstance(response, (str, bytes, int, float, list, tuple, set)):
        return UNREAD
    usage = _get(response, "usage")
    if usage is None and isinstance(response, Mapping):
        usage = response
    return Reading(
        _usage(usage),
        _text(_get(response, "model")),
        _text(_get(response, "id")),
        _finish_reasons(response),
        _provider(response),
    )


class StreamReader:
    """Reads the chunks of a stream: keeps the first and the last few, and looks at them only when asked."""

    __slots__ = ("_first", "_last", "count")

    def __init__(self) -> None:
        self.count = 0
        self._first: object = None
        self._last: deque[object] = deque(maxlen=_LAST)

    def chunk(self, chunk: object) -> None:
        """Take one chunk; called for each, so it does next to nothing."""
        self.count += 1
        self._last.append(chunk)
        if self.count == 1:
            self._first = chunk

    @property
    def kept(self) -> list[object]:
        """The chunks that are kept, the last ones."""
        return list(self._last)

    def read(self) -> Reading:
        """Read what the chunks say together; what came later counts more."""
        reading = UNREAD
        for chunk in self._last:
            reading = _chunk(chunk).over(reading)
        return reading.over(_chunk(self._first))


def _chunk(chunk: object) -> Reading:
    # Events of the Responses API carry the response so far; chunks of chat completions look like small responses.
    inner = _get(chunk, "response")
    reading = read(inner if inner is not None else chunk)
    final = _get(chunk, "type") in (None, "response.completed", "response.incomplete", "response.failed")
    return reading if final else reading._replace(finish_reasons=())


def _usage(usage: object) -> Usage:
    if usage is None:
        return NOTHING
    sent = _first(usage, "input_tokens", "prompt_tokens")
    received = _first(usage, "output_tokens", "completion_tokens")
    details_in = _first(usage, "input_tokens_details", "prompt_tokens_details")
    details_out = _first(usage, "output_tokens_details", "completion_tokens_details")
    return Usage(
        tokens(_WHERE, sent),
        tokens(_WHERE, received),
        tokens(_WHERE, _get(details_in, "cached_tokens")),
        tokens(_WHERE, _get(details_in, "cache_write_tokens")),
        tokens(_WHERE, _get(details_out, "reasoning_tokens")),
        amount(_WHERE, _get(usage, "cost")),
    )


def _finish_reasons(response: object) -> tuple[str, ...]:
    choices = _get(response, "choices")
    if isinstance(choices, Iterable):
        reasons = [_get(choice, "finish_reason") for choice in choices]
    elif _get(response, "object") == "response":
        reasons = [_get(_get(response, "incomplete_details"), "reason") or _get(response, "status")]
    else:
        return ()
    return tuple(finish_reason(reason) for reason in reasons if isinstance(reason, str))


def finish_reason(reason: str) -> str:
    """Return the reason if a provider documents it, else ``_OTHER``."""
    return reason if reason in FINISH_REASONS else OTHER


def _provider(response: object) -> str | None:
    # The best that a response tells by itself; what the program says (`provider=`) beats it.
    return "openai" if type(response).__module__.startswith("openai.") else None


def _first(source: object, *names: str) -> object:
    for name in names:
        value = _get(source, name)
        if value is not None:
            return value
    return None


def _get(source: object, name: str) -> object:
    cls = type(source)
    if _MAPS.get(cls) or (cls not in _MAPS and _maps(cls)):
        return cast("Mapping[str, object]", source).get(name)
    value: object = getattr(source, name, None)
    return value


def _maps(cls: type) -> bool:
    # Remembered, because a check against an abstract class costs more than all the rest of reading an attribute.
    if len(_MAPS) >= _MOST_TYPES:
        _MAPS.clear()
    _MAPS[cls] = issubclass(cls, Mapping)
    return _MAPS[cls]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
