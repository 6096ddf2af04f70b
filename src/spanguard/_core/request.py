"""What a function was asked for: the model and the numbers among its arguments, by the names that SDKs give them."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Final

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
_KNOWN: Final = frozenset({"model", "stream", *_NUMBERS})


class Request:
    """Finds the known arguments of one function; made once, when the function is decorated."""

    def __init__(self, function: Callable[..., object]) -> None:
        self._places: list[tuple[str, int, object]] = []
        self._open = False
        try:
            parameters = inspect.signature(function).parameters.values()
        except (TypeError, ValueError):  # some builtins tell no signature
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
        return found


def request_attributes(arguments: Mapping[str, object]) -> Attributes:
    """Return the span attributes of a request; an argument that is not the number its name promises is left out."""
    attributes: Attributes = {}
    for name, value in arguments.items():
        if name == "stream":
            if value is True:
                attributes[semconv.GEN_AI_STREAM] = True
        elif name in _NUMBERS and isinstance(value, (int, float)) and not isinstance(value, bool):
            attribute, kind = _NUMBERS[name]
            if math.isfinite(value) and not (name == "n" and value == 1):
                attributes[attribute] = kind(value)
    return attributes
