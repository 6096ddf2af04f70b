"""What a response says of itself, and the few ways to get at a field of an object that nobody has described."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from operator import attrgetter
from types import SimpleNamespace
from typing import Any, Final, NamedTuple, TypeVar

from spanguard._core.usage import NOTHING, Usage
from spanguard.semconv import FINISH_REASONS, OTHER

Get = Callable[[str], object]
"""Gives the field of that name, or None."""

PLAIN: Final = (str, bytes, int, float, list, tuple, set)
"""What functions return that is no response, nor a chunk of one."""

_UNENDED: Final = frozenset({"FINISH_REASON_UNSPECIFIED", "in_progress", "queued"})
_MOST_TYPES: Final = 1000
Way = Callable[[Any], Get]
"""Makes the getter of an object."""
_Kind = TypeVar("_Kind")


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


class OfClass(dict[type, _Kind]):
    """What is found out of each class when its first object comes: to ask each of them costs more than to read it."""

    def __init__(self, find: Callable[[type], _Kind]) -> None:
        super().__init__()
        self._find: Final = find

    def __missing__(self, cls: type) -> _Kind:
        if len(self) >= _MOST_TYPES:
            self.clear()
        self[cls] = found = self._find(cls)
        return found


# Without a frame of Python's, which is half of what a field costs.
_of_mapping: Final[Way] = attrgetter("get")
_of_record: Final[Way] = attrgetter("__dict__.get")


def _of_model(source: Any) -> Get:
    # A field that a model does not have costs a microsecond as an attribute: pydantic raises and formats an error.
    extra: Mapping[str, object] | None = getattr(source, "__pydantic_extra__", None)
    return {**extra, **source.__dict__}.get if extra else source.__dict__.get


def _of_object(source: object) -> Get:
    return lambda name: getattr(source, name, None)


_PLAIN_ACCESS: Final[tuple[object, ...]] = (object.__getattribute__, SimpleNamespace.__getattribute__)


def _way(cls: type) -> Way:
    if issubclass(cls, Mapping):
        return _of_mapping
    if hasattr(cls, "__pydantic_fields__"):
        computes = any(hasattr(cls, name) for name in ("usage", "choices", "model"))
        return _of_object if computes else _of_model
    return _of_record if _is_record(cls) else _of_object


def _is_record(cls: type) -> bool:
    """Whether all that an object of the class has to tell is in its ``__dict__``: a `SimpleNamespace`, a dataclass."""
    if cls.__getattribute__ not in _PLAIN_ACCESS or hasattr(cls, "__getattr__") or not cls.__dictoffset__:
        return False
    fields: Mapping[str, object] = getattr(cls, "__dataclass_fields__", {})  # their defaults stand in the class too
    return all(name.startswith("__") or name in fields for each in cls.__mro__[:-1] for name in vars(each))


way_of: Final[OfClass[Way]] = OfClass(_way)
"""What makes the getter of any object of a class."""


def getter(source: object) -> Get:
    """Return what gives a field of a mapping, of a pydantic model, or of any other object."""
    return way_of[type(source)](source)


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


def one_reason(reason: object) -> tuple[str, ...]:
    """Return the reason of an answer with one choice."""
    if type(reason) is str and reason in FINISH_REASONS:
        return (reason,)
    return finish_reasons((reason,))


def finish_reasons(reasons: Iterable[object]) -> tuple[str, ...]:
    """Return one reason for each choice; a choice that has none among choices that have one broke off: ``error``."""
    named = [_named(reason) for reason in reasons]
    if not any(named):
        return ()
    return tuple(["error" if each is None else finish_reason(each) for each in named])  # a list is quicker than a generator


def _named(reason: object) -> str | None:
    name = reason if type(reason) is str else reason.name if isinstance(reason, Enum) else None
    return None if not name or name in _UNENDED else name
