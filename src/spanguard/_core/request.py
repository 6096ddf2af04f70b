"""What a function was asked for: the model and the numbers among its arguments, by the names that SDKs give them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from spanguard import semconv
from spanguard._core.recorder import Attributes

_NUMBERS: Final = {
    "temperature": (semconv.GEN_AI_TEMPERATURE, float),
    "top_p": (semconv.GEN_AI_TOP_P, float),
    "top_k": (semconv.GEN_AI_TOP_K, int),
    "max_tokens": (semconv.GEN_AI_MAX_TOKENS, int),
    "max_completion_tokens": (semconv.GEN_AI_MAX_TOKENS, int),
    "max_output_tokens": (semconv.GEN_AI_MAX_TOKENS, int),
    "frequency_penalty": (semconv.GEN_AI_FREQUENCY, float),
    "presence_penalty": (semconv.GEN_AI_PRESENCE, float),
    "seed": (semconv.GEN_AI_SEED, int),
    "n": (semconv.GEN_AI_CHOICES, int),
}
# Since Python 3.14 annotations are evaluated late, and may name what only type checkers import: 4 asks for their text.
AS_WRITTEN: Final[dict[str, Any]] = {"annotation_format": 4} if sys.version_info >= (3, 14) else {}
_LIMIT: Final = 2**63
_KNOWN: Final = frozenset({"model", "stream", *_NUMBERS})


class Request:
    """Finds the known arguments of one function; made once, when the function is decorated."""

    def __init__(self, function: Callable[..., object]) -> None:
        self._places: list[tuple[str, int, object]] = []
        self._open = False
        try:
            parameters = inspect.signature(function, follow_wrapped=False, **AS_WRITTEN).parameters.values()
            if any(each.kind is each.VAR_POSITIONAL for each in parameters):  # somebody's wrapper passes on what it is given
                parameters = inspect.signature(function, **AS_WRITTEN).parameters.values()
        except Exception:  # some builtins tell no signature, and some callables raise what they like
            return
        for place, parameter in enumerate(parameters):
            if parameter.kind is parameter.VAR_KEYWORD:
                self._open = True
            elif parameter.name in _KNOWN:
                default = None if parameter.default is parameter.empty else parameter.default
                by_name_only = parameter.kind is parameter.KEYWORD_ONLY
                self._places.append((parameter.name, 2**31 if by_name_only else place, default))

    def read(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> dict[str, object]:
        """Return the known arguments of one call, by name."""
        found: dict[str, object] = {}
        for name, place, default in self._places:
            value = kwargs.get(name, default) if place >= len(args) else args[place]
            if value is not None:
                found[name] = value
        if self._open:
            found.update({name: value for name, value in kwargs.items() if name in _KNOWN and value is not None})
        model = found.get("model")
        if model is not None:
            # Enums of text are text. Whatever else an argument is, it is not asked for its class, which it may make up.
            found["model"] = str.__str__(cast("str", model)) if issubclass(type(model), str) else None
        return found


def request_attributes(arguments: Mapping[str, object]) -> Attributes:
    """Return the span attributes of a request; an argument that is not the number its name promises is left out."""
    attributes: Attributes = {}
    for name, value in arguments.items():
        if name == "stream":
            if value is True:
                attributes[semconv.GEN_AI_STREAM] = True
        elif name in _NUMBERS:
            attribute, kind = _NUMBERS[name]
            number = _number(value)
            if number is not None and not (name == "n" and number == 1):
                attributes[attribute] = kind(number)
    return attributes


def _number(value: object) -> int | float | None:
    """Return a number that fits an attribute; a subclass of a number is not asked what it thinks its value is."""
    cls = type(value)
    if cls is bool or not issubclass(cls, (int, float)):
        return None
    number: int | float = int.__int__(cast("int", value)) if issubclass(cls, int) else float.__float__(cast("float", value))
    return number if -_LIMIT <= number < _LIMIT else None
