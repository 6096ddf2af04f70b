"""What a response says of itself, and the few ways to get at a field of an object that nobody has described."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Final, NamedTuple

from spanguard._core.usage import NOTHING, Usage
from spanguard.semconv import FINISH_REASONS, OTHER

Get = Callable[[str], object]
"""Gives the field of that name, or None."""

PLAIN: Final = (str, bytes, int, float, list, tuple, set)
"""What functions return that is no response, nor a chunk of one."""

_UNENDED: Final = frozenset({"FINISH_REASON_UNSPECIFIED", "in_progress", "queued"})
_MOST_TYPES: Final = 1000
_WAYS: Final[dict[type, int]] = {}
_MAPPING, _MODEL, _OBJECT = 1, 2, 3


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


def getter(source: object) -> Get:
    """Return what gives a field of a mapping, of a pydantic model, or of any other object."""
    cls = type(source)
    way = _WAYS.get(cls) or _way(cls)
    if way == _MAPPING:
        get: Get = source.get  # type: ignore[attr-defined]
        return get
    if way == _MODEL:
        # A field that a model does not have costs a microsecond as an attribute: pydantic raises and formats an error.
        extra: Mapping[str, object] | None = getattr(source, "__pydantic_extra__", None)
        fields: dict[str, object] = source.__dict__
        return {**extra, **fields}.get if extra else fields.get
    return lambda name: getattr(source, name, None)


def _way(cls: type) -> int:
    # Remembered, because a check against an abstract class costs more than all the rest of reading a field.
    if len(_WAYS) >= _MOST_TYPES:
        _WAYS.clear()
    if issubclass(cls, Mapping):
        way = _MAPPING
    elif hasattr(cls, "__pydantic_fields__") and not any(hasattr(cls, name) for name in ("usage", "choices", "model")):
        way = _MODEL
    else:
        way = _OBJECT  # also a pydantic model that computes such a field
    _WAYS[cls] = way
    return way


def first(get: Get, *names: str) -> object:
    """Return the first of these fields that there is."""
    for name in names:
        value = get(name)
        if value is not None:
            return value
    return None


def text(value: object) -> str | None:
    """Return the value if it is text, and not empty."""
    return value if isinstance(value, str) and value else None


def finish_reason(reason: str) -> str:
    """Return the reason if a provider documents it, else ``_OTHER``."""
    return reason if reason in FINISH_REASONS else OTHER


def finish_reasons(reasons: Iterable[object]) -> tuple[str, ...]:
    """Return one reason for each choice; a choice that has none among choices that have one broke off: ``error``."""
    named = [_named(reason) for reason in reasons]
    if not any(named):
        return ()
    return tuple(["error" if each is None else finish_reason(each) for each in named])  # a list is quicker than a generator


def _named(reason: object) -> str | None:
    name = reason if type(reason) is str else reason.name if isinstance(reason, Enum) else None
    return None if not name or name in _UNENDED else name
